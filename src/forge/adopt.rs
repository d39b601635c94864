//! The opposite of a remedy: edits a manifest so that the live state becomes the baseline.
//!
//! Flow: a drift → [`edits`] → [`edit_manifest`], which changes the one document in place, comments and layout kept,
//! parses the result again and compares it with what was meant → [`changes`] for a pull request.
//!
//! **Invariant:** nothing but the fields that were meant changes its meaning, in the whole file; where that cannot be
//! had, nothing is changed. Live content goes into git only where its resource discloses it.

mod manifest;
mod patch;

use std::sync::Arc;

pub use self::manifest::edit_manifest;
use self::manifest::{content_from, is, meanings};
pub use self::patch::patch;
use crate::model::{Change, Contents, Drift, FieldDrift, Value};
use crate::ports::FileChange;

const FILE: &str = "File";
const DIRECTORY: &str = "Directory";
const SYMLINK: &str = "Symlink";
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
/// What a link that is absent may not say.
const OF_PRESENT_LINKS: [&str; 3] = ["target", "owner", "group"];
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

/// Why a live state cannot become the baseline, as a sentence about one resource.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdoptError {
    #[error(
        "{resource} is of a kind that is not adopted, only File, Directory and Symlink are: change its manifest by hand"
    )]
    Kind { resource: String },
    #[error("the baseline does not list {resource}: write a manifest for it by hand")]
    NotListed { resource: String },
    #[error(
        "{resource} should be absent and is there: write by hand in its manifest what it should be"
    )]
    Absent { resource: String },
    #[error(
        "{resource} is gone, which no manifest of a {kind} can say: remove its manifest by hand"
    )]
    Gone { resource: String, kind: String },
    #[error(
        "{resource} is for {tree} to say: make its manifest anew with `evenkeel manifest`, or ignore the path there"
    )]
    OfTree { resource: String, tree: String },
    #[error("{resource} follows from another resource and has no manifest of its own")]
    Implied { resource: String },
    #[error("{resource} is something of another type now: write by hand what it should be")]
    Type { resource: String },
    #[error("the {field} of {resource} differs, and no manifest can ask for that")]
    Field { resource: String, field: String },
    #[error(
        "the live {field} of {resource} would be published: set `disclose: true` for it first, or write it by hand"
    )]
    Undisclosed { resource: String, field: String },
    #[error("the live content of {resource} is sensitive and is never published: write it by hand")]
    Sensitive { resource: String },
    #[error("the live content of {resource} is no text, or too large: write it by hand")]
    Content { resource: String },
    #[error("{file} is shared by the targets of a group: edit it by hand")]
    Shared { file: String },
    #[error(
        "{resource} has values of its target put in (`vars`), which an edit would lose: edit it by hand"
    )]
    HasVars { resource: String },
    #[error("{file} cannot be read: {why}")]
    Unreadable { file: String, why: String },
    #[error("{file} does not hold exactly one {kind} named {name}")]
    NotFound {
        file: String,
        kind: String,
        name: String,
    },
    #[error("the contentFrom of {kind} {name} in {file} leads out of the baseline")]
    Beside {
        file: String,
        kind: String,
        name: String,
    },
    #[error("editing {file} in place would change more than was meant: edit it by hand")]
    NotFaithful { file: String },
}

/// The changes that make what is live of one drifted resource the baseline: of its manifest, and of the file beside it
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
    let has_vars =
        |document: &serde_json::Value| is(document, kind, name) && document.get("vars").is_some();
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

/// The files that adopting a drift may change: its manifest, and the file beside it where its content lies in one.
///
/// # Errors
/// The manifest cannot be read, or does not hold the resource once.
pub fn touches(drift: &Drift, manifest: &str) -> Result<Vec<String>, AdoptError> {
    let file = &drift.origin.file;
    let beside = content_from(file, manifest, &drift.resource.kind.0, &drift.resource.name)?;
    Ok(std::iter::once(file.clone()).chain(beside).collect())
}

/// What has to change in the `spec` of a drifted resource.
///
/// # Errors
/// As [`changes`].
pub fn edits(drift: &Drift, contents: &Contents) -> Result<Vec<Edit>, AdoptError> {
    let resource = drift.resource.to_string();
    let kind = drift.resource.kind.0.as_str();
    if drift.change == Change::Extra {
        return Err(match drift.found_in {
            Some(_) => AdoptError::NotListed { resource },
            None => AdoptError::Absent { resource },
        });
    }
    if let Some(tree) = &drift.found_in {
        let tree = tree.to_string();
        return Err(AdoptError::OfTree { resource, tree });
    }
    if drift.resource.name.contains('/') {
        return Err(AdoptError::Implied { resource });
    }
    match (kind, drift.change) {
        (FILE, Change::Missing) => Ok(absent(&OF_PRESENT_FILES)),
        (SYMLINK, Change::Missing) => Ok(absent(&OF_PRESENT_LINKS)),
        (DIRECTORY, Change::Missing) => Err(AdoptError::Gone {
            resource,
            kind: kind.to_owned(),
        }),
        (FILE | DIRECTORY | SYMLINK, _)
            if drift.fields.iter().any(|field| field.path == "type") =>
        {
            Err(AdoptError::Type { resource })
        }
        (FILE | DIRECTORY | SYMLINK, _) => drift
            .fields
            .iter()
            .map(|field| edit(drift, field, contents))
            .collect(),
        _ => Err(AdoptError::Kind { resource }),
    }
}

fn set(field: &str, to: Option<Scalar>) -> Edit {
    Edit {
        field: field.to_owned(),
        to,
    }
}

fn absent(of_present: &[&str]) -> Vec<Edit> {
    let mut edits: Vec<_> = of_present.iter().map(|field| set(field, None)).collect();
    edits.push(set("state", Some(Scalar::Text("absent".into()))));
    edits
}

/// What makes one live field the expected one.
fn edit(drift: &Drift, field: &FieldDrift, contents: &Contents) -> Result<Edit, AdoptError> {
    let kind = drift.resource.kind.0.as_str();
    let text = |text: &str| Some(Scalar::Text(text.to_owned()));
    Ok(match (kind, field.path.as_str(), &field.actual) {
        (FILE | DIRECTORY, "mode", Some(Value::Text(mode))) => set("mode", text(mode)),
        (_, "uid", Some(Value::Int(id))) => set("owner", Some(Scalar::Int(*id))),
        (_, "gid", Some(Value::Int(id))) => set("group", Some(Scalar::Int(*id))),
        (FILE, "capabilities", Some(Value::Text(words))) => match words.as_str() {
            "none" => set("capabilities", None),
            words => set("capabilities", text(words)),
        },
        (FILE, "flags", Some(Value::Text(words))) if words == "none" => set("immutable", None),
        (FILE, "flags", Some(Value::Text(words))) if words == "immutable" => {
            set("immutable", Some(Scalar::Bool(true)))
        }
        // Whoever made the link chose its target, so it is content like any other.
        (SYMLINK, "target", Some(Value::Text(target))) => {
            may_be_published(drift, "target")?;
            set("target", text(target))
        }
        (FILE, CONTENT, Some(Value::Blob(blob))) => {
            may_be_published(drift, CONTENT)?;
            let bytes = match blob.size {
                0 => Some(Arc::from([])),
                _ => contents.get(&blob.digest),
            };
            let live = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let live = live.ok_or_else(|| AdoptError::Content {
                resource: drift.resource.to_string(),
            })?;
            set(CONTENT, Some(Scalar::Text(live)))
        }
        _ => {
            return Err(AdoptError::Field {
                resource: drift.resource.to_string(),
                field: field.path.clone(),
            });
        }
    })
}

fn may_be_published(drift: &Drift, field: &str) -> Result<(), AdoptError> {
    let resource = drift.resource.to_string();
    match (drift.sensitive, drift.disclose) {
        (true, _) => Err(AdoptError::Sensitive { resource }),
        (false, true) => Ok(()),
        (false, false) => Err(AdoptError::Undisclosed {
            resource,
            field: field.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
