//! The records that may concern a drift, kept from a stream.
//!
//! **Invariant:** memory is bounded by the number of drifts, not by that of records. What was let go is counted, and where
//! something was, nothing becomes milder for what is left.

use std::collections::{HashMap, VecDeque};

use super::coverage::Coverage;
use super::named::{self, Did};
use super::places::{self, Key, Strength};
use crate::detect::logins::Logins;
use crate::model::{Drift, Format, Record};

/// Records that are kept of one drift besides the first.
const LATEST: usize = 64;

/// Which records may concern one of some drifts.
pub struct Wanted {
    by_key: HashMap<Key, Vec<(usize, Strength)>>,
    targets: Vec<String>,
}

impl Wanted {
    /// Looks for what these drifts would show as.
    pub fn of(drifts: &[Drift]) -> Self {
        let mut by_key: HashMap<Key, Vec<_>> = HashMap::new();
        for (index, drift) in drifts.iter().enumerate() {
            for (key, strength) in places::of(drift) {
                by_key.entry(key).or_default().push((index, strength));
            }
        }
        Self {
            by_key,
            targets: drifts
                .iter()
                .map(|drift| drift.resource.target.0.clone())
                .collect(),
        }
    }

    /// Whether a record may concern a drift.
    pub fn concerns(&self, record: &Record) -> bool {
        !self.drifts(record).is_empty()
    }

    /// The drifts that it may concern, each once, with the surest key.
    fn drifts(&self, record: &Record) -> Vec<(usize, Strength, Did)> {
        let mut found: Vec<(usize, Strength, Did)> = Vec::new();
        for named in named::of(record) {
            let all = self.by_key.get(&named.key).into_iter().flatten();
            found.extend(
                all.filter(|(drift, _)| self.may_be_of(*drift, record))
                    .map(|(drift, strength)| (*drift, *strength, named.did)),
            );
        }
        found.sort_unstable_by(|a, b| (a.0, b.1, b.2).cmp(&(b.0, a.1, a.2)));
        found.dedup_by_key(|(drift, ..)| *drift);
        found
    }

    /// A record of a host is about the target of that name.
    fn may_be_of(&self, drift: usize, record: &Record) -> bool {
        let is_host = matches!(
            record.format,
            Format::Auditd | Format::Syslog | Format::Journald
        );
        match (&record.host, self.targets.get(drift)) {
            (Some(host), Some(target)) if is_host => {
                **host == **target || host.split('.').next() == Some(target)
            }
            _ => true,
        }
    }
}

/// A record that may concern a drift.
pub(super) struct Candidate {
    pub(super) record: Record,
    pub(super) strength: Strength,
    pub(super) did: Did,
}

#[derive(Default)]
pub(super) struct OfDrift {
    pub(super) first: Option<Candidate>,
    pub(super) latest: VecDeque<Candidate>,
    pub(super) let_go: u64,
}

impl OfDrift {
    pub(super) fn all(&self) -> impl Iterator<Item = &Candidate> {
        self.first.iter().chain(&self.latest)
    }
}

/// What is kept of the records that were read.
pub struct Kept {
    wanted: Wanted,
    pub(super) of_drift: HashMap<usize, OfDrift>,
    pub(super) logins: Logins,
    pub(super) coverage: Coverage,
}

impl Kept {
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            of_drift: HashMap::new(),
            logins: Logins::default(),
            coverage: Coverage::default(),
        }
    }

    /// Takes a record from any source. The records of one source come in its order.
    pub fn take(&mut self, record: &Record) {
        self.coverage.take(record);
        self.logins.take(record);
        for (drift, strength, did) in self.wanted.drifts(record) {
            let kept = self.of_drift.entry(drift).or_default();
            let candidate = Candidate {
                record: record.clone(),
                strength,
                did,
            };
            if kept.first.is_none() {
                kept.first = Some(candidate);
                continue;
            }
            kept.latest.push_back(candidate);
            if kept.latest.len() > LATEST {
                kept.latest.pop_front();
                kept.let_go += 1;
            }
        }
    }
}
