//! How much is usual for somebody at an hour of the week.
//!
//! What is counted in an hour is held as the logarithm of one more than it, so that a flood is a few steps and not a mountain. Of
//! each hour of the week a mean and a variance are kept, over about the last eight weeks, where an hour without anything counts
//! as nothing; beside them those of all hours in which something was. The score is how many deviations a count is above
//! what is expected; the deviation has its own variance, that of everybody, and that which chance alone would make.
//!
//! **Invariant:** an hour teaches when it is over, and at most twice of what was the most on the day before. So a flood of one
//! night can at best double what is usual.

use serde::{Deserialize, Serialize};

use super::store::{DAY, Hour, Key, Saved, Store, Weigh};

const WEEK: Hour = 7 * DAY;
/// Means are over about so many weeks.
const MEMORY: u16 = 8;
/// Different things are counted exactly up to so many, and beyond that estimated.
const SKETCH: usize = 64;

/// A running mean and variance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: u16,
    mean: f32,
    var: f32,
}

impl Moments {
    fn take(&mut self, x: f32, memory: u16) {
        self.n = (self.n + 1).min(memory);
        let share = 1.0 / f32::from(self.n);
        let off = x - self.mean;
        self.mean += share * off;
        self.var = (1.0 - share) * (self.var + share * off * off);
    }

    fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.var.is_finite() && self.mean >= 0.0 && self.var >= 0.0
    }
}

/// An hour of the week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
struct Cell {
    at: u8,
    week: i64,
    moments: Moments,
}

/// As an hour of the week is saved.
type Row = (u8, i64, u16, f32, f32);

impl From<Row> for Cell {
    fn from((at, week, n, mean, var): Row) -> Self {
        let moments = Moments { n, mean, var };
        Self { at, week, moments }
    }
}

impl From<Cell> for Row {
    fn from(cell: Cell) -> Self {
        let Moments { n, mean, var } = cell.moments;
        (cell.at, cell.week, n, mean, var)
    }
}

/// What is counted in the hour that is not over yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Open {
    hour: Hour,
    count: u32,
    /// The smallest hashes of different things.
    sketch: Vec<u64>,
}

/// One entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    since: Hour,
    open: Open,
    cells: Vec<Cell>,
    active: Moments,
    ceiling: Ceiling,
}

/// The most that an hour may teach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Ceiling {
    /// None: nothing is known yet.
    most: Option<f32>,
    highest: f32,
    since: Hour,
}

impl Ceiling {
    fn new(most: Option<f32>, now: Hour) -> Self {
        Self {
            most,
            highest: 0.0,
            since: now,
        }
    }

    /// What of it teaches.
    fn clip(&mut self, x: f32, now: Hour) -> f32 {
        let x = self.most.map_or(x, |most| x.min(most));
        self.highest = self.highest.max(x);
        if now.saturating_sub(self.since) >= DAY || now < self.since {
            self.most = Some(self.highest + std::f32::consts::LN_2);
            self.since = now;
        }
        x
    }
}

impl Weigh for Profile {
    fn weight(&self) -> usize {
        size_of::<Self>()
            + self.cells.capacity() * size_of::<Cell>()
            + self.open.sketch.capacity() * size_of::<u64>()
    }
}

/// A count above what is usual.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Above {
    /// In deviations.
    pub score: f64,
    pub count: f64,
    pub usual: f64,
    /// How many weeks of this hour are known.
    pub weeks: u16,
}

/// What an event adds to its hour.
#[derive(Clone, Copy, Debug)]
pub enum Adds {
    One,
    /// A thing that counts once.
    Thing(u64),
}

/// Profiles of one feature, and what is usual for everybody.
#[derive(Clone, Debug, Serialize)]
pub struct Profiles {
    profiles: Store<Profile>,
    everybody: Moments,
    ceiling: Ceiling,
}

/// As [`Profiles`] is saved.
#[derive(Debug, Deserialize)]
pub struct SavedProfiles {
    profiles: Saved<Profile>,
    everybody: Moments,
    ceiling: Ceiling,
}

/// The memory of everybody's mean, in hours of anybody.
const EVERYBODY: u16 = 10_000;

impl Profiles {
    pub fn new(most: usize) -> Self {
        Self {
            profiles: Store::new(most),
            everybody: Moments::default(),
            ceiling: Ceiling::new(None, Hour::MIN),
        }
    }

    /// Adds to the hour of an entity. None: it is not above what is usual, or nothing is known yet.
    pub fn add(&mut self, key: Key, now: Hour, adds: Adds) -> Option<Above> {
        let Self {
            profiles,
            everybody,
            ceiling,
        } = self;
        let fresh = || Profile {
            since: now,
            open: Open {
                hour: now,
                ..Open::default()
            },
            cells: Vec::new(),
            active: Moments::default(),
            ceiling: Ceiling::new(ceiling.most, now),
        };
        let mut closed = None;
        let above = profiles.meet(
            key,
            now,
            fresh,
            |met| {
                let profile = met.value;
                if profile.open.hour != now {
                    closed = Some(profile.close(now));
                }
                if !profile.open.add(adds) {
                    return None;
                }
                profile.judge(everybody)
            },
            |_| {},
        );
        if let Some(x) = closed {
            // The first hour of all begins the first day.
            if ceiling.since == Hour::MIN {
                ceiling.since = now;
            }
            everybody.take(ceiling.clip(x, now), EVERYBODY);
        }
        above
    }

    pub fn given_up(&self) -> u64 {
        self.profiles.given_up()
    }

    pub fn used(&self) -> usize {
        self.profiles.used()
    }

    pub fn restore(&mut self, saved: SavedProfiles) {
        self.profiles.restore(saved.profiles);
        self.everybody = saved.everybody;
        self.ceiling = saved.ceiling;
    }
}

impl Open {
    /// Whether the count is another one now.
    fn add(&mut self, adds: Adds) -> bool {
        match adds {
            Adds::One => {
                self.count = self.count.saturating_add(1);
                true
            }
            Adds::Thing(hash) => {
                let Err(place) = self.sketch.binary_search(&hash) else {
                    return false;
                };
                if place >= SKETCH {
                    return false;
                }
                self.sketch.insert(place, hash);
                self.sketch.truncate(SKETCH);
                true
            }
        }
    }

    fn counted(&self) -> f64 {
        match self.sketch.last() {
            None => f64::from(self.count),
            Some(_) if self.sketch.len() < SKETCH => self.sketch.len() as f64,
            Some(last) => (SKETCH - 1) as f64 * (u64::MAX as f64 / (*last).max(1) as f64),
        }
    }

    fn log(&self) -> f32 {
        (1.0 + self.counted()).ln() as f32
    }
}

impl Profile {
    /// The hour is over: what it teaches. A new one begins.
    fn close(&mut self, now: Hour) -> f32 {
        let hour = self.open.hour;
        let x = self.ceiling.clip(self.open.log(), hour);
        let (at, week) = of_week(hour);
        let place = self.cells.binary_search_by_key(&at, |cell| cell.at);
        let cell = match place {
            Ok(place) => &mut self.cells[place],
            Err(place) => {
                let cell = Cell {
                    at,
                    week: week.saturating_sub(1).saturating_sub(self.passed(hour)),
                    moments: Moments::default(),
                };
                self.cells.insert(place, cell);
                &mut self.cells[place]
            }
        };
        // Whichever way time went, an hour teaches once a week.
        let passed = week.abs_diff(cell.week);
        if passed > 0 {
            for _ in 1..passed.min(u64::from(MEMORY) + 1) {
                cell.moments.take(0.0, MEMORY);
            }
            cell.moments.take(x, MEMORY);
            cell.week = week;
            self.active.take(x, MEMORY * 24);
        }
        self.open = Open {
            hour: now,
            ..Open::default()
        };
        x
    }

    /// How many hours of this kind passed without anything before it was first active in one of them.
    fn passed(&self, hour: Hour) -> i64 {
        (hour.saturating_sub(self.since) / WEEK).max(0)
    }

    /// What is known of this hour of the week.
    fn known(&self, hour: Hour) -> Moments {
        let (at, week) = of_week(hour);
        let Ok(place) = self.cells.binary_search_by_key(&at, |cell| cell.at) else {
            let n = self.passed(hour).min(i64::from(MEMORY)) as u16;
            return Moments {
                n,
                ..Moments::default()
            };
        };
        let cell = &self.cells[place];
        let mut moments = cell.moments;
        for _ in 1..week.abs_diff(cell.week).min(u64::from(MEMORY) + 1) {
            moments.take(0.0, MEMORY);
        }
        moments
    }

    /// What is known of this hour on the other days of the week, as one week's.
    fn on_other_days(&self, hour: Hour) -> Moments {
        let same = |cell: &&Cell| Hour::from(cell.at) % DAY == hour.rem_euclid(DAY);
        let mut moments = Moments::default();
        for cell in self.cells.iter().filter(same) {
            moments.take(cell.moments.mean, MEMORY);
        }
        Moments {
            n: moments.n.min(1),
            ..moments
        }
    }

    fn judge(&self, everybody: &Moments) -> Option<Above> {
        let known = self.known(self.open.hour);
        let own = match known.n {
            0 => self.on_other_days(self.open.hour),
            _ => known,
        };
        let all = match self.active.n {
            0 => everybody,
            _ => &self.active,
        };
        if all.n == 0 {
            return None;
        }
        // What is known of the hour counts the more, the more weeks of it are known.
        let n = f64::from(own.n);
        let mean = (n * n * f64::from(own.mean) + f64::from(all.mean)) / (n * n + 1.0);
        let vars = n * f64::from(own.var) + f64::from(all.var) + f64::from(everybody.var);
        let var = vars / (n + 2.0) + (-mean).exp();
        let count = self.open.counted();
        let score = (count.ln_1p() - mean) / var.sqrt();
        (score > 0.0).then_some(Above {
            score,
            count,
            usual: mean.exp_m1(),
            weeks: known.n,
        })
    }

    fn is_sound(&self) -> bool {
        let hours = self.cells.windows(2).all(|pair| pair[0].at < pair[1].at);
        hours
            && self.cells.iter().all(|cell| {
                Hour::from(cell.at) < WEEK && cell.moments.n <= MEMORY && cell.moments.is_sound()
            })
            && self.open.sketch.len() <= SKETCH
            && self.open.sketch.windows(2).all(|pair| pair[0] < pair[1])
            && self.active.is_sound()
            && self.active.n <= MEMORY * 24
            && self.ceiling.is_sound()
    }
}

impl Ceiling {
    fn is_sound(&self) -> bool {
        self.highest.is_finite() && self.most.is_none_or(f32::is_finite)
    }
}

impl SavedProfiles {
    pub fn is_sound(&self) -> bool {
        self.profiles.values().all(Profile::is_sound)
            && self.everybody.is_sound()
            && self.everybody.n <= EVERYBODY
            && self.ceiling.is_sound()
    }
}

/// The hour of the week, and the week.
fn of_week(hour: Hour) -> (u8, i64) {
    (hour.rem_euclid(WEEK) as u8, hour.div_euclid(WEEK))
}

#[cfg(test)]
#[path = "profile/tests.rs"]
mod tests;
