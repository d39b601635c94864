//! What a record's payload names: resources, and content that must be kept.
//!
//! There is no index of resources: one could be changed without breaking any signature, and would then hide records.
//!
//! **Invariant:** what a record says is decided by its signed payload alone.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::model::{Digest, Observed, ResourceId};

/// No payload nests deeper, so that every payload that was written can be read again.
pub(super) const MAX_DEPTH: usize = 100;

/// Whether the payload holds `{target, kind, name}` of this resource, or its text form, at any depth.
pub(super) fn mentions(payload: &Json, id: &ResourceId) -> bool {
    match payload {
        Json::String(text) => *text == id.to_string(),
        Json::Array(items) => items.iter().any(|item| mentions(item, id)),
        Json::Object(fields) => {
            let is = |key: &str, value: &str| fields.get(key).and_then(Json::as_str) == Some(value);
            (is("target", &id.target.0) && is("kind", &id.kind.0) && is("name", &id.name))
                || fields.values().any(|field| mentions(field, id))
        }
        _ => false,
    }
}

/// A text that any payload which mentions the resource contains as JSON, to pass over the others without parsing them.
pub(super) fn trace(id: &ResourceId) -> String {
    let quoted = Json::from(id.name.as_str()).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Whether the payload nests at most [`MAX_DEPTH`] deep.
pub(super) fn is_shallow(payload: &Json) -> bool {
    fn fits(value: &Json, left: usize) -> bool {
        match value {
            Json::Array(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Json::Object(fields) => left > 0 && fields.values().all(|field| fits(field, left - 1)),
            _ => true,
        }
    }
    fits(payload, MAX_DEPTH)
}

/// The content that a payload promises to be kept: all that the state before holds, where the step can be undone.
pub(super) fn promised(payload: &Json) -> Vec<Digest> {
    let can_undo = payload.pointer("/step/undo").and_then(Json::as_str) == Some("restore");
    let before = payload.get("before").filter(|_| can_undo);
    before
        .and_then(|before| Observed::deserialize(before).ok())
        .and_then(|observed| {
            let state = observed.state()?;
            Some(state.blobs().map(|blob| blob.digest).collect())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Blob, State, TargetName, Undo};

    // Goal: a resource is found at any depth and in either form, and one that only shares parts of its name is not.
    #[test]
    fn finds_resources_anywhere() {
        let id = ResourceId::new(&TargetName("web".into()), "File", "a \"b\"\n");
        let payload = json!({"steps": [{"resource": id}], "x": 1});
        assert!(mentions(&payload, &id));
        assert!(mentions(&json!([id.to_string()]), &id));
        assert!(payload.to_string().contains(&trace(&id)));
        for other in [
            ResourceId::new(&TargetName("web".into()), "File", "a"),
            ResourceId::new(&TargetName("web".into()), "Directory", "a \"b\"\n"),
            ResourceId::new(&TargetName("db".into()), "File", "a \"b\"\n"),
        ] {
            assert!(!mentions(&payload, &other), "{other:?}");
        }
    }

    // Goal: what is accepted can be parsed again, and what is deeper is refused without overflowing the stack.
    #[test]
    fn depth_is_bounded() {
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        let deepest = nested(MAX_DEPTH);
        assert!(is_shallow(&deepest));
        assert!(serde_json::from_str::<Json>(&deepest.to_string()).is_ok());
        assert!(!is_shallow(&nested(MAX_DEPTH + 1)));
    }

    // Goal: the content that an undo needs is found in the state before, and nothing is promised where there is no undo.
    #[test]
    fn finds_promised_content() {
        let blob = Blob::of(b"x");
        let fields = [("content".to_owned(), blob.into())].into_iter().collect();
        let before = Observed::Present(State {
            fields,
            ..State::default()
        });
        let intent = |undo: Undo| json!({"step": {"undo": undo}, "before": before});
        assert_eq!(promised(&intent(Undo::Restore)), [blob.digest]);
        let why = "too large".to_owned();
        assert!(promised(&intent(Undo::Irreversible { why })).is_empty());
        assert!(promised(&json!({"before": before})).is_empty());
    }
}
