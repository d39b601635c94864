//! The links that `update-alternatives` made: no package owns them.
//!
//! A file of `/var/lib/dpkg/alternatives` begins with its mode and the link it is about; two lines each, a name and a link,
//! follow for those that go with it, up to an empty line. Each link leads to its name in `/etc/alternatives`.
//!
//! **Invariant:** a link counts as made only where it leads there; what a file says otherwise makes none.

use std::ops::ControlFlow;

use super::files::Layout;
use super::{damaged, place, read};
use crate::model::Reason;
use crate::providers::host::fs::{Fs, HostPath, Look, Want};

const DIRECTORY: &str = "alternatives";
const LEADS_TO: &[u8] = b"/etc/alternatives/";
/// The largest file of one alternative, in bytes, and how many of them are read.
const MAX_BYTES: u64 = 4 << 20;
const MAX_FILES: usize = 10_000;

/// All such links, each with the target that it has to have.
///
/// # Errors
/// One of the files could not be read or understood.
pub fn links(fs: &dyn Fs, layout: &Layout) -> Result<Vec<(HostPath, Vec<u8>)>, Reason> {
    let dir = place(&[DIRECTORY]);
    match fs.look(&dir, Want::Nothing) {
        Look::Absent => return Ok(Vec::new()),
        Look::Unseen(reason) => return Err(reason),
        Look::Present(..) => {}
    }
    let mut names = Vec::new();
    fs.list(&dir, &mut |entry| {
        names.push(entry.name);
        match names.len() > MAX_FILES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if names.len() > MAX_FILES {
        return Err(damaged(&dir, "it holds more than is looked at"));
    }
    names.sort();
    let mut found = Vec::new();
    for name in names {
        // What is being written, or was kept.
        if name.ends_with(b".dpkg-tmp") || name.ends_with(b".dpkg-new") {
            continue;
        }
        let path = dir.join(&name);
        let Some(text) = read(fs, &path, MAX_BYTES)? else {
            continue;
        };
        let links = parse(&name, &text).ok_or_else(|| damaged(&path, "a line is missing"))?;
        for (name, link) in links {
            found.push((layout.place(link)?, [LEADS_TO, name].concat()));
        }
    }
    Ok(found)
}

/// The names and links of one alternative; none where it ends in the middle.
fn parse<'a>(name: &'a [u8], text: &'a [u8]) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut lines = text.split(|byte| *byte == b'\n').skip(1);
    let mut links = vec![(name, lines.next().filter(|link| !link.is_empty())?)];
    loop {
        match lines.next()? {
            b"" => return Some(links),
            name => links.push((name, lines.next().filter(|link| !link.is_empty())?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the links that go with one are found and the programs behind it are not: those would make any file at such a
    // path the alternative's own. One that breaks off is refused and not read as having fewer.
    #[test]
    fn links_are_told_from_programs() {
        let text = b"auto\n/usr/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\n\n/usr/bin/mawk\n5\n/m.1.gz\n\n";
        assert_eq!(
            parse(b"awk", text).unwrap(),
            [
                (&b"awk"[..], &b"/usr/bin/awk"[..]),
                (b"awk.1.gz", b"/usr/share/man/man1/awk.1.gz"),
            ]
        );
        for bad in [
            "",
            "auto",
            "auto\n\n",
            "auto\n/l\nname",
            "auto\n/l\nname\n\n",
        ] {
            assert_eq!(parse(b"awk", bad.as_bytes()), None, "{bad:?}");
        }
    }
}
