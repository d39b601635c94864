//! The files of `/etc` and `/run` that change a unit: drop-ins, a unit file over the package's, links that enable it.
//!
//! They are read from the disk and not only asked of systemd, which may not have read them yet: a reload would put them in
//! force.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::unit::{self, VENDOR_UNITS};
use crate::model::{Fields, Observed, Reason, ReasonCode, Value};
use crate::providers::host::fs::{Fs, HostPath, Look, NodeType, Want};
use crate::providers::host::path::{escape, parse};
use crate::providers::host::place;
use crate::providers::host::tree::Keep;

/// Where systemd reads units from, besides those of packages.
const PLACES: [&str; 6] = [
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
];
/// Where a link enables for good.
const ENABLED: &str = "/etc/systemd/system";
const WANTS: [&[u8]; 3] = [b".wants", b".requires", b".upholds"];
/// The most entries of one folder, and files that change one unit.
const MAX_ENTRIES: usize = 10_000;
pub const MAX_FILES: usize = 100;

/// The drop-ins of a unit that lie on the disk, by path.
pub fn drop_ins(fs: &dyn Fs, name: &str) -> Result<BTreeSet<String>, Reason> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        for folder in unit::drop_in_folders(name) {
            let folder = format!("{place}/{folder}");
            for entry in names(fs, &folder)? {
                if entry.ends_with(b".conf") {
                    found.insert(format!("{folder}/{}", escape(&entry)));
                }
            }
        }
    }
    Ok(found)
}

/// The unit files that stand over a package's: what masks a unit is none.
pub fn overrides(fs: &dyn Fs, name: &str) -> Result<BTreeSet<String>, Reason> {
    let mut found = BTreeSet::new();
    for name in [Some(name.to_owned()), unit::template_of(name)]
        .into_iter()
        .flatten()
    {
        if !is_there(fs, &format!("{VENDOR_UNITS}/{name}"))? {
            continue;
        }
        for path in PLACES.map(|place| format!("{place}/{name}")) {
            match look(fs, &path)? {
                Look::Present(node, _) if node.target.as_deref() != Some(b"/dev/null") => {
                    found.insert(path);
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// Whether something in `/etc` makes a target start the unit at boot.
pub fn is_wanted(fs: &dyn Fs, name: &str) -> Result<bool, Reason> {
    for folder in names(fs, ENABLED)? {
        if WANTS.iter().any(|end| folder.ends_with(end))
            && is_there(fs, &format!("{ENABLED}/{}/{name}", escape(&folder)))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What stands at each path, with its content kept as far as there is room.
pub fn found(fs: &dyn Fs, paths: &BTreeSet<String>, keep: &mut Keep<'_>) -> Result<Fields, Reason> {
    let mut found = Fields::new();
    for path in paths {
        let want = match keep.bytes_left {
            0 => Want::Digest,
            max_bytes => Want::Bytes {
                unless: None,
                max_bytes,
            },
        };
        let at = path_of(path)?;
        let look = fs.look(&at, want);
        match place::kept(fs, &at, &look, place::Terms::Whole, Some(keep)) {
            Observed::Present(state) => drop(found.insert(path.clone(), Value::Map(state.fields))),
            Observed::Absent => {}
            Observed::NotEvaluated(reason) => return Err(reason),
        }
    }
    Ok(found)
}

/// Whether a step may touch this path: one of those where systemd reads units of nobody's package.
pub fn is_editable(path: &str) -> bool {
    PLACES.iter().any(|place| {
        path.strip_prefix(place)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

pub fn path_of(path: &str) -> Result<HostPath, Reason> {
    parse(path).map_err(|_| {
        let text = format!("{} is no path", escape(path.as_bytes()));
        Reason::new(ReasonCode::Unsupported, text)
    })
}

fn look(fs: &dyn Fs, path: &str) -> Result<Look, Reason> {
    match fs.look(&path_of(path)?, Want::Nothing) {
        Look::Unseen(reason) => Err(reason),
        seen => Ok(seen),
    }
}

fn is_there(fs: &dyn Fs, path: &str) -> Result<bool, Reason> {
    Ok(matches!(look(fs, path)?, Look::Present(..)))
}

/// The names in a folder; none where there is no such folder.
fn names(fs: &dyn Fs, folder: &str) -> Result<Vec<Vec<u8>>, Reason> {
    match look(fs, folder)? {
        Look::Present(node, _) if node.node_type == NodeType::Directory => {}
        Look::Present(node, _) if node.node_type == NodeType::Symlink => {
            let text = format!("{folder} is a link, which evenkeel does not follow");
            return Err(Reason::new(ReasonCode::Redirected, text));
        }
        _ => return Ok(Vec::new()),
    }
    let mut names = Vec::new();
    fs.list(&path_of(folder)?, &mut |entry| {
        names.push(entry.name);
        match names.len() > MAX_ENTRIES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    match names.len() > MAX_ENTRIES {
        true => Err(Reason::new(
            ReasonCode::TooLarge,
            format!("{folder} has more than {MAX_ENTRIES} entries"),
        )),
        false => Ok(names),
    }
}
