//! The files that the next boot reads its settings from, and how one of them is changed.
//!
//! **Invariant:** what cannot be read is never taken for empty: then nothing is known of the next boot.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::boot::{self, File, LAST};
use crate::model::{Contents, Reason, ReasonCode};
use crate::ports::ActError;
use crate::providers::host::fs::{
    Content, Fs, FsError, HostPath, Leftover, Look, Node, NodeType, Want, Wanted,
};
use crate::providers::host::path::{parse, unescape};
use crate::providers::host::state::{state_of, wanted_of};

/// The folders, of which a file in an earlier one stands for one of the same name in a later one.
const FOLDERS: [&str; 4] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
];
/// The largest file that is read, in bytes, and the most files.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 1000;

/// All that the next boot reads, in order.
pub fn read(fs: &dyn Fs) -> Result<Vec<File>, Reason> {
    let mut paths: BTreeMap<Vec<u8>, HostPath> = BTreeMap::new();
    for folder in FOLDERS {
        let folder = known(folder);
        for name in names(fs, &folder)? {
            paths.entry(name.clone()).or_insert(folder.join(&name));
        }
        if paths.len() > MAX_FILES {
            let text = format!("there are more than {MAX_FILES} files of sysctl.d");
            return Err(Reason::new(ReasonCode::TooLarge, text));
        }
    }
    let last = known(LAST);
    let mut files = Vec::new();
    for (at, path) in paths.values().chain([&last]).enumerate() {
        if let Some((path, text)) = text_of(fs, path)? {
            // A link of sysctl.d leads to the last one on many systems; it is read at the end all the same.
            if path != last || at == paths.len() {
                let path = path.address().0;
                files.push(File { path, text });
            }
        }
    }
    Ok(files)
}

fn known(path: &str) -> HostPath {
    parse(path).unwrap_or_default()
}

/// The names of a folder's files.
fn names(fs: &dyn Fs, folder: &HostPath) -> Result<Vec<Vec<u8>>, Reason> {
    match fs.look(folder, Want::Nothing) {
        Look::Absent => return Ok(Vec::new()),
        Look::Unseen(reason) => return Err(reason),
        Look::Present(node, _) if node.node_type != NodeType::Directory => {
            return Err(strange(folder, "is no directory"));
        }
        Look::Present(..) => {}
    }
    let mut names = Vec::new();
    fs.list(folder, &mut |entry| {
        if entry.name.ends_with(b".conf") {
            names.push(entry.name);
        }
        match names.len() > MAX_FILES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    Ok(names)
}

/// The path and text of a file, or of the one that it links to; none where there is none.
fn text_of(fs: &dyn Fs, path: &HostPath) -> Result<Option<(HostPath, Vec<u8>)>, Reason> {
    match bytes(fs, path)? {
        Found::Nothing => Ok(None),
        Found::File(_, bytes) => Ok(Some((path.clone(), bytes.to_vec()))),
        Found::Link(target) if target == b"/dev/null" => Ok(None),
        Found::Link(target) => {
            let leads = led(path, &target).ok_or_else(|| strange(path, "leads nowhere known"))?;
            match bytes(fs, &leads)? {
                Found::Nothing => Ok(None),
                Found::File(_, bytes) => Ok(Some((leads, bytes.to_vec()))),
                Found::Link(_) => Err(strange(path, "is a link to a link")),
            }
        }
    }
}

enum Found {
    Nothing,
    File(Box<Node>, Arc<[u8]>),
    Link(Vec<u8>),
}

fn bytes(fs: &dyn Fs, path: &HostPath) -> Result<Found, Reason> {
    let want = Want::Bytes {
        unless: None,
        max_bytes: MAX_BYTES,
    };
    match fs.look(path, want) {
        Look::Absent => Ok(Found::Nothing),
        Look::Unseen(reason) => Err(reason),
        Look::Present(node, Some(bytes)) => Ok(Found::File(node, bytes)),
        Look::Present(node, None) => match node.target {
            Some(target) => Ok(Found::Link(target)),
            None => Err(strange(path, "is no regular file of a sensible size")),
        },
    }
}

fn strange(path: &HostPath, what: &str) -> Reason {
    let text = format!(
        "what the next boot would set is not known: {} {what}",
        path.address()
    );
    Reason::new(ReasonCode::Unsupported, text)
}

/// Where a link leads, by its text alone.
fn led(from: &HostPath, target: &[u8]) -> Option<HostPath> {
    let mut path = match target.starts_with(b"/") {
        true => HostPath::default(),
        false => from.split()?.0,
    };
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(path.0.pop()),
            name => path.0.push(name.to_vec()),
        }
    }
    HostPath::from_address(&path.address())
}

/// Makes the new text of a file from the one that is there: none where that is not as expected, `Some(None)` for its end.
pub type Edit<'a> = &'a dyn Fn(Option<&[u8]>) -> Option<Option<Vec<u8>>>;

/// Changes a file below `/etc`.
pub fn change(fs: &dyn Fs, file: &str, nonce: &str, edit: Edit<'_>) -> Result<(), ActError> {
    let path = parse(file)
        .ok()
        .filter(|_| boot::is_editable(file))
        .ok_or_else(|| ActError::Refused(format!("{file} is no file that evenkeel edits")))?;
    let refused = |reason: Reason| ActError::Refused(reason.text);
    let (node, old) = match bytes(fs, &path).map_err(refused)? {
        Found::Nothing => (None, None),
        Found::File(node, bytes) => (Some(node), Some(bytes)),
        Found::Link(_) => return Err(ActError::Refused(format!("{file} is a link"))),
    };
    let new = edit(old.as_deref()).ok_or_else(|| ActError::Stale {
        found: format!("{file} has other lines"),
    })?;
    let blob = node.as_ref().and_then(|node| node.content);
    let verify = |_: &HostPath, look: &Look| match (look, &node) {
        (Look::Absent, None) => Ok(()),
        (Look::Present(now, _), Some(_)) if now.content == blob => Ok(()),
        _ => Err(FsError::Stale(format!("{file} was changed meanwhile"))),
    };
    match new {
        Some(text) => {
            let wanted = wanted(fs, node.as_deref(), text).map_err(ActError::Failed)?;
            fs.put(&path, &wanted, nonce, &verify, &|_| Ok(()))
                .map(drop)
        }
        None => fs.remove(&path, nonce, &verify),
    }
    .map_err(|error| match error {
        FsError::Stale(found) => ActError::Stale { found },
        FsError::Refused(why) => ActError::Refused(why),
        FsError::Failed(why) => ActError::Failed(why),
    })
}

/// A file with this text, and with all else as it is.
fn wanted(fs: &dyn Fs, node: Option<&Node>, text: Vec<u8>) -> Result<Wanted, String> {
    let Some(node) = node else {
        let (uid, gid) = fs.creator();
        return Ok(Wanted {
            node_type: NodeType::File,
            mode: 0o644,
            uid,
            gid,
            content: Some(Content::Bytes(text.into())),
            target: None,
            device: None,
            capabilities: None,
            acl: None,
            default_acl: None,
            xattrs: Vec::new(),
            immutable: false,
            append_only: false,
            children: None,
        });
    };
    let mut kept = Contents::default();
    let state = state_of(node, Some(&mut kept));
    Ok(Wanted {
        content: Some(Content::Bytes(text.into())),
        ..wanted_of(&state, &|digest| kept.get(digest), node.content)?
    })
}

/// Takes away what an interrupted change of a file left beside it.
pub fn tidy(fs: &dyn Fs, file: &str, key: &str, nonce: &str) -> Result<(), ActError> {
    let Ok(path) = parse(file) else {
        return Ok(());
    };
    let text = |path: &HostPath| match bytes(fs, path) {
        Ok(Found::File(_, bytes)) => Some(bytes),
        _ => None,
    };
    let there = text(&path);
    // What differs only in lines of this key is the file before or after the change.
    let judge = |aside: &HostPath, _: &Look| match (&there, text(aside)) {
        (Some(there), Some(aside)) if boot::is_alike(there, &aside, key) => Leftover::Expected,
        _ => Leftover::Foreign,
    };
    fs.tidy(&path, nonce, &judge)
        .map_err(|error| ActError::Failed(error.to_string()))
}

/// The bytes of a line that a state holds.
pub fn line_of(text: &str) -> Option<Vec<u8>> {
    unescape(text).filter(|line| !line.contains(&b'\n'))
}
