//! Indicators of compromise that a comparison shows by itself, whatever else is detected.
//!
//! Flow: drifts → [`RunReport::indicators`] → exit code and reports.
//!
//! **Invariant:** an exemption silences drift and never an indicator, and one that was there at the beginning of a run stays.

use std::collections::BTreeSet;

use super::{Change, Comparison, Drift, Level, RunReport, Value};

/// The field of a resource that says whether two roads to one fact tell the same.
pub const OBSERVERS: &str = "observers";
/// What it says then.
pub const AGREE: &str = "agree";
/// The indicator of a resource of which they do not: something hides from one of them.
pub const OBSERVER_DISAGREES: &str = "observer-disagrees";

/// One indicator.
#[derive(Clone, PartialEq, Debug)]
pub struct Indicator<'a> {
    pub name: &'static str,
    pub level: Level,
    /// What shows it.
    pub drift: &'a Drift,
    /// What the system said, unescaped.
    pub said: &'a str,
}

impl Drift {
    /// What its observers say of each other, where they disagree.
    pub fn disagreement(&self) -> Option<&str> {
        if self.change != Change::Changed {
            return None;
        }
        let field = self.fields.iter().find(|field| field.path == OBSERVERS)?;
        Some(match &field.actual {
            Some(Value::Text(said)) => said,
            _ => "they say nothing of each other",
        })
    }
}

impl Comparison {
    fn indicators(&self) -> impl Iterator<Item = Indicator<'_>> {
        let exempted = self.exempted.iter().map(|it| &it.drift);
        self.drifts.iter().chain(exempted).filter_map(|drift| {
            Some(Indicator {
                name: OBSERVER_DISAGREES,
                level: Level::High,
                drift,
                said: drift.disagreement()?,
            })
        })
    }
}

impl RunReport {
    /// The indicators of its end, then those of its beginning that are gone.
    pub fn indicators(&self) -> Vec<Indicator<'_>> {
        let mut told = BTreeSet::new();
        let all = self.comparison.indicators().chain(self.found.indicators());
        all.filter(|one| told.insert((one.name, &one.drift.resource)))
            .collect()
    }

    /// The worst level of all findings and indicators.
    pub fn worst(&self) -> Option<Level> {
        let indicators = self.indicators();
        let levels = indicators.iter().map(|one| one.level);
        levels.chain(self.worst_finding).max()
    }
}
