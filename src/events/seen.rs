//! Which records were delivered before.
//!
//! **Invariant:** only what is the same to the byte and names itself by an id is a duplicate: a second record that borrows an id
//! is kept, and so is a line without an id that happens twice. Memory is bounded; what is far in the past is forgotten.

use std::collections::HashSet;
use std::hash::{self, BuildHasher};

use crate::model::Record;

/// What a record is recognised by: hashes of its id and of its bytes, with keys of this process that nobody is told, so that
/// nobody can write a record that passes for another.
pub type Key = [u64; 2];

/// The records of a run, newest first in two generations.
pub struct Seen {
    hashers: Hashers,
    new: HashSet<Key>,
    old: HashSet<Key>,
    /// How many a generation holds.
    half: usize,
}

/// Makes keys; can be shared by threads.
#[derive(Clone)]
pub struct Hashers {
    of_ids: hash::RandomState,
    /// A record has a thousand times the bytes of its id, so this one is made for speed.
    of_wholes: ahash::RandomState,
}

impl Hashers {
    fn new() -> Self {
        let of_ids = hash::RandomState::new();
        let [a, b, c, d] = [0, 1, 2, 3].map(|number: u64| of_ids.hash_one(number));
        Self {
            of_ids: hash::RandomState::new(),
            of_wholes: ahash::RandomState::with_seeds(a, b, c, d),
        }
    }

    /// The key of a record that is these bytes; none of one that has no id.
    pub fn key(&self, record: &Record, bytes: &[u8]) -> Option<Key> {
        let id = record.id.as_ref()?;
        Some([self.of_ids.hash_one(id), self.of_wholes.hash_one(bytes)])
    }

    /// The key of a record that was made of several lines.
    pub fn key_of(&self, record: &Record) -> Option<Key> {
        let id = record.id.as_ref()?;
        let whole = (record.time, &record.body);
        Some([self.of_ids.hash_one(id), self.of_wholes.hash_one(whole)])
    }
}

impl Seen {
    /// Remembers at least the last `most / 2` records, at 16 to 40 bytes each.
    pub fn new(most: usize) -> Self {
        Self {
            hashers: Hashers::new(),
            new: HashSet::new(),
            old: HashSet::new(),
            half: (most / 2).max(1),
        }
    }

    pub fn hashers(&self) -> Hashers {
        self.hashers.clone()
    }

    /// Whether it is new; from now on it is not.
    pub fn insert(&mut self, key: Key) -> bool {
        if self.old.contains(&key) || !self.new.insert(key) {
            return false;
        }
        if self.new.len() >= self.half {
            self.old = std::mem::take(&mut self.new);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a duplicate that is counted twice, or memory that grows with the input.
    #[test]
    fn it_remembers_the_last_ones_and_no_more() {
        let mut seen = Seen::new(20);
        for n in 0..100_u64 {
            assert!(seen.insert([n, 0]), "{n} is new");
            assert!(!seen.insert([n, 0]), "{n} is not");
            assert!(!seen.insert([n.saturating_sub(8), 0]));
            assert!(seen.new.len() + seen.old.len() <= 20);
        }
    }
}
