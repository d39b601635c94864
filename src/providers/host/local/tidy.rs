//! Cleans up after a change that was interrupted.
//!
//! Three names beside the path tell how far it came: `.new` is being written, the bare one is complete or has just been
//! displaced, `.old` was judged and is being deleted.
//!
//! **Invariant:** only names with the nonce are touched; what nobody has seen before is put back, not deleted.

use std::os::fd::AsFd;

use rustix::fs::{RenameFlags, fsync};
use rustix::io::Errno;

use super::put::Site;
use super::remove::remove_any;
use super::{LocalFs, errors};
use crate::providers::host::fs::{FsError, HostPath, Judge, Leftover, Look};

/// Removes leftovers, see [`super::Fs::tidy`].
///
/// # Errors
/// A leftover that could neither go nor be put back.
pub fn tidy(
    local: &LocalFs,
    path: &HostPath,
    nonce: &str,
    judge: Judge<'_>,
) -> Result<(), FsError> {
    let Some(site) = Site::open_if_there(local, path, nonce)? else {
        return Ok(());
    };
    let failed = |errno: Errno| errors::failed(errno, "clean up beside", path);
    for name in [&site.fresh, &site.old] {
        remove_any(site.parent.as_fd(), name).map_err(failed)?;
    }
    let aside = site.aside();
    let left = site.look(&site.temporary);
    if matches!(left, Look::Absent) {
        return Ok(());
    }
    if judge(&aside, &left) == Leftover::Foreign {
        put_back(&site, judge)?;
    }
    remove_any(site.parent.as_fd(), &site.temporary).map_err(failed)?;
    fsync(&site.parent).map_err(failed)
}

/// Brings a displaced node back to its place. What we had made there meanwhile ends under the temporary name.
fn put_back(site: &Site<'_>, judge: Judge<'_>) -> Result<(), FsError> {
    let now = site.look(&site.name);
    let flags = match &now {
        Look::Absent => RenameFlags::NOREPLACE,
        Look::Present(node, _) if judge(&site.shown, &now) == Leftover::Made => {
            site.clear_flags(node)?;
            RenameFlags::EXCHANGE
        }
        _ => {
            return Err(FsError::Failed(format!(
                "beside {} lies {}, which an interrupted run displaced and which nobody has seen before; look at it and remove it",
                site.shown.address(),
                String::from_utf8_lossy(&site.temporary)
            )));
        }
    };
    site.rename(&site.temporary, &site.name, flags)
        .map_err(|errno| errors::failed(errno, "put back what stood at", &site.shown))
}
