//! Small file systems of their own, where the tests may mount.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system, unmounted when dropped.
pub struct Mount(PathBuf);

/// Mounts a tmpfs of a size, or none where that is not allowed.
pub fn tmpfs(at: &Path, size: &str) -> Option<Mount> {
    let options = format!("size={size},mode=755");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", &options, "evenkeel-test"])
        .arg(at)
        .output();
    mounted
        .is_ok_and(|output| output.status.success())
        .then(|| Mount(at.to_owned()))
}

impl Mount {
    /// Makes it read-only.
    pub fn read_only(&self) {
        let done = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(&self.0)
            .status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
