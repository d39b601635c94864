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
use crate::providers::host::filetree::bounds::Bounds;
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

/// Which files of a package count.
pub struct Which<'a> {
    /// Globs of whole paths that do not.
    pub ignore: &'a Globs,
    /// The bounds of a tree that the package is looked at for: then directories and links that are gone count too, and
    /// what is not the tree's counts where a reinstallation would replace it.
    pub bounds: Option<&'a Bounds>,
}

/// The files of a package that are not as it brought them.
///
/// # Errors
/// dpkg's lists or a file could not be read.
pub fn differing(fs: &dyn Fs, entry: &Entry, which: &Which<'_>) -> Result<Differing, Reason> {
    let mut found = Differing::new();
    for own in Layout::of(fs)?.owned(fs, entry)? {
        let whole = [b"/", own.place.relative().as_slice()].concat();
        let is_told = own.digest.is_some() || which.bounds.is_some();
        if own.is_conffile
            || !is_told
            || which.ignore.matches(&own.listed)
            || which.ignore.matches(&whole)
        {
            continue;
        }
        let what = match (own.is_diverted_by_hand, &own.digest) {
            (true, _) => Some(DIVERTED),
            (false, Some(digest)) => differs(fs, &own.lies, digest)?,
            (false, None) => no_file_differs(fs, &own.lies)?,
        };
        let counts = which.bounds.is_none_or(|bounds| bounds.counts(&own.place));
        let is_replaced = |what: &str| matches!(what, CHANGED | TOO_LARGE);
        if let Some(what) = what.filter(|what| counts || is_replaced(what)) {
            let path = own.lies;
            found.insert(own.place.address().0, Wrong { what, path });
        }
    }
    Ok(found)
}

/// All that a package lists: the addresses, and where they lie.
///
/// # Errors
/// dpkg's lists could not be read.
pub fn places(fs: &dyn Fs, entry: &Entry) -> Result<Vec<(String, HostPath)>, Reason> {
    let owned = Layout::of(fs)?.owned(fs, entry)?.into_iter();
    Ok(owned.map(|own| (own.place.address().0, own.lies)).collect())
}

/// A path of a package.
pub struct Own {
    /// As dpkg lists it.
    pub listed: Vec<u8>,
    pub place: HostPath,
    /// Its place, or where it was moved aside.
    pub lies: HostPath,
    /// The MD5 digest of a file; none of directories, links and configuration files.
    pub digest: Option<[u8; 16]>,
    pub is_conffile: bool,
    pub is_diverted_by_hand: bool,
}

/// What decides where the paths of all packages lie.
pub struct Layout {
    merged: Merged,
    diverted: BTreeMap<Vec<u8>, Diversion>,
}

impl Layout {
    /// Reads it.
    ///
    /// # Errors
    /// The diversions could not be read.
    pub fn of(fs: &dyn Fs) -> Result<Self, Reason> {
        Ok(Self {
            merged: Merged::of(fs),
            diverted: diversions(fs)?,
        })
    }

    /// Where a path that dpkg knows lies.
    ///
    /// # Errors
    /// It is no path.
    pub fn place(&self, path: &[u8]) -> Result<HostPath, Reason> {
        self.merged.place(path)
    }

    /// All that a package lists. Of one that is gone, its configuration files and their directories.
    ///
    /// # Errors
    /// dpkg's lists could not be read.
    pub fn owned(&self, fs: &dyn Fs, entry: &Entry) -> Result<Vec<Own>, Reason> {
        let listed = listed(fs, entry)?;
        let digests = match entry.is_there() {
            true => digests(fs, entry, &listed, &self.merged)?,
            false => BTreeMap::new(),
        };
        let conffiles: BTreeSet<&[u8]> = entry.conffiles.iter().map(|one| &*one.path).collect();
        let mut owned = Vec::with_capacity(listed.len());
        for path in listed.into_iter().filter(|path| path != b"/.") {
            // dpkg puts configuration files into the digests that it makes itself, and the tools of packages do not.
            let is_conffile = !entry.is_there() || conffiles.contains(&*path);
            let diversion = self.diverted.get(&path).filter(|one| one.by != entry.name);
            let place = self.merged.place(&path)?;
            owned.push(Own {
                lies: match diversion {
                    Some(diversion) => self.merged.place(&diversion.to)?,
                    None => place.clone(),
                },
                place,
                digest: digests.get(&path).copied().filter(|_| !is_conffile),
                is_conffile,
                is_diverted_by_hand: diversion.is_some_and(|one| one.by == BY_HAND),
                listed: path,
            });
        }
        Ok(owned)
    }
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
    let merged = Merged::of(fs);
    let mut found = Differing::new();
    for conffile in &entry.conffiles {
        let lies = merged.place(&conffile.path)?;
        let Some(digest) = &conffile.digest else {
            continue;
        };
        if ignore.matches(&conffile.path) {
            continue;
        }
        let Some(digest) = md5_of(digest.to_ascii_lowercase().as_bytes()) else {
            continue;
        };
        if let Some(what) = differs(fs, &lies, &digest)? {
            let address = lies.address().0;
            found.insert(address, Wrong { what, path: lies });
        }
    }
    Ok(found)
}

/// What is wrong with one file; none where nothing is.
fn differs(fs: &dyn Fs, path: &HostPath, digest: &[u8]) -> Result<Option<&'static str>, Reason> {
    match fs.look(path, Want::Md5) {
        Look::Absent => Ok(Some(MISSING)),
        Look::Present(node, _) if node.node_type != NodeType::File => Ok(Some(CHANGED)),
        Look::Present(_, None) => Ok(Some(TOO_LARGE)),
        Look::Present(_, Some(md5)) => Ok((*md5 != *digest).then_some(CHANGED)),
        Look::Unseen(reason) if reason.code == ReasonCode::Redirected => Ok(Some(REDIRECTED)),
        Look::Unseen(reason) => Err(reason),
    }
}

/// As [`differs`], for what dpkg has no digest of: a directory or a link. Where a link leads it does not know.
fn no_file_differs(fs: &dyn Fs, path: &HostPath) -> Result<Option<&'static str>, Reason> {
    match fs.look(path, Want::Nothing) {
        Look::Absent => Ok(Some(MISSING)),
        Look::Present(node, _) => {
            let may = matches!(node.node_type, NodeType::Directory | NodeType::Symlink);
            Ok((!may).then_some(CHANGED))
        }
        // What lies in it is told.
        Look::Unseen(reason) if reason.code == ReasonCode::Redirected => Ok(None),
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

/// Whole paths with their digests.
fn digests(
    fs: &dyn Fs,
    entry: &Entry,
    listed: &BTreeSet<Vec<u8>>,
    merged: &Merged,
) -> Result<BTreeMap<Vec<u8>, [u8; 16]>, Reason> {
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
        return Ok(BTreeMap::new());
    };
    let mut digests = BTreeMap::new();
    for line in lines(&text, &path)? {
        let (digest, file) = line
            .split_at_checked(32)
            .and_then(|(digest, rest)| Some((md5_of(digest)?, rest.strip_prefix(b"  ")?)))
            .filter(|(_, file)| !file.is_empty())
            .ok_or_else(|| damaged(&path, "a line has no digest"))?;
        digests.insert([b"/", file].concat(), digest);
    }
    Ok(digests)
}

/// A digest from its 32 digits in lower case.
fn md5_of(digits: &[u8]) -> Option<[u8; 16]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut digest = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
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
    fn of(fs: &dyn Fs) -> Self {
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
        Self(merged)
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
