//! The opposite of a remedy: edits a manifest so that the live state becomes the baseline.
//!
//! Flow: a drift → [`edits`] → [`edit_manifest`], which changes the one document in place, comments and layout kept,
//! parses the result again and compares it with what was meant → [`changes`] for a pull request.
//!
//! **Invariant:** nothing but the fields that were meant changes its meaning, in the whole file; where that cannot be
//! had, nothing is changed. Live content goes into git only where its resource discloses it.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use yaml_edit::{Document, Mapping, ScalarStyle, ScalarValue};

use crate::document::{Yaml, YamlValue, parse};
use crate::model::{Change, Contents, Drift, Value};
use crate::ports::FileChange;

/// What a file that is absent may not say.
const OF_PRESENT_FILES: [&str; 8] = [
    "content",
    "contentFrom",
    "mode",
    "owner",
    "group",
    "capabilities",
    "immutable",
    "validate",
];
const CONTENT: &str = "content";

/// One field of a `spec` and what it becomes; none takes it out.
#[derive(Clone, PartialEq, Debug)]
pub struct Edit {
    pub field: String,
    pub to: Option<Scalar>,
}

/// A value that a manifest can be given.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar {
    Text(String),
    Int(i64),
    Bool(bool),
}

/// Why a live state cannot become the baseline.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdoptError {
    #[error("{resource} is no File, and only a File is adopted")]
    Kind { resource: String },
    #[error("the baseline does not list {resource}: write a manifest for it")]
    NotListed { resource: String },
    #[error("{field} differs, and no manifest can ask for that")]
    Field { field: String },
    #[error(
        "its content would be published: set `disclose: true` for {resource} first, or write it by hand"
    )]
    Undisclosed { resource: String },
    #[error("{file} is shared by the targets of a group: edit it by hand")]
    Shared { file: String },
    #[error(
        "{resource} has values of its target put in (`vars`), which an edit would lose: edit it by hand"
    )]
    HasVars { resource: String },
    #[error("its content is not at hand or no text")]
    Content,
    #[error("{file} cannot be read: {why}")]
    Unreadable { file: String, why: String },
    #[error("{file} does not hold exactly one {kind} named {name}")]
    NotFound {
        file: String,
        kind: String,
        name: String,
    },
    #[error("editing {file} in place would change more than was meant: edit it by hand")]
    NotFaithful { file: String },
}

/// The changes that make what is live of one drifted `File` the baseline: of its manifest, and of the file beside it
/// where the content lies in one. Paths are relative to the baseline's directory; `manifest` is the text of the
/// manifest that the drift's origin names.
///
/// # Errors
/// When the live state is nothing that a manifest can ask for, or may not be shown.
pub fn changes(
    drift: &Drift,
    contents: &Contents,
    manifest: &str,
) -> Result<Vec<FileChange>, AdoptError> {
    let file = &drift.origin.file;
    let (kind, name) = (&drift.resource.kind.0, &drift.resource.name);
    if file.split('/').next() != Some(drift.resource.target.0.as_str()) {
        return Err(AdoptError::Shared { file: file.clone() });
    }
    let has_vars = |document: &Json| is(document, kind, name) && document.get("vars").is_some();
    if meanings(file, manifest)?.iter().any(has_vars) {
        return Err(AdoptError::HasVars {
            resource: drift.resource.to_string(),
        });
    }
    let mut edits = edits(drift, contents)?;
    let mut all = Vec::new();
    if let Some(beside) = content_from(file, manifest, kind, name)?
        && let Some(at) = edits
            .iter()
            .position(|edit| edit.field == CONTENT && edit.to.is_some())
        && let Some(Scalar::Text(text)) = edits.remove(at).to
    {
        all.push(FileChange {
            path: beside,
            content: Some(text.into_bytes()),
        });
    }
    if !edits.is_empty() {
        let text = edit_manifest(file, manifest, kind, name, &edits)?;
        all.push(FileChange {
            path: file.clone(),
            content: Some(text.into_bytes()),
        });
    }
    Ok(all)
}

/// What has to change in the `spec` of a drifted `File`.
///
/// # Errors
/// As [`changes`].
pub fn edits(drift: &Drift, contents: &Contents) -> Result<Vec<Edit>, AdoptError> {
    let resource = drift.resource.to_string();
    if drift.resource.kind.0 != "File" {
        return Err(AdoptError::Kind { resource });
    }
    let set = |field: &str, to: Option<Scalar>| Edit {
        field: field.to_owned(),
        to,
    };
    match drift.change {
        Change::Extra => return Err(AdoptError::NotListed { resource }),
        Change::Missing => {
            let mut edits: Vec<_> = OF_PRESENT_FILES.iter().map(|f| set(f, None)).collect();
            edits.push(set("state", Some(Scalar::Text("absent".into()))));
            return Ok(edits);
        }
        Change::Changed => {}
    }
    let mut edits = Vec::new();
    for field in &drift.fields {
        let cannot = || AdoptError::Field {
            field: field.path.clone(),
        };
        edits.push(match (field.path.as_str(), &field.actual) {
            ("mode", Some(Value::Text(mode))) => set("mode", Some(Scalar::Text(mode.clone()))),
            ("uid", Some(Value::Int(id))) => set("owner", Some(Scalar::Int(*id))),
            ("gid", Some(Value::Int(id))) => set("group", Some(Scalar::Int(*id))),
            ("capabilities", Some(Value::Text(text))) if text == "none" => {
                set("capabilities", None)
            }
            ("capabilities", Some(Value::Text(text))) => {
                set("capabilities", Some(Scalar::Text(text.clone())))
            }
            ("flags", Some(Value::Text(text))) => match text.as_str() {
                "none" => set("immutable", None),
                "immutable" => set("immutable", Some(Scalar::Bool(true))),
                _ => return Err(cannot()),
            },
            (CONTENT, Some(Value::Blob(blob))) => {
                if !drift.disclose || drift.sensitive {
                    return Err(AdoptError::Undisclosed { resource });
                }
                let bytes = match blob.size {
                    0 => Some(Arc::from([])),
                    _ => contents.get(&blob.digest),
                };
                let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
                set(
                    CONTENT,
                    Some(Scalar::Text(text.ok_or(AdoptError::Content)?)),
                )
            }
            _ => return Err(cannot()),
        });
    }
    Ok(edits)
}

/// Edits fields of the `spec` of the one document of this kind and name, and nothing else.
///
/// # Errors
/// When the document is not there once, or an edit in place would not mean exactly what was asked for.
pub fn edit_manifest(
    file: &str,
    manifest: &str,
    kind: &str,
    name: &str,
    edits: &[Edit],
) -> Result<String, AdoptError> {
    let not_faithful = || AdoptError::NotFaithful {
        file: file.to_owned(),
    };
    let pieces = pieces(manifest);
    let at = find(file, &pieces, kind, name)?;
    let mut wanted = meanings(file, manifest)?;
    let document = wanted
        .iter_mut()
        .find(|document| is(document, kind, name))
        .ok_or_else(not_faithful)?;
    apply(document, edits).ok_or_else(not_faithful)?;
    for quoted in [false, true] {
        let Some(edited) = edit_piece(pieces[at].1, edits, quoted) else {
            continue;
        };
        let text: String = pieces
            .iter()
            .enumerate()
            .flat_map(|(i, (marker, body))| [*marker, if i == at { &edited } else { *body }])
            .collect();
        if meanings(file, &text).is_ok_and(|meant| meant == wanted) {
            return Ok(text);
        }
    }
    Err(not_faithful())
}

/// Splits a file at its document markers: each marker's line (none before the first) with the text behind it.
fn pieces(text: &str) -> Vec<(&str, &str)> {
    let mut pieces = Vec::new();
    let (mut marker, mut start, mut at) = ("", 0, 0);
    for line in text.split_inclusive('\n') {
        let is_marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.trim().is_empty() || rest.trim_start().starts_with('#'));
        if is_marker {
            pieces.push((marker, &text[start..at]));
            (marker, start) = (line, at + line.len());
        }
        at += line.len();
    }
    pieces.push((marker, &text[start..]));
    pieces
}

/// Which piece holds the document; it has to be exactly one.
fn find(file: &str, pieces: &[(&str, &str)], kind: &str, name: &str) -> Result<usize, AdoptError> {
    let mut found = Vec::new();
    for (at, (_, body)) in pieces.iter().enumerate() {
        if meanings(file, body)?.iter().any(|one| is(one, kind, name)) {
            found.push(at);
        }
    }
    match found[..] {
        [at] => Ok(at),
        _ => Err(AdoptError::NotFound {
            file: file.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        }),
    }
}

fn edit_piece(body: &str, edits: &[Edit], quoted: bool) -> Option<String> {
    let document = Document::from_str(body).ok()?;
    let spec = document.as_mapping()?.get_mapping("spec")?;
    for edit in edits {
        match &edit.to {
            None => {
                spec.remove(edit.field.as_str());
            }
            Some(to) => set(&spec, &edit.field, to, quoted),
        }
    }
    let edited = document.to_string();
    Some(if body.ends_with('\n') && !edited.ends_with('\n') {
        edited + "\n"
    } else {
        edited
    })
}

fn set(spec: &Mapping, field: &str, to: &Scalar, quoted: bool) {
    match to {
        Scalar::Int(value) => spec.set(field, *value),
        Scalar::Bool(value) => spec.set(field, *value),
        Scalar::Text(text) => {
            let was = spec.get(field).map(|node| node.to_string());
            let was_quoted = was.is_some_and(|text| text.trim_start().starts_with('"'));
            if quoted || (was_quoted && !text.contains('\n')) {
                spec.set(
                    field,
                    ScalarValue::with_style(text, ScalarStyle::DoubleQuoted),
                );
            } else {
                spec.set(field, text.as_str());
            }
        }
    }
}

/// The path of the file beside the manifest that holds the content, relative to the baseline's directory.
fn content_from(
    file: &str,
    manifest: &str,
    kind: &str,
    name: &str,
) -> Result<Option<String>, AdoptError> {
    let all = meanings(file, manifest)?;
    let document = all.iter().find(|one| is(one, kind, name));
    let Some(beside) = document.and_then(|one| one.pointer("/spec/contentFrom")?.as_str()) else {
        return Ok(None);
    };
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in beside.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop().ok_or(AdoptError::Content)?;
            }
            part => parts.push(part),
        }
    }
    Ok(Some(parts.join("/")))
}

fn is(document: &Json, kind: &str, name: &str) -> bool {
    document.get("kind").and_then(Json::as_str) == Some(kind)
        && document.pointer("/metadata/name").and_then(Json::as_str) == Some(name)
}

/// Does to the meaning of a document what is to be done to its text.
fn apply(document: &mut Json, edits: &[Edit]) -> Option<()> {
    let spec = document.get_mut("spec")?.as_object_mut()?;
    for edit in edits {
        match &edit.to {
            None => spec.remove(&edit.field),
            Some(Scalar::Text(text)) => spec.insert(edit.field.clone(), text.as_str().into()),
            Some(Scalar::Int(value)) => spec.insert(edit.field.clone(), (*value).into()),
            Some(Scalar::Bool(value)) => spec.insert(edit.field.clone(), (*value).into()),
        };
    }
    Some(())
}

/// What each document of a text means, as the baseline's own reader understands it.
fn meanings(file: &str, text: &str) -> Result<Vec<Json>, AdoptError> {
    match parse(file, text.as_bytes()) {
        Ok(documents) => Ok(documents.iter().map(meaning).collect()),
        Err(problem) => Err(AdoptError::Unreadable {
            file: file.to_owned(),
            why: problem.to_string(),
        }),
    }
}

fn meaning(node: &Yaml) -> Json {
    match &node.value {
        YamlValue::Null => Json::Null,
        YamlValue::Bool(value) => (*value).into(),
        YamlValue::Int(value) => (*value).into(),
        // Not every float has a JSON form; its text always tells it.
        YamlValue::Float(value) => format!("float {value:?}").into(),
        YamlValue::Text(text) => text.as_str().into(),
        YamlValue::List(items) => items.iter().map(meaning).collect(),
        YamlValue::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| (key.name.clone(), meaning(value)));
            Json::Object(entries.collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests;
