//! The JSON of a recorded host, version 1.
//!
//! **Invariant:** bounded in bytes and depth; a path that could be no path of a host makes the whole recording invalid, since
//! a recording may come from anyone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use crate::providers::host::fs::HostPath;
use crate::providers::host::path::parse;

/// The largest recording, in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// The version that is read.
const VERSION: u32 = 1;

/// A recording could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct SnapshotError {
    path: String,
    what: String,
}

/// A host as it was at one moment. Fields that are not named here say more than is compared.
#[derive(Deserialize, Debug)]
pub struct Recorded {
    pub schema: u32,
    /// The host's own name.
    pub host: String,
    #[serde(default)]
    pub users: Vec<User>,
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Versions by name, or by `name:architecture`.
    #[serde(default)]
    pub packages: BTreeMap<String, String>,
    /// Values by key with dots.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    #[serde(default)]
    pub suid_files: Vec<Powerful>,
    /// Lines of `getcap`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// Lines of `lsattr`.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// Places of which everything is listed.
    #[serde(default)]
    pub observed_roots: Vec<String>,
    #[serde(default)]
    pub files: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Debug)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    #[serde(default)]
    pub gecos: String,
    pub home: String,
    pub shell: String,
    /// `set`, `locked` or `empty`; a hash is never recorded.
    #[serde(default)]
    pub password: String,
}

#[derive(Deserialize, Debug)]
pub struct Group {
    pub name: String,
    pub gid: u32,
    #[serde(default)]
    pub members: Vec<String>,
}

/// What stood at a path.
#[derive(Deserialize, Debug, Clone)]
pub struct Entry {
    #[serde(rename = "type", default = "file")]
    pub sort: String,
    /// Four octal digits.
    pub mode: String,
    pub owner: String,
    pub group: String,
    #[serde(default = "one")]
    pub nlink: u64,
    #[serde(default)]
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: Option<String>,
    /// Small text, where it is recorded.
    pub content: Option<String>,
    pub target: Option<String>,
}

#[derive(Deserialize, Debug)]
pub struct Powerful {
    pub path: String,
    #[serde(flatten)]
    pub entry: Entry,
}

fn one() -> u64 {
    1
}

fn file() -> String {
    "file".to_owned()
}

/// Reads a recording from a file.
///
/// # Errors
/// It cannot be read, is larger than the bound, is no JSON of this form, or is of another version.
pub fn read(path: &Path) -> Result<Recorded, SnapshotError> {
    let error = |what: String| SnapshotError {
        path: path.display().to_string(),
        what,
    };
    let file = File::open(path).map_err(|e| error(format!("failed to open: {}", e.kind())))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| error(format!("failed to read: {}", e.kind())))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(error(format!("is larger than {} MiB", MAX_BYTES >> 20)));
    }
    parsed(&text).map_err(error)
}

/// Reads a recording from its text.
///
/// # Errors
/// A sentence with line and column where it is no JSON of this form.
pub fn parsed(text: &str) -> Result<Recorded, String> {
    let recorded: Recorded =
        serde_json::from_str(text).map_err(|e| format!("is no recording of a host: {e}"))?;
    if recorded.schema != VERSION {
        return Err(format!(
            "is a recording of version {}, and this program reads version {VERSION}",
            recorded.schema
        ));
    }
    let powerful = recorded.suid_files.iter().map(|one| &one.path);
    let roots = &recorded.observed_roots;
    for path in recorded.files.keys().chain(powerful).chain(roots) {
        path_of(path)?;
    }
    if let Some(text) = forged(&recorded) {
        return Err(format!(
            "holds the name \"{}\", which is none",
            text.escape_debug()
        ));
    }
    Ok(recorded)
}

/// A name that would become two lines of passwd or two paragraphs of dpkg.
fn forged(recorded: &Recorded) -> Option<&String> {
    let users = recorded.users.iter();
    let groups = recorded.groups.iter();
    let mut names = users
        .flat_map(|user| [&user.name, &user.gecos, &user.home, &user.shell])
        .chain(groups.flat_map(|group| group.members.iter().chain([&group.name])));
    let packages = recorded.packages.iter();
    let mut packages = packages.flat_map(|(name, version)| [name, version]);
    let breaks = |text: &&String| text.chars().any(char::is_control);
    names
        .find(|text| breaks(text) || text.contains(':'))
        .or_else(|| packages.find(breaks))
}

/// The path of a recorded entry.
///
/// # Errors
/// It is none of a host.
pub fn path_of(text: &str) -> Result<HostPath, String> {
    parse(text).map_err(|bad| {
        format!(
            "holds the path \"{}\": {}",
            text.escape_debug(),
            bad.message
        )
    })
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
