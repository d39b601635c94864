//! Cleans up after a change that was interrupted, by the same names and rules as on a disk.
//!
//! **Invariant:** only names with the nonce are touched; what nobody has seen before is put back, not deleted.

use super::World;
use super::site::Site;
use crate::providers::host::fs::{FsError, HostPath, Judge, Leftover, Look};

/// Removes leftovers beside a path.
pub(super) fn tidy(
    world: &World,
    path: &HostPath,
    nonce: &str,
    judge: Judge<'_>,
) -> Result<(), FsError> {
    let Some(site) = Site::open_if_there(world, path, nonce)? else {
        return Ok(());
    };
    site.discard(&site.fresh)?;
    site.discard(&site.old)?;
    let aside = site.aside();
    let left = site.look(&site.temporary, &aside);
    if matches!(left, Look::Absent) {
        return Ok(());
    }
    if judge(&aside, &left) == Leftover::Foreign {
        put_back(&site, judge)?;
    }
    site.discard(&site.temporary)
}

/// Brings a displaced node back to its place. What we had made there meanwhile ends under the temporary name.
fn put_back(site: &Site<'_>, judge: Judge<'_>) -> Result<(), FsError> {
    let now = site.look(&site.name, &site.path);
    match &now {
        Look::Absent => site.effect("put back", true, |tree| {
            tree.rename(site.directory, &site.temporary, &site.name);
            Ok(())
        }),
        Look::Present(node, _) if judge(&site.path, &now) == Leftover::Made => {
            site.clear_flags(node)?;
            site.effect("put back", true, |tree| {
                tree.exchange(site.directory, &site.temporary, &site.name);
                Ok(())
            })
        }
        _ => Err(FsError::Failed(format!(
            "beside {} lies {}, which an interrupted run displaced and which nobody has seen before; look at it and remove it",
            site.path.address(),
            String::from_utf8_lossy(&site.temporary)
        ))),
    }
}
