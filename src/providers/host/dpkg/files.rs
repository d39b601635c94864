//! The files of one package against the digests that dpkg keeps of them.
//!
//! A file counts when both the package's list and its digests name it: a file that another package took over is in the
//! digests alone. What a package moved aside (a diversion) is looked for where it went. Configuration files are told
//! apart; their digests are in the status file.
//!
//! **Invariant:** a line that cannot be understood makes the whole package "not evaluated".

use std::collections::{BTreeMap, BTreeSet};

use super::status::Entry;
use super::{damaged, place, read};
use crate::model::{Reason, ReasonCode};
use crate::providers::host::capability::hex;
use crate::providers::host::fs::{Fs, HostPath, Look, NodeType, Want};
use crate::providers::host::glob::Globs;
use crate::providers::host::path::MAX_DEPTH;

/// The largest list of a package, in bytes.
const MAX_LIST: u64 = 64 << 20;
/// The directories that lead into `/usr` on today's systems, while packages still name files in them.
const MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// A file with another content than the package's.
pub const CHANGED: &str = "changed";
pub const MISSING: &str = "missing";
/// Moved aside by hand (`dpkg-divert --local`), so that dpkg would put the package's file elsewhere.
pub const DIVERTED: &str = "diverted by hand";
/// A symbolic link stands where the package has a directory.
pub const REDIRECTED: &str = "behind a link";
pub const TOO_LARGE: &str = "too large to compare";

/// What is wrong with a file, and where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    pub what: &'static str,
    pub path: HostPath,
}

/// Files that differ, by address.
pub type Differing = BTreeMap<String, Wrong>;

/// The files of a package whose content is not the package's, but for those that `ignore` matches.
///
/// # Errors
/// dpkg's lists or a file could not be read.
pub fn differing(fs: &dyn Fs, entry: &Entry, ignore: &Globs) -> Result<Differing, Reason> {
    let mut found = Differing::new();
    for own in owned(fs, entry)? {
        let whole = [b"/", own.place.relative().as_slice()].concat();
        if ignore.matches(&own.listed) || ignore.matches(&whole) {
            continue;
        }
        let what = match own.is_diverted_by_hand {
            true => Some(DIVERTED),
            false => differs(fs, &own.lies, &own.digest)?,
        };
        if let Some(what) = what {
            let path = own.lies;
            found.insert(own.place.address().0, Wrong { what, path });
        }
    }
    Ok(found)
}

/// The files of a package: their addresses, and where they lie.
///
/// # Errors
/// dpkg's lists could not be read.
pub fn places(fs: &dyn Fs, entry: &Entry) -> Result<Vec<(String, HostPath)>, Reason> {
    let owned = owned(fs, entry)?.into_iter();
    Ok(owned.map(|own| (own.place.address().0, own.lies)).collect())
}

/// A file of a package.
struct Own {
    /// As dpkg lists it.
    listed: Vec<u8>,
    place: HostPath,
    /// Its place, or where it was moved aside.
    lies: HostPath,
    digest: String,
    is_diverted_by_hand: bool,
}

fn owned(fs: &dyn Fs, entry: &Entry) -> Result<Vec<Own>, Reason> {
    let merged = Merged::of(fs)?;
    let diverted = diversions(fs)?;
    let listed = listed(fs, entry)?;
    let mut owned = Vec::new();
    for (path, digest) in digests(fs, entry, &listed, &merged)? {
        let path = [b"/", path.as_slice()].concat();
        // dpkg puts configuration files into the digests that it makes itself, and the tools of packages do not.
        if !listed.contains(&path) || entry.conffiles.iter().any(|one| one.path == path) {
            continue;
        }
        let diversion = diverted.get(&path).filter(|one| one.by != entry.name);
        let place = merged.place(&path)?;
        owned.push(Own {
            lies: match diversion {
                Some(diversion) => merged.place(&diversion.to)?,
                None => place.clone(),
            },
            place,
            digest,
            is_diverted_by_hand: diversion.is_some_and(|one| one.by == BY_HAND),
            listed: path,
        });
    }
    Ok(owned)
}

/// The configuration files of a package that are not as it brought them.
///
/// # Errors
/// A file could not be read.
pub fn differing_conffiles(
    fs: &dyn Fs,
    entry: &Entry,
    ignore: &Globs,
) -> Result<Differing, Reason> {
    let merged = Merged::of(fs)?;
    let mut found = Differing::new();
    for conffile in &entry.conffiles {
        let lies = merged.place(&conffile.path)?;
        let Some(digest) = &conffile.digest else {
            continue;
        };
        if ignore.matches(&conffile.path) {
            continue;
        }
        if let Some(what) = differs(fs, &lies, digest)? {
            let address = lies.address().0;
            found.insert(address, Wrong { what, path: lies });
        }
    }
    Ok(found)
}

/// What is wrong with one file; none where nothing is.
fn differs(fs: &dyn Fs, path: &HostPath, digest: &str) -> Result<Option<&'static str>, Reason> {
    match fs.look(path, Want::Md5) {
        Look::Absent => Ok(Some(MISSING)),
        Look::Present(node, _) if node.node_type != NodeType::File => Ok(Some(CHANGED)),
        Look::Present(_, None) => Ok(Some(TOO_LARGE)),
        Look::Present(_, Some(md5)) => {
            let same = hex(&md5) == digest;
            Ok((!same).then_some(CHANGED))
        }
        Look::Unseen(reason) if reason.code == ReasonCode::Redirected => Ok(Some(REDIRECTED)),
        Look::Unseen(reason) => Err(reason),
    }
}

/// The name of a file of a package's in `info`.
fn info(entry: &Entry, what: &str) -> HostPath {
    let name = match entry.is_same {
        true => format!("{}:{}.{what}", entry.name, entry.architecture),
        false => format!("{}.{what}", entry.name),
    };
    place(&["info", &name])
}

/// Relative paths with their digests.
fn digests(
    fs: &dyn Fs,
    entry: &Entry,
    listed: &BTreeSet<Vec<u8>>,
    merged: &Merged,
) -> Result<Vec<(Vec<u8>, String)>, Reason> {
    let path = info(entry, "md5sums");
    let Some(text) = read(fs, &path, MAX_LIST)? else {
        // A package may have nothing but directories. Otherwise somebody took the digests away.
        for file in listed.iter().filter(|file| *file != b"/.") {
            match fs.look(&merged.place(file)?, Want::Nothing) {
                Look::Present(node, _) if node.node_type == NodeType::Directory => {}
                _ => {
                    let text = format!("there is no {}", path.address());
                    return Err(Reason::new(ReasonCode::Unsupported, text));
                }
            }
        }
        return Ok(Vec::new());
    };
    let mut digests = Vec::new();
    for line in lines(&text, &path)? {
        let (digest, file) = line
            .split_at_checked(32)
            .and_then(|(digest, rest)| Some((digest, rest.strip_prefix(b"  ")?)))
            .filter(|(digest, file)| digest.iter().all(is_lower_hex) && !file.is_empty())
            .ok_or_else(|| damaged(&path, "a line has no digest"))?;
        let digest = String::from_utf8_lossy(digest).into_owned();
        digests.push((file.to_vec(), digest));
    }
    Ok(digests)
}

fn is_lower_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// The paths that dpkg says are the package's, from the top.
fn listed(fs: &dyn Fs, entry: &Entry) -> Result<BTreeSet<Vec<u8>>, Reason> {
    let path = info(entry, "list");
    let text = read(fs, &path, MAX_LIST)?.ok_or_else(|| {
        let text = format!("there is no {}", path.address());
        Reason::new(ReasonCode::Unsupported, text)
    })?;
    Ok(lines(&text, &path)?.map(<[u8]>::to_vec).collect())
}

/// The lines of a file that has to end with one.
fn lines<'a>(
    text: &'a [u8],
    path: &HostPath,
) -> Result<impl Iterator<Item = &'a [u8]> + use<'a>, Reason> {
    if !text.is_empty() && !text.ends_with(b"\n") {
        return Err(damaged(path, "it ends in the middle of a line"));
    }
    Ok(text
        .strip_suffix(b"\n")
        .into_iter()
        .flat_map(|text| text.split(|byte| *byte == b'\n')))
}

/// The name in a diversion that a person made.
const BY_HAND: &str = ":";

struct Diversion {
    to: Vec<u8>,
    by: String,
}

/// What was moved aside: three lines each, from, to, and by which package.
fn diversions(fs: &dyn Fs) -> Result<BTreeMap<Vec<u8>, Diversion>, Reason> {
    let path = place(&["diversions"]);
    let Some(text) = read(fs, &path, MAX_LIST)? else {
        return Ok(BTreeMap::new());
    };
    let lines: Vec<_> = lines(&text, &path)?.collect();
    let mut found = BTreeMap::new();
    for three in lines.chunks(3) {
        let [from, to, by] = three else {
            return Err(damaged(&path, "it ends in the middle of a diversion"));
        };
        let by = String::from_utf8_lossy(by).into_owned();
        found.insert(
            from.to_vec(),
            Diversion {
                to: to.to_vec(),
                by,
            },
        );
    }
    Ok(found)
}

/// Which of the directories of old lead into `/usr`.
struct Merged(BTreeSet<&'static str>);

impl Merged {
    fn of(fs: &dyn Fs) -> Result<Self, Reason> {
        let mut merged = BTreeSet::new();
        for name in MERGED {
            let path = HostPath(vec![name.as_bytes().to_vec()]);
            let Look::Present(node, _) = fs.look(&path, Want::Nothing) else {
                continue;
            };
            let target = node.target.as_deref().unwrap_or_default();
            if target.strip_prefix(b"/").unwrap_or(target) == format!("usr/{name}").as_bytes() {
                merged.insert(name);
            }
        }
        Ok(Self(merged))
    }

    /// Where a path of a package's lies.
    fn place(&self, path: &[u8]) -> Result<HostPath, Reason> {
        let strange = || {
            let text = "a path in dpkg's lists is none".to_owned();
            Reason::new(ReasonCode::Unsupported, text)
        };
        let path = path.strip_prefix(b"/").ok_or_else(strange)?;
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let sound = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && !name.contains(&0);
        if names.len() > MAX_DEPTH || !names.iter().all(sound) {
            return Err(strange());
        }
        let leads = names.len() > 1 && self.0.iter().any(|merged| merged.as_bytes() == names[0]);
        let usr = leads.then(|| b"usr".to_vec());
        let names = names.into_iter().map(<[u8]>::to_vec);
        Ok(HostPath(usr.into_iter().chain(names).collect()))
    }
}
