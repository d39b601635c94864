//! What is remembered of many, in bounded memory.
//!
//! When there is no room, the one that was met on the fewest days goes first, and of those the one that was met the longest ago. So
//! newcomers, however many, take only each other's place: a flood of one day cannot push out what was met on two.
//!
//! **Invariant:** memory is bounded by the bytes given. What goes is counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What something is remembered by: a keyed hash of its name, so that names take no memory and nobody chooses a collision
/// without the seed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(u128);

/// Makes keys.
#[derive(Clone, Debug)]
pub struct Keys([u8; 32]);

impl Keys {
    pub fn new(seed: u64) -> Self {
        Self(blake3::derive_key(
            "evenkeel 2026-11-24 heuristics keys 1",
            &seed.to_le_bytes(),
        ))
    }

    /// The key of a name of several parts.
    pub fn of(&self, parts: &[&str]) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Key(u128::from_le_bytes(bytes))
    }
}

impl Key {
    /// A part of it, for counting different ones.
    pub fn short(self) -> u64 {
        // The low half is as good as random.
        (self.0 & u128::from(u64::MAX)) as u64
    }
}

impl Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_key = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(&text, 16).ok().filter(|_| is_key);
        number
            .map(Key)
            .ok_or_else(|| serde::de::Error::custom("a key is not 32 digits"))
    }
}

/// Hours since 1970.
pub type Hour = i64;
pub const DAY: Hour = 24;

/// On so many days something was met, and no more are counted.
const MAX_DAYS: u8 = 8;
/// About what a slot takes beside its value, with its place in the order.
const SLOT: usize = 160;

/// How much a value takes, in bytes.
pub trait Weigh {
    fn weight(&self) -> usize;
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Slot<V> {
    /// On how many days it was met, each at least 24 hours after the one before: the records of one night make one, or two of
    /// what was met before.
    days: u8,
    /// When the last of these days began.
    counted: Hour,
    last: Hour,
    value: V,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Store<V> {
    slots: BTreeMap<Key, Slot<V>>,
    /// Who goes first.
    order: BTreeSet<(u8, Hour, Key)>,
    used: usize,
    most: usize,
    given_up: u64,
}

/// What is remembered of something that is met.
pub struct Met<'a, V> {
    /// On how many days it was met before.
    pub days_before: u8,
    pub value: &'a mut V,
}

impl<V: Weigh> Store<V> {
    /// Room for so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            slots: BTreeMap::new(),
            order: BTreeSet::new(),
            used: 0,
            most,
            given_up: 0,
        }
    }

    pub fn contains(&self, key: Key) -> bool {
        self.slots.contains_key(&key)
    }

    /// Meets something at a time and does something with what is remembered of it. What had to go for it is handed to `gone`.
    pub fn meet<R>(
        &mut self,
        key: Key,
        now: Hour,
        fresh: impl FnOnce() -> V,
        then: impl FnOnce(Met<'_, V>) -> R,
        mut gone: impl FnMut(&V),
    ) -> R {
        let is_new = !self.slots.contains_key(&key);
        let slot = self.slots.entry(key).or_insert_with(|| Slot {
            days: 0,
            counted: now,
            last: now,
            value: fresh(),
        });
        let before = match is_new {
            true => 0,
            false => SLOT + slot.value.weight(),
        };
        let days_before = slot.days;
        let place = (slot.days, slot.last, key);
        if is_new {
            slot.days = 1;
        } else if now < slot.counted {
            // A time in the future was somebody's mistake or trick: it was no day.
            slot.counted = now;
        } else if now.saturating_sub(slot.counted) >= DAY {
            slot.days = (slot.days + 1).min(MAX_DAYS);
            slot.counted = now;
        }
        slot.last = now;
        let new_place = (slot.days, slot.last, key);
        let result = then(Met {
            days_before,
            value: &mut slot.value,
        });
        self.used = self.used + SLOT + slot.value.weight() - before;
        if place != new_place || is_new {
            self.order.remove(&place);
            self.order.insert(new_place);
        }
        while self.used > self.most {
            let Some(victim) = self.order.pop_first() else {
                break;
            };
            if let Some(slot) = self.slots.remove(&victim.2) {
                self.used = self.used.saturating_sub(SLOT + slot.value.weight());
                self.given_up += 1;
                gone(&slot.value);
            }
        }
        result
    }

    /// Changes a value without meeting it. Its weight must stay what it was.
    pub fn change(&mut self, key: Key, change: impl FnOnce(&mut V)) {
        if let Some(slot) = self.slots.get_mut(&key) {
            change(&mut slot.value);
        }
    }

    /// How many had to go.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// About how many bytes it takes.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Takes over what was saved, as far as there is room.
    pub fn restore(&mut self, saved: Saved<V>) {
        for (key, slot) in saved.0 {
            let slot = Slot {
                days: slot.days.min(MAX_DAYS),
                ..slot
            };
            self.used += SLOT + slot.value.weight();
            let place = (slot.days, slot.last, key);
            if let Some(old) = self.slots.insert(key, slot) {
                // A key that stands there twice: the last one counts.
                self.used -= SLOT + old.value.weight();
                self.order.remove(&(old.days, old.last, key));
            }
            self.order.insert(place);
            while self.used > self.most {
                let Some(victim) = self.order.pop_first() else {
                    break;
                };
                if let Some(slot) = self.slots.remove(&victim.2) {
                    self.used -= SLOT + slot.value.weight();
                    self.given_up += 1;
                }
            }
        }
    }
}

/// The slots of a store as they are saved.
#[derive(Debug, Deserialize)]
#[serde(bound = "V: Deserialize<'de>")]
pub struct Saved<V>(Vec<(Key, Slot<V>)>);

impl<V> Saved<V> {
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, slot)| &slot.value)
    }
}

impl<V: Serialize> Serialize for Store<V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.slots.iter())
    }
}

#[cfg(test)]
#[path = "store/tests.rs"]
mod tests;
