//! The settings of heuristics, as `detect.heuristics` of `evenkeel.yaml` says them.

use std::collections::BTreeMap;

use super::Level;

/// A heuristic: something that may be strange about what is done.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Heuristic {
    /// An actor is new, or does what it never did, from where or where it never was.
    FirstSeen,
    /// More in an hour than is usual at that hour of the week.
    Rate,
    /// More different things in an hour than is usual at that hour of the week.
    Distinct,
    /// A success after failures.
    FailedThenSuccess,
    /// One actor at two places between which nobody travels so fast.
    ImpossibleTravel,
    /// A program that starts one that it never started.
    RareChild,
}

impl Heuristic {
    pub const ALL: [Self; 6] = [
        Self::FirstSeen,
        Self::Rate,
        Self::Distinct,
        Self::FailedThenSuccess,
        Self::ImpossibleTravel,
        Self::RareChild,
    ];

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstSeen => "first_seen",
            Self::Rate => "rate",
            Self::Distinct => "distinct",
            Self::FailedThenSuccess => "failed_then_success",
            Self::ImpossibleTravel => "impossible_travel",
            Self::RareChild => "rare_child",
        }
    }

    /// Its name as an indicator of a finding.
    pub fn indicator(self) -> &'static str {
        match self {
            Self::FirstSeen => "first-seen",
            Self::Rate => "unusual-rate",
            Self::Distinct => "unusual-variety",
            Self::FailedThenSuccess => "failed-then-success",
            Self::ImpossibleTravel => "impossible-travel",
            Self::RareChild => "rare-child-process",
        }
    }

    /// How bad it is, if it is what it looks like.
    pub fn level(self) -> Level {
        match self {
            Self::FirstSeen | Self::Rate | Self::Distinct => Level::Low,
            Self::FailedThenSuccess | Self::ImpossibleTravel | Self::RareChild => Level::Medium,
        }
    }

    /// The technique of ATT&CK.
    pub fn attack(self) -> &'static str {
        match self {
            Self::FirstSeen | Self::Rate | Self::ImpossibleTravel => "T1078",
            Self::Distinct => "T1526",
            Self::FailedThenSuccess => "T1110",
            Self::RareChild => "T1059",
        }
    }
}

/// What is learned, how long, and which heuristics are on.
#[derive(Clone, PartialEq, Debug)]
pub struct HeuristicsConfig {
    /// On how many days records only teach. Default 14.
    pub learn_days: u32,
    /// What keys are made with: the same seed and records give the same result. Default 1.
    pub seed: u64,
    /// How much learned state may take, in MiB. Default 64.
    pub memory_mib: u32,
    /// A learned state to begin with, relative to the baseline's directory. It is only read.
    pub learned: Option<String>,
    /// Those that are on, with how many alerts a day they may raise. None is on unless it is named.
    pub budgets: BTreeMap<Heuristic, u32>,
    pub travel: TravelConfig,
}

/// What impossible travel is judged by.
#[derive(Clone, PartialEq, Debug)]
pub struct TravelConfig {
    /// A table of networks and where they are, relative to the baseline's directory.
    pub locations: Option<String>,
    /// Nobody travels faster, in km/h. Default 1000.
    pub speed: u32,
    /// How far off locations may be, in km. Default 100.
    pub accuracy: u32,
}

impl Default for HeuristicsConfig {
    fn default() -> Self {
        Self {
            learn_days: 14,
            seed: 1,
            memory_mib: 64,
            learned: None,
            budgets: BTreeMap::new(),
            travel: TravelConfig {
                locations: None,
                speed: 1000,
                accuracy: 100,
            },
        }
    }
}
