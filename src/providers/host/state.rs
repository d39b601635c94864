//! Between what a look tells and the fields of the model, both ways.
//!
//! Fields of every state: `type`, `mode` (four octal digits), `uid`, `gid`, `capabilities`, `flags`, `acl` (each `none`
//! where there is none, so that their absence can be expected). Besides: `content` of a file, `target` of a link,
//! `device` of a device, `default_acl` of a directory, `xattrs` where there are any, and for a directory seen with all
//! it holds `tree`, `tree_entries` and `tree_bytes`. Beyond what can be restored: `links` and `special_bits` of a file.
//!
//! **Invariant:** putting a state and looking again gives the same fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::capability::{hex, unhex};
use super::fs::{Content, Node, NodeType, Wanted};
use super::path::{escape, unescape};
use crate::model::{Blob, Contents, Digest, Fields, State, Value};

/// What an expectation of nothing looks like.
pub const NONE: &str = "none";
/// Longer attributes are kept apart, as content is.
const INLINE_BYTES: usize = 1024;

const TYPES: [(NodeType, &str); 7] = [
    (NodeType::File, "file"),
    (NodeType::Directory, "directory"),
    (NodeType::Symlink, "symlink"),
    (NodeType::Fifo, "fifo"),
    (NodeType::Socket, "socket"),
    (NodeType::CharDevice, "char_device"),
    (NodeType::BlockDevice, "block_device"),
];

/// The word for a type of node.
pub fn type_word(node_type: NodeType) -> &'static str {
    TYPES
        .iter()
        .find(|(known, _)| *known == node_type)
        .map_or("file", |(_, word)| word)
}

/// The type of node that a state describes.
pub fn type_of(state: &State) -> Option<NodeType> {
    let word = state.get("type")?.as_text()?;
    TYPES
        .iter()
        .find(|(_, known)| *known == word)
        .map(|(node_type, _)| *node_type)
}

/// Four octal digits.
pub fn mode_text(mode: u32) -> Value {
    Value::Text(format!("{mode:04o}"))
}

/// The setuid, setgid and sticky bits in words, or `none`.
pub fn special_bits(mode: u32) -> String {
    let words: Vec<_> = [(0o4000, "setuid"), (0o2000, "setgid"), (0o1000, "sticky")]
        .into_iter()
        .filter(|(bit, _)| mode & bit != 0)
        .map(|(_, word)| word)
        .collect();
    if words.is_empty() {
        return NONE.to_owned();
    }
    words.join(",")
}

/// The immutable and append-only flags in words, or `none`.
pub fn flags_text(immutable: bool, append_only: bool) -> &'static str {
    match (immutable, append_only) {
        (false, false) => NONE,
        (true, false) => "immutable",
        (false, true) => "append_only",
        (true, true) => "immutable,append_only",
    }
}

/// All combinations of the flags, for a judge who has to see past them.
pub const ALL_FLAGS: [&str; 4] = [NONE, "immutable", "append_only", "immutable,append_only"];

fn list_text(raw: Option<&Vec<u8>>) -> Value {
    Value::Text(raw.map_or_else(|| NONE.to_owned(), |raw| hex(raw)))
}

/// The state that a look tells; long attributes go into `keep`.
pub fn state_of(node: &Node, mut keep: Option<&mut Contents>) -> State {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    set("type", type_word(node.node_type).into());
    set("mode", mode_text(node.mode));
    set("uid", Value::Int(node.uid.into()));
    set("gid", Value::Int(node.gid.into()));
    set(
        "capabilities",
        node.capabilities.as_deref().unwrap_or(NONE).into(),
    );
    set("flags", flags_text(node.immutable, node.append_only).into());
    set("acl", list_text(node.acl.as_ref()));
    if node.node_type == NodeType::Directory {
        set("default_acl", list_text(node.default_acl.as_ref()));
    }
    if let Some(content) = node.content {
        set("content", content.into());
    }
    if let Some(target) = &node.target {
        set("target", Value::Text(escape(target)));
    }
    if let Some((major, minor)) = node.device {
        set("device", Value::Text(format!("{major}:{minor}")));
    }
    if !node.xattrs.is_empty() {
        let values = node.xattrs.iter().map(|(name, value)| {
            let shown = if value.len() > INLINE_BYTES {
                if let Some(keep) = keep.as_deref_mut() {
                    keep.keep(value.as_slice());
                }
                Value::Blob(Blob::of(value))
            } else {
                Value::Text(hex(value))
            };
            (name.clone(), shown)
        });
        set("xattrs", Value::Map(values.collect()));
    }
    let mut state = State::of(fields);
    if node.node_type == NodeType::File {
        state.beyond = file_beyond(node.links, node.mode);
    }
    state
}

/// The bytes of attributes that are kept apart.
pub fn long_attributes(node: &Node) -> u64 {
    let lengths = node.xattrs.iter().map(|(_, value)| value.len());
    lengths
        .filter(|length| *length > INLINE_BYTES)
        .map(|length| length as u64)
        .sum()
}

/// What counts of a regular file without being restorable.
pub fn file_beyond(links: u64, mode: u32) -> Fields {
    Fields::from([
        (
            "links".to_owned(),
            Value::Int(i64::try_from(links).unwrap_or(i64::MAX)),
        ),
        ("special_bits".to_owned(), Value::Text(special_bits(mode))),
    ])
}

/// The bits of a mode field.
pub fn mode_of(state: &State) -> Option<u32> {
    let text = state.get("mode")?.as_text()?;
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
}

/// What has to be made for a state to be there. `find` gives content by digest; a file's content that it does not know
/// is taken from the file that stands there, if that holds it.
///
/// # Errors
/// A sentence: the state is incomplete, or its content is not kept anywhere.
pub fn wanted_of(
    state: &State,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
    there: Option<Blob>,
) -> Result<Wanted, String> {
    let missing = |field: &str| format!("the state to put has no valid field {field}");
    let text = |field: &str| state.fields.get(field).and_then(Value::as_text);
    let id = |field: &str| {
        let id = state.fields.get(field).and_then(Value::as_int);
        id.and_then(|id| u32::try_from(id).ok())
            .ok_or_else(|| missing(field))
    };
    let list = |field: &str| match text(field) {
        None | Some(NONE) => Ok(None),
        Some(digits) => unhex(digits).map(Some).ok_or_else(|| missing(field)),
    };
    let node_type = type_of(state).ok_or_else(|| missing("type"))?;
    let content = match state.fields.get("content").and_then(Value::as_blob) {
        Some(blob) => match find(&blob.digest) {
            Some(bytes) => Some(Content::Bytes(bytes)),
            None if there == Some(blob) => Some(Content::Same(blob)),
            None => return Err("its content is not kept anywhere".to_owned()),
        },
        None if node_type == NodeType::File => return Err(missing("content")),
        None => None,
    };
    let flags = text("flags").unwrap_or(NONE);
    Ok(Wanted {
        node_type,
        mode: mode_of(state).ok_or_else(|| missing("mode"))?,
        uid: id("uid")?,
        gid: id("gid")?,
        content,
        target: match text("target") {
            Some(target) => Some(unescape(target).ok_or_else(|| missing("target"))?),
            None if node_type == NodeType::Symlink => return Err(missing("target")),
            None => None,
        },
        device: match text("device") {
            Some(device) => Some(device_of(device).ok_or_else(|| missing("device"))?),
            None => None,
        },
        capabilities: text("capabilities")
            .filter(|words| *words != NONE)
            .map(str::to_owned),
        acl: list("acl")?,
        default_acl: list("default_acl")?,
        xattrs: xattrs_of(state, find)?,
        immutable: flags.contains("immutable"),
        append_only: flags.contains("append_only"),
        children: None,
    })
}

fn device_of(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn xattrs_of(
    state: &State,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Result<Vec<(String, Vec<u8>)>, String> {
    let none = BTreeMap::new();
    let map = match state.fields.get("xattrs") {
        Some(Value::Map(map)) => map,
        _ => &none,
    };
    map.iter()
        .map(|(name, value)| {
            let bytes = match value {
                Value::Text(digits) => unhex(digits),
                Value::Blob(blob) => find(&blob.digest).map(|bytes| bytes.to_vec()),
                _ => None,
            };
            bytes
                .map(|bytes| (name.clone(), bytes))
                .ok_or_else(|| format!("the value of its attribute {name} is not kept anywhere"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node {
            node_type: NodeType::File,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            links: 2,
            size: 1,
            device: None,
            target: None,
            content: Some(Blob::of(b"x")),
            capabilities: Some("cap_chown=ep".into()),
            acl: Some(vec![2, 0, 0, 0]),
            default_acl: None,
            xattrs: vec![
                ("user.long".into(), vec![7; 2000]),
                ("user.x".into(), vec![1]),
            ],
            immutable: true,
            append_only: false,
            file_system: 1,
            inode: 1,
        }
    }

    // Goal: nothing that a state holds is lost on the way back to the system, long attributes included.
    #[test]
    fn states_round_trip() {
        let mut contents = Contents::default();
        contents.keep(&b"x"[..]);
        let node = node();
        let state = state_of(&node, Some(&mut contents));
        let wanted = wanted_of(&state, &|digest| contents.get(digest), None).unwrap();
        assert_eq!(
            (
                wanted.mode,
                wanted.uid,
                wanted.gid,
                wanted.immutable,
                wanted.append_only
            ),
            (0o4755, 1, 2, true, false)
        );
        assert_eq!(wanted.capabilities, node.capabilities);
        assert_eq!(wanted.acl, node.acl);
        assert_eq!(wanted.xattrs, node.xattrs);
        assert_eq!(wanted.content, Some(Content::Bytes(Arc::from(&b"x"[..]))));
        assert_eq!(state.get("special_bits"), Some(&"setuid".into()));
    }

    // Goal: the number of hard links, which nobody can restore, never makes a state another one.
    #[test]
    fn links_are_beyond_the_digest() {
        let mut other = node();
        other.links = 1;
        assert_eq!(
            state_of(&node(), None).digest(),
            state_of(&other, None).digest()
        );
    }

    // Goal: content that is nowhere kept is an error and never an empty file.
    #[test]
    fn lost_content_is_an_error() {
        let state = state_of(&node(), None);
        assert!(wanted_of(&state, &|_| None, None).is_err());
        assert!(wanted_of(&state, &|_| None, Some(Blob::of(b"y"))).is_err());
    }
}
