//! Names of users and groups, from the root's own `/etc/passwd` and `/etc/group` where it has them.
//!
//! **Invariant:** a file that cannot be read resolves nothing; it is never taken for an empty one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fs::{Fs, HostPath, Look, Want};
use crate::model::{Reason, ReasonCode};

/// The largest name file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// One user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// Users and groups by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub users: BTreeMap<String, User>,
    pub groups: BTreeMap<String, u32>,
}

/// The names of a target: each half by itself, or why it could not be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetNames {
    users: Result<BTreeMap<String, User>, Reason>,
    groups: Result<BTreeMap<String, u32>, Reason>,
}

impl Names {
    /// Reads the two files' texts; lines that are none of theirs are passed over, and the first of two equal names counts.
    pub fn read(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: users(passwd),
            groups: groups(group),
        }
    }

    /// The names of the machine that evenkeel runs on.
    pub fn of_this_machine() -> Self {
        let read = |path| std::fs::read(path).unwrap_or_default();
        Self::read(&read("/etc/passwd"), &read("/etc/group"))
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&str>> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(|line| line.split(':').collect())
}

fn users(text: &[u8]) -> BTreeMap<String, User> {
    let mut users = BTreeMap::new();
    for parts in lines(text) {
        let [name, _, uid, gid, _, home, ..] = parts[..] else {
            continue;
        };
        let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse()) else {
            continue;
        };
        users.entry(name.to_owned()).or_insert_with(|| User {
            uid,
            gid,
            home: home.to_owned(),
        });
    }
    users
}

fn groups(text: &[u8]) -> BTreeMap<String, u32> {
    let mut groups = BTreeMap::new();
    for parts in lines(text) {
        if let [name, _, gid, ..] = parts[..]
            && let Ok(gid) = gid.parse()
        {
            groups.entry(name.to_owned()).or_insert(gid);
        }
    }
    groups
}

impl TargetNames {
    /// Reads them from the root, and takes those of the controller for a file that the root has not.
    pub fn load(fs: &dyn Fs, controller: &Names) -> Self {
        Self {
            users: read(fs, b"passwd").map(|text| match text {
                Some(text) => users(&text),
                None => controller.users.clone(),
            }),
            groups: read(fs, b"group").map(|text| match text {
                Some(text) => groups(&text),
                None => controller.groups.clone(),
            }),
        }
    }

    /// A user to whom git gives this number; a new one needs its group as well.
    pub fn declare_user(&mut self, name: &str, uid: u32, gid: Option<u32>, home: Option<&str>) {
        let Ok(users) = &mut self.users else { return };
        let known = users.get(name);
        let gid = gid.or(known.map(|user| user.gid));
        let home = home.map_or_else(
            || known.map_or_else(|| format!("/home/{name}"), |user| user.home.clone()),
            str::to_owned,
        );
        if let Some(gid) = gid {
            users.insert(name.to_owned(), User { uid, gid, home });
        }
    }

    /// A group to which git gives this number.
    pub fn declare_group(&mut self, name: &str, gid: u32) {
        if let Ok(groups) = &mut self.groups {
            groups.insert(name.to_owned(), gid);
        }
    }

    /// The user of this name.
    ///
    /// # Errors
    /// There is none, or the file could not be read.
    pub fn user(&self, name: &str) -> Result<&User, Reason> {
        let users = self.users.as_ref().map_err(Reason::clone)?;
        users.get(name).ok_or_else(|| unknown("user", name))
    }

    /// The user id for a name. `root` is 0 whatever a tampered file says.
    ///
    /// # Errors
    /// As [`TargetNames::user`].
    pub fn uid(&self, name: &str) -> Result<u32, Reason> {
        match name {
            "root" => Ok(0),
            name => self.user(name).map(|user| user.uid),
        }
    }

    /// The group id for a name. `root` is 0 whatever a tampered file says.
    ///
    /// # Errors
    /// As [`TargetNames::user`].
    pub fn gid(&self, name: &str) -> Result<u32, Reason> {
        if name == "root" {
            return Ok(0);
        }
        let groups = self.groups.as_ref().map_err(Reason::clone)?;
        groups
            .get(name)
            .copied()
            .ok_or_else(|| unknown("group", name))
    }
}

fn unknown(what: &str, name: &str) -> Reason {
    Reason::new(
        ReasonCode::Unresolved,
        format!("the target has no {what} named {}", name.escape_debug()),
    )
}

/// The bytes of a file in the root's `/etc`; none where there is no such file.
fn read(fs: &dyn Fs, name: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
    let path = HostPath(vec![b"etc".to_vec(), name.to_vec()]);
    let want = Want::Bytes {
        unless: None,
        max_bytes: MAX_BYTES,
    };
    match fs.look(&path, want) {
        Look::Absent => Ok(None),
        Look::Present(_, Some(bytes)) => Ok(Some(bytes.to_vec())),
        Look::Present(..) => Err(Reason::new(
            ReasonCode::Unresolved,
            format!(
                "names cannot be resolved: {} is no regular file of a sensible size",
                path.address()
            ),
        )),
        Look::Unseen(reason) => Err(Reason::new(
            ReasonCode::Unresolved,
            format!("names cannot be resolved: {}", reason.text),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: broken and hostile lines are passed over, and a second line cannot take over a name.
    #[test]
    fn hostile_lines_are_passed_over() {
        let names = Names::read(
            b"www:x:33:33::/var/www:/bin/sh\nwww:x:0:0::/root:/bin/sh\n\xff:x:1:1:::\nshort:x:5\nbig:x:99999999999:1:::\n",
            b"adm:x:4:\nbroken\n",
        );
        assert_eq!(names.users.len(), 1);
        assert_eq!(names.users["www"].uid, 33);
        assert_eq!(names.groups, BTreeMap::from([("adm".to_owned(), 4)]));
    }
}
