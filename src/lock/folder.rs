//! Where lock files lie.
//!
//! As root that is `/run/evenkeel`. Everybody else has no folder that is the same in a login session and in a scheduled job:
//! `$XDG_RUNTIME_DIR` is there in one and not in the other. So both it and the home directory are used where they exist, and
//! every lock is taken in each: two runs of one user always share one of them.
//!
//! **Invariant:** a folder that another user owns or can change is never used.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::{LockError, failed};

/// What decides where lock files lie.
pub(super) struct Surroundings {
    pub euid: u32,
    /// `/run`
    pub run: PathBuf,
    /// `$XDG_RUNTIME_DIR`
    pub session: Option<PathBuf>,
    /// `$HOME`
    pub home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        Self {
            euid: geteuid().as_raw(),
            run: PathBuf::from("/run"),
            session: variable("XDG_RUNTIME_DIR"),
            home: variable("HOME"),
        }
    }

    /// The folders, made where they are missing, in the order in which locks are taken.
    pub(super) fn folders(&self) -> Result<Vec<PathBuf>, LockError> {
        if self.euid == 0 {
            return Ok(vec![self.make(&self.run, &["evenkeel"])?]);
        }
        let mut folders = Vec::new();
        let homes: [(&Option<PathBuf>, &[&str]); 2] = [
            (&self.session, &["evenkeel"]),
            (&self.home, &[".cache", "evenkeel", "lock"]),
        ];
        for (base, below) in homes {
            if let Some(base) = base.as_ref().filter(|base| self.is_own(base)) {
                folders.push(self.make(base, below)?);
            }
        }
        match folders.is_empty() {
            true => Err(LockError::NoFolder { uid: self.euid }),
            false => Ok(folders),
        }
    }

    /// Whether a directory from the environment is one, and ours; another user's may be left over from `su`.
    fn is_own(&self, base: &Path) -> bool {
        base.is_absolute()
            && std::fs::metadata(base).is_ok_and(|meta| meta.is_dir() && meta.uid() == self.euid)
    }

    /// Makes the folder level by level; all below the first level of the home's cache has to be private to us.
    fn make(&self, base: &Path, below: &[&str]) -> Result<PathBuf, LockError> {
        let mut path = base.to_path_buf();
        for name in below {
            path.push(name);
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed("make", &path, error)),
            }
            // `.cache` is shared by all of a user's programs and may be a link to another disk.
            if *name != ".cache" {
                self.make_private(&path)?;
            }
        }
        Ok(path)
    }

    fn make_private(&self, path: &Path) -> Result<(), LockError> {
        let dir = open_dir(path).map_err(|error| failed("open", path, error))?;
        let meta = dir
            .metadata()
            .map_err(|error| failed("open", path, error))?;
        let why = if meta.uid() != self.euid {
            format!("it belongs to uid {}, not to uid {}", meta.uid(), self.euid)
        } else if meta.mode() & 0o022 != 0 {
            format!("others can change it (mode {:04o})", meta.mode() & 0o7777)
        } else if meta.mode() & 0o077 != 0 {
            // Ours, and nobody could put anything in: a service manager makes it so. Closing it is enough.
            return dir
                .set_permissions(Permissions::from_mode(0o700))
                .map_err(|error| failed("close", path, error));
        } else {
            return Ok(());
        };
        Err(LockError::Unsafe {
            path: path.display().to_string(),
            why,
        })
    }
}

fn open_dir(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits() as i32)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn surroundings(top: &Path) -> Surroundings {
        Surroundings {
            euid: std::fs::metadata(top).unwrap().uid(),
            run: top.join("run"),
            session: Some(top.join("session")),
            home: Some(top.join("home")),
        }
    }

    fn top() -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        for name in ["run", "session", "home"] {
            std::fs::create_dir(top.path().join(name)).unwrap();
        }
        top
    }

    /// Made as this user, and judged as if it were not root.
    fn as_ordinary_user(top: &Path) -> Surroundings {
        let mut here = surroundings(top);
        if here.euid == 0 {
            here.euid = 12_345;
            for name in ["session", "home"] {
                std::os::unix::fs::chown(top.join(name), Some(12_345), None).unwrap();
            }
        }
        here
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    // Goal: root's folder is /run/evenkeel, private from the start, and closed when a service manager made it open.
    #[test]
    fn folder_is_private() {
        let top = top();
        let here = surroundings(top.path());
        let path = here.make(&here.run, &["evenkeel"]).unwrap();
        assert_eq!(path, top.path().join("run/evenkeel"));
        assert_eq!(mode(&path), 0o700);
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        here.make(&here.run, &["evenkeel"]).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    // Goal: a folder that another user could have prepared is refused: writable by others, a link, another's.
    #[test]
    fn prepared_folders_are_refused() {
        let top = top();
        let here = surroundings(top.path());
        let path = top.path().join("run/evenkeel");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            here.make(&here.run, &["evenkeel"]),
            Err(LockError::Unsafe { .. })
        ));
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        let stranger = Surroundings {
            euid: here.euid + 1,
            ..surroundings(top.path())
        };
        assert!(matches!(
            stranger.make(&here.run, &["evenkeel"]),
            Err(LockError::Unsafe { .. })
        ));
        let real = top.path().join("real");
        std::fs::rename(&path, &real).unwrap();
        symlink(&real, &path).unwrap();
        assert!(here.make(&here.run, &["evenkeel"]).is_err());
    }

    // Goal: an ordinary user's runs with and without a session share a folder, and another user's session is passed over.
    #[test]
    fn every_own_place_counts() {
        let top = top();
        let here = as_ordinary_user(top.path());
        let usable = |here: &Surroundings| -> Vec<bool> {
            [&here.session, &here.home]
                .map(|base| base.as_ref().is_some_and(|base| here.is_own(base)))
                .to_vec()
        };
        assert_eq!(usable(&here), [true, true]);
        let scheduled = Surroundings {
            session: None,
            ..as_ordinary_user(top.path())
        };
        assert_eq!(usable(&scheduled), [false, true]);
        let borrowed = Surroundings {
            session: Some(PathBuf::from("/")),
            home: Some(PathBuf::from("/nonexistent")),
            ..as_ordinary_user(top.path())
        };
        assert!(matches!(
            borrowed.folders(),
            Err(LockError::NoFolder { .. })
        ));
    }
}
