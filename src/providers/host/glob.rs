//! Globs of what a listing leaves alone.
//!
//! **Invariant:** `*` and `?` never cross a `/`; `dir/**` leaves the directory itself alone too.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A set of globs, made once.
#[derive(Debug, Default)]
pub struct Globs(GlobSet);

/// The longest glob.
const MAX_BYTES: usize = 1024;

impl Globs {
    /// Reads globs.
    ///
    /// # Errors
    /// The place of the first one that is none, and what is wrong with it.
    pub fn new(texts: &[String]) -> Result<Self, (usize, String)> {
        let mut builder = GlobSetBuilder::new();
        for (at, text) in texts.iter().enumerate() {
            if text.len() > MAX_BYTES {
                return Err((at, "the glob is too long".into()));
            }
            let mut add = |text: &str| {
                let glob = GlobBuilder::new(text).literal_separator(true).build();
                glob.map(|glob| {
                    builder.add(glob);
                })
                .map_err(|error| (at, error.kind().to_string()))
            };
            add(text)?;
            if let Some(dir) = text.strip_suffix("/**").filter(|dir| !dir.is_empty()) {
                add(dir)?;
            }
        }
        let set = builder
            .build()
            .map_err(|error| (0, error.kind().to_string()))?;
        Ok(Self(set))
    }

    /// Whether one of the globs matches these raw bytes of a path.
    pub fn matches(&self, path: &[u8]) -> bool {
        !self.0.is_empty() && self.0.is_match(Path::new(OsStr::from_bytes(path)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a glob means what its writer sees: stars stop at slashes, double stars do not, and names need not be UTF-8.
    #[test]
    fn stars_stop_at_slashes() {
        let globs = Globs::new(&["*.swp".into(), "cache/**".into(), "**/*.pyc".into()]).unwrap();
        for (path, expected) in [
            (&b"a.swp"[..], true),
            (b"d/a.swp", false),
            (b"cache", true),
            (b"cache/a/b", true),
            (b"cached", false),
            (b"a/b/c.pyc", true),
            (b"\xff.swp", true),
        ] {
            assert_eq!(globs.matches(path), expected, "{path:?}");
        }
        assert!(Globs::new(&["ok".into(), "[".into()]).is_err());
    }
}
