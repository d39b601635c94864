//! Edits a manifest in place, comments and layout kept.
//!
//! Flow: the text of a file → the one document of a kind and name → edits of its `spec` → the text read again, which has
//! to mean exactly what was meant.
//!
//! **Invariant:** where an edit in place would change anything else, there is no edit.

use std::str::FromStr;

use serde_json::{Map, Value as Json};
use yaml_edit::{Document, Mapping, ScalarStyle, ScalarValue};

use super::{AdoptError, Edit, Scalar};
use crate::document::{Yaml, YamlValue, parse};

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
pub(super) fn content_from(
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
                parts.pop().ok_or_else(|| AdoptError::Beside {
                    file: file.to_owned(),
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                })?;
            }
            part => parts.push(part),
        }
    }
    Ok(Some(parts.join("/")))
}

pub(super) fn is(document: &Json, kind: &str, name: &str) -> bool {
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
pub(super) fn meanings(file: &str, text: &str) -> Result<Vec<Json>, AdoptError> {
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
