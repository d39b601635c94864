//! Findings that a team's suppressions take out of a report.
//!
//! **Invariant:** they are told in the report, and the first time that a suppression takes one out is in the journal.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::CycleInput;
use crate::detect::suppress::split;
use crate::model::{RunReport, Suppressed};
use crate::ports::{RecordQuery, StateStore, StoreError};

/// Suppressions took findings out for the first time.
pub const SUPPRESSED: &str = "suppressed";

/// How many findings a record names.
const MAX_NAMED: usize = 50_000;

/// What one suppression took out for the first time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct News {
    suppression: String,
    owner: String,
    reason: String,
    expires: Timestamp,
    /// Fingerprints.
    findings: BTreeSet<String>,
}

/// Takes out of a report what is suppressed.
pub(super) fn take_out(input: &CycleInput<'_>, report: &mut RunReport) {
    if input.suppressions.is_empty() {
        return;
    }
    let findings = std::mem::take(&mut report.findings);
    let drifts = [&report.comparison, &report.found].into_iter();
    let drifts = drifts.flat_map(|it| {
        let exempted = it.exempted.iter().map(|it| &it.drift);
        it.drifts.iter().chain(exempted)
    });
    let places: BTreeMap<_, _> = drifts.map(|it| (&it.resource, &it.address)).collect();
    let place = |finding: &crate::model::Finding| {
        let resource = finding.resource.as_ref()?;
        places.get(resource).copied()
    };
    let split = split(findings, false, input.suppressions, place, report.started);
    report.findings = split.findings;
    report.suppressed = split.suppressed;
    report.notices.extend(split.notices);
}

/// What is to be recorded of findings that were taken out; none where all of it is known.
///
/// # Errors
/// The journal cannot be read.
pub fn news(
    store: &dyn StateStore,
    suppressed: &[Suppressed],
) -> Result<Option<Vec<News>>, StoreError> {
    if suppressed.is_empty() {
        return Ok(None);
    }
    let records = store.records(&RecordQuery {
        kinds: vec![SUPPRESSED],
        ..RecordQuery::default()
    })?;
    let mut known: BTreeSet<(String, String)> = BTreeSet::new();
    for record in &records {
        for news in Vec::<News>::deserialize(&record.payload).unwrap_or_default() {
            let findings = news.findings.into_iter();
            known.extend(findings.map(|it| (news.suppression.clone(), it)));
        }
    }
    let mut new: BTreeMap<&str, News> = BTreeMap::new();
    for one in suppressed.iter().take(MAX_NAMED) {
        let pair = (one.suppression.clone(), one.finding.fingerprint.clone());
        if known.contains(&pair) {
            continue;
        }
        let news = new.entry(&one.suppression).or_insert_with(|| News {
            suppression: one.suppression.clone(),
            owner: one.owner.clone(),
            reason: one.reason.clone(),
            expires: one.expires,
            findings: BTreeSet::new(),
        });
        news.findings.insert(pair.1);
    }
    let new: Vec<_> = new.into_values().collect();
    Ok((!new.is_empty()).then_some(new))
}
