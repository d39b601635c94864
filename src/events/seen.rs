//! Which records were delivered before.
//!
//! **Invariant:** only what is the same to the byte and names itself by an id is a duplicate: a second record that borrows an id
//! is kept, and so is a line without an id that happens twice. Memory is bounded; what is far in the past is forgotten.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::model::Record;

/// What a record is recognised by: two keyed hashes of its bytes, with keys of this process, so that nobody can write a
/// record that passes for another.
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
pub struct Hashers([RandomState; 2]);

impl Hashers {
    /// The key of a record's bytes.
    pub fn key(&self, bytes: &[u8]) -> Key {
        [self.0[0].hash_one(bytes), self.0[1].hash_one(bytes)]
    }

    /// The key of a record that was made of several lines.
    pub fn key_of(&self, record: &Record) -> Key {
        let whole = (&record.id, record.time, &record.body);
        [self.0[0].hash_one(whole), self.0[1].hash_one(whole)]
    }
}

impl Seen {
    /// Remembers at least the last `most / 2` records, at 16 to 40 bytes each.
    pub fn new(most: usize) -> Self {
        Self {
            hashers: Hashers([RandomState::new(), RandomState::new()]),
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
        let hashers = seen.hashers();
        for n in 0..100_u64 {
            assert!(seen.insert(hashers.key(&n.to_le_bytes())), "{n} is new");
            assert!(!seen.insert(hashers.key(&n.to_le_bytes())), "{n} is not");
            let before = n.saturating_sub(8);
            assert!(!seen.insert(hashers.key(&before.to_le_bytes())));
            assert!(seen.new.len() + seen.old.len() <= 20);
        }
    }
}
