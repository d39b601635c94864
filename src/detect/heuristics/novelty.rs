//! How surprising it is that somebody meets something for the first time.
//!
//! Of each owner (an actor, a program, a host) is known in how many hours it was active and in how many of them it met something
//! new. The surprise of something new is what this makes of it, by the rule of succession: one more hour with something new
//! among two more hours at all, in bits. Who meets something new all the time surprises nobody, and neither does a newcomer.
//!
//! What was met on two days is known and no surprise. One day's records make one of these days, whatever their number, and
//! at most 24 hours of an owner.

use serde::{Deserialize, Serialize};

use super::store::{Hour, Key, Saved, Store, Weigh};

/// So many active hours are held of an owner; then both counts are halved, so that old habits fade.
const MAX_ACTIVE: u32 = 8 * 7 * 24;
/// What was met on so many days is known.
const KNOWN: u8 = 2;
/// One owner may hold one in so many bytes of what there is for all.
const SHARE: usize = 16;
/// About what one thing takes.
const THING: usize = 200;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    active: u32,
    novel: u32,
    last: Hour,
    last_novel: Hour,
    held: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thing {
    owner: Key,
}

impl Weigh for Owner {
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

impl Weigh for Thing {
    fn weight(&self) -> usize {
        size_of::<Self>()
    }
}

/// Something that is not known of its owner.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct New {
    pub bits: f64,
    /// The hours before in which the owner was active, and those of them with something new.
    pub active: u32,
    pub novel: u32,
    /// Whether it was met on a day before.
    pub again: bool,
}

/// Owners and what they met.
#[derive(Clone, Debug, Serialize)]
pub struct Novelty {
    owners: Store<Owner>,
    things: Store<Thing>,
    #[serde(skip)]
    most_held: u32,
    #[serde(skip)]
    refused: u64,
}

/// As [`Novelty`] is saved.
#[derive(Debug, Deserialize)]
pub struct SavedNovelty {
    owners: Saved<Owner>,
    things: Saved<Thing>,
}

impl Novelty {
    pub fn new(most: usize) -> Self {
        Self {
            owners: Store::new(most / 4),
            things: Store::new(most / 4 * 3),
            most_held: u32::try_from(most / SHARE / THING)
                .unwrap_or(u32::MAX)
                .max(8),
            refused: 0,
        }
    }

    /// The owner meets something. None: it is known.
    pub fn meet(&mut self, owner: Key, thing: Key, now: Hour) -> Option<New> {
        let is_new = !self.things.contains(thing);
        let (told, has_room) = self.owners.meet(
            owner,
            now,
            || Owner {
                active: 0,
                novel: 0,
                last: Hour::MIN,
                last_novel: Hour::MIN,
                held: 0,
            },
            |met| met.value.hour(now, is_new, self.most_held),
            |_| {},
        );
        if is_new && !has_room {
            self.refused += 1;
            return Some(told);
        }
        let mut gone = Vec::new();
        let days = self.things.meet(
            thing,
            now,
            || Thing { owner },
            |met| met.days_before,
            |thing| gone.push(thing.owner),
        );
        for owner in gone {
            self.owners
                .change(owner, |owner| owner.held = owner.held.saturating_sub(1));
        }
        (days < KNOWN).then_some(New {
            again: days > 0,
            ..told
        })
    }

    /// How much was forgotten for want of room.
    pub fn given_up(&self) -> u64 {
        self.owners.given_up() + self.things.given_up() + self.refused
    }

    pub fn used(&self) -> usize {
        self.owners.used() + self.things.used()
    }

    pub fn restore(&mut self, saved: SavedNovelty) {
        self.owners.restore(saved.owners);
        self.things.restore(saved.things);
    }
}

impl Owner {
    /// Counts the hour. What is new now, and whether there is room for it.
    fn hour(&mut self, now: Hour, is_new: bool, most: u32) -> (New, bool) {
        let told = New {
            bits: (f64::from(self.active + 2) / f64::from(self.novel + 1)).log2(),
            active: self.active,
            novel: self.novel,
            again: false,
        };
        if self.last != now {
            self.last = now;
            self.active += 1;
        }
        if is_new && self.last_novel != now {
            self.last_novel = now;
            self.novel += 1;
        }
        if self.active > MAX_ACTIVE {
            self.active /= 2;
            self.novel /= 2;
        }
        let has_room = self.held < most;
        if is_new && has_room {
            self.held += 1;
        }
        (told, has_room)
    }
}

impl SavedNovelty {
    /// Whether no count is one that cannot be.
    pub fn is_sound(&self) -> bool {
        self.owners
            .values()
            .all(|owner| owner.active <= MAX_ACTIVE && owner.novel <= owner.active)
    }
}

#[cfg(test)]
#[path = "novelty/tests.rs"]
mod tests;
