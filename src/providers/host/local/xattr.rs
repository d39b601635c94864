//! Extended attributes: capabilities, access lists and labels.
//!
//! **Invariant:** reading them opens nothing that is no regular file or directory.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr, getxattr, listxattr};
use rustix::io::Errno;

use crate::providers::host::capability;
use crate::providers::host::path::{escape, unescape};

const CAPABILITY: &str = "security.capability";
const ACL: &str = "system.posix_acl_access";
const DEFAULT_ACL: &str = "system.posix_acl_default";
/// Linux's own bounds on the list of names and on one value.
const MAX_BYTES: usize = 64 << 10;

/// The attributes of one inode.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub capabilities: Option<String>,
    pub acl: Option<Vec<u8>>,
    pub default_acl: Option<Vec<u8>>,
    pub others: Vec<(String, Vec<u8>)>,
}

/// How an inode is reached.
#[derive(Clone, Copy)]
pub enum Handle<'a> {
    /// A handle that was opened for reading or writing.
    Open(BorrowedFd<'a>),
    /// A handle of a place only, whose attributes are reached through `/proc`.
    Place(BorrowedFd<'a>),
}

impl Handle<'_> {
    pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
        format!("/proc/self/fd/{}", fd.as_raw_fd())
    }

    fn list(self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => flistxattr(fd, buffer),
            Self::Place(fd) => listxattr(Self::proc_path(fd), buffer),
        }
    }

    fn get(self, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(fd) => fgetxattr(fd, name, buffer),
            Self::Place(fd) => getxattr(Self::proc_path(fd), name, buffer),
        }
    }

    fn set(self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => fsetxattr(fd, name, value, XattrFlags::empty()),
            Self::Place(fd) => {
                rustix::fs::setxattr(Self::proc_path(fd), name, value, XattrFlags::empty())
            }
        }
    }

    fn remove(self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Open(fd) => fremovexattr(fd, name),
            Self::Place(fd) => rustix::fs::removexattr(Self::proc_path(fd), name),
        }
    }
}

/// Calls with a small buffer first and the largest possible one where that was too small.
fn sized(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; 512];
    match call(&mut small) {
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
        Ok(length) => return Ok(small[..length].to_vec()),
    }
    let mut large = vec![0; MAX_BYTES];
    match call(&mut large) {
        Err(Errno::RANGE) => Err(Errno::FBIG),
        Err(errno) => Err(errno),
        Ok(length) => {
            large.truncate(length);
            Ok(large)
        }
    }
}

/// Whether an attribute belongs to the state of a file: not those that the system makes by itself from the content.
fn is_kept(name: &[u8]) -> bool {
    let integrity: [&[u8]; 2] = [b"security.ima", b"security.evm"];
    let prefixes: [&[u8]; 3] = [b"user.", b"security.", b"trusted."];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        && !integrity.contains(&name)
        && !name.starts_with(b"trusted.overlay.")
}

/// Reads all attributes.
///
/// # Errors
/// Those of the system; a file system without attributes is no error.
pub fn read(handle: Handle<'_>) -> Result<Attributes, Errno> {
    let mut attributes = Attributes::default();
    let list = match sized(|buffer| handle.list(buffer)) {
        Ok(list) => list,
        Err(Errno::NOTSUP) => return Ok(attributes),
        Err(errno) => return Err(errno),
    };
    for name in list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let known = name == CAPABILITY.as_bytes()
            || name == ACL.as_bytes()
            || name == DEFAULT_ACL.as_bytes();
        if !known && !is_kept(name) {
            continue;
        }
        let value = match sized(|buffer| handle.get(name, buffer)) {
            Ok(value) => value,
            // Removed since it was listed, or hidden from us.
            Err(Errno::NODATA | Errno::NOTSUP) => continue,
            // A user attribute of a file that may be written but not read, as a labelled one: not part of what counts.
            Err(Errno::ACCESS | Errno::PERM) if !known => continue,
            Err(errno) => return Err(errno),
        };
        if name == CAPABILITY.as_bytes() {
            attributes.capabilities = Some(capability::words(&value));
        } else if name == ACL.as_bytes() {
            attributes.acl = Some(value);
        } else if name == DEFAULT_ACL.as_bytes() {
            attributes.default_acl = Some(value);
        } else {
            attributes.others.push((escape(name), value));
        }
    }
    attributes.others.sort();
    Ok(attributes)
}

/// Makes the attributes be these and no others.
///
/// # Errors
/// Those of the system, with the name of the attribute.
pub fn write(handle: Handle<'_>, wanted: &Attributes) -> Result<(), (String, Errno)> {
    let now = read(handle).map_err(|errno| ("extended attributes".to_owned(), errno))?;
    let set = |name: &str, value: &[u8]| {
        handle
            .set(name.as_bytes(), value)
            .map_err(|errno| (name.to_owned(), errno))
    };
    let remove = |name: &str| match handle.remove(name.as_bytes()) {
        Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
        Err(errno) => Err((name.to_owned(), errno)),
    };
    let lists = [
        (ACL, &now.acl, &wanted.acl),
        (DEFAULT_ACL, &now.default_acl, &wanted.default_acl),
    ];
    for (name, now, wanted) in lists {
        match wanted {
            Some(value) if now.as_ref() != Some(value) => set(name, value)?,
            None if now.is_some() => remove(name)?,
            _ => {}
        }
    }
    for (name, value) in &wanted.others {
        if now.others.iter().any(|(n, v)| n == name && v == value) {
            continue;
        }
        let raw = unescape(name).unwrap_or_else(|| name.clone().into_bytes());
        handle
            .set(&raw, value)
            .map_err(|errno| (name.clone(), errno))?;
    }
    for (name, _) in &now.others {
        // A label that the system gave to the new file by itself is not ours to take away.
        if name.starts_with("user.") && !wanted.others.iter().any(|(n, _)| n == name) {
            remove(name)?;
        }
    }
    match &wanted.capabilities {
        Some(words) if now.capabilities.as_ref() != Some(words) => {
            let raw = capability::raw(words).map_err(|_| (CAPABILITY.to_owned(), Errno::INVAL))?;
            set(CAPABILITY, &raw)
        }
        None if now.capabilities.is_some() => remove(CAPABILITY),
        _ => Ok(()),
    }
}
