//! The contents that a run can put: those that it loaded, and then those in the stores of the baseline's commit.
//!
//! **Invariant:** a file of a store is read only when its digest is asked for, and counts only when that is what it holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Contents, Digest};
use crate::ports::{ContentSource, SideFiles};

/// The largest content of a store, in bytes.
pub const MAX_STORED: usize = 256 << 20;

/// Contents at hand, with the stores behind them.
pub struct Stored<'a> {
    pub contents: &'a Contents,
    /// Directories of the baseline, with files that are named by the BLAKE3 digest of what they hold.
    pub stores: &'a BTreeSet<String>,
    pub files: &'a dyn SideFiles,
}

impl ContentSource for Stored<'_> {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        let from_store = |store: &String| {
            let path = format!("{store}/{digest}");
            let bytes = self.files.read_large(&path, MAX_STORED).ok()?;
            (Digest::of(&bytes) == *digest).then_some(bytes)
        };
        let nothing = || (*digest == Digest::of(b"")).then(|| Arc::from(&b""[..]));
        self.contents
            .get(digest)
            .or_else(|| self.stores.iter().find_map(from_store))
            .or_else(nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(Vec<(String, &'static [u8])>);

    impl SideFiles for Files {
        fn read(&self, path: &str) -> Result<Arc<[u8]>, String> {
            let found = self.0.iter().find(|(name, _)| name == path);
            let bytes = found.map(|(_, bytes)| Arc::from(*bytes));
            bytes.ok_or_else(|| "there is none".to_owned())
        }
    }

    // Goal: whoever can write a store cannot have other bytes put than those that the manifest names: a file that holds
    // something else than its name says is passed over, and a good one in another store is found.
    #[test]
    fn other_bytes_than_the_name_says_are_refused() {
        let digest = Digest::of(b"good");
        let stores = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let contents = Contents::default();
        let bad = Files(vec![(format!("a/{digest}"), b"evil")]);
        let mut stored = Stored {
            contents: &contents,
            stores: &stores,
            files: &bad,
        };
        assert_eq!(stored.content(&digest), None);
        let both = Files(vec![
            (format!("a/{digest}"), b"evil"),
            (format!("b/{digest}"), b"good"),
        ]);
        stored.files = &both;
        assert_eq!(stored.content(&digest).as_deref(), Some(&b"good"[..]));
        assert_eq!(stored.content(&Digest::of(b"")).as_deref(), Some(&b""[..]));
    }
}
