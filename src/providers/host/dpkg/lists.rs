//! Lists of packages that the status file does not know.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{Database, damaged, place};
use crate::model::Reason;
use crate::providers::host::fs::Fs;
use crate::providers::host::path::escape;

/// The most files in `info`; each package has a handful.
const MAX_FILES: usize = 500_000;

/// The first list of a package that the status file does not have: somebody took it out, and its files would pass for
/// nobody's.
///
/// # Errors
/// The lists could not be looked through.
pub fn forgotten(fs: &dyn Fs, database: &Database) -> Result<Option<String>, Reason> {
    let known: BTreeSet<&str> = database
        .all()
        .map(|(_, entry)| entry.name.as_str())
        .collect();
    let dir = place(&["info"]);
    let mut count = 0;
    let mut first: Option<Vec<u8>> = None;
    fs.list(&dir, &mut |entry| {
        count += 1;
        if let Some(name) = entry.name.strip_suffix(b".list") {
            let package = name.split(|byte| *byte == b':').next().unwrap_or_default();
            let is_known = std::str::from_utf8(package).is_ok_and(|name| known.contains(name));
            if !is_known && first.as_ref().is_none_or(|first| entry.name < *first) {
                first = Some(entry.name);
            }
        }
        match count > MAX_FILES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    match count > MAX_FILES {
        true => Err(damaged(&dir, "it holds more than is looked at")),
        false => Ok(first.map(|name| escape(&name))),
    }
}
