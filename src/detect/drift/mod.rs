//! Drifts that are indicators of compromise.
//!
//! Flow: a [`Drift`] → each family says which [`Indicator`]s it is → [`Finding`]s, with the levels of the team's rules.
//!
//! **Invariant:** decided by kind, place and which fields differ in which way, never by what a content says: who writes it
//! could phrase it to look milder. An exemption silences drift and never an indicator.

mod access;
mod evasion;
mod evidence;
mod exposure;
mod integrity;
mod persistence;
mod places;
mod secrets;
mod seen;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::{Comparison, Drift, Finding, Indicator, RiskLevel, SeverityRule};
use crate::selector::Matcher;

use seen::Seen;

/// One thing that a drift shows, with the techniques where they are known closer than the indicator says.
#[derive(Clone, Copy, Debug)]
struct Sign {
    indicator: &'static Indicator,
    attack: &'static [&'static str],
}

impl From<&'static Indicator> for Sign {
    fn from(indicator: &'static Indicator) -> Self {
        Self {
            indicator,
            attack: indicator.attack,
        }
    }
}

/// The levels that a team gives to findings, ready to match.
#[derive(Debug, Default)]
pub struct Severity<'a>(Vec<(&'a SeverityRule, Option<Matcher>)>);

impl<'a> Severity<'a> {
    /// Of the rules in their order.
    pub fn new(rules: &'a [SeverityRule]) -> Self {
        let ready = |rule: &'a SeverityRule| (rule, rule.on.as_ref().map(Matcher::new));
        Self(rules.iter().map(ready).collect())
    }

    /// Gives a finding on a drift the level of the first rule that fits.
    fn judge(&self, finding: &mut Finding, drift: &Drift) {
        let id = &drift.resource;
        let fits = |(rule, on): &&(&SeverityRule, Option<Matcher>)| {
            let targets = rule.targets.as_ref();
            rule.indicator == finding.indicator
                && targets.is_none_or(|targets| targets.contains(&id.target))
                && on.as_ref().is_none_or(|matcher| {
                    matcher.matches(id, &drift.address, RiskLevel::Low, false)
                })
        };
        if let Some((rule, _)) = self.0.iter().find(fits) {
            finding.level = rule.level;
        }
    }
}

/// The findings of everything that differs, exempted or not, worst first, then in the order of resources.
pub fn findings(comparison: &Comparison, severity: &Severity<'_>) -> Vec<Finding> {
    let exempted = comparison.exempted.iter().map(|it| &it.drift);
    let all = comparison.drifts.iter().chain(exempted);
    let mut found: Vec<_> = all.flat_map(|drift| of(drift, severity)).collect();
    sort(&mut found);
    found
}

/// Adds the findings that are not there yet.
pub fn merge(into: &mut Vec<Finding>, others: Vec<Finding>) {
    let known: BTreeSet<_> = into.iter().map(|one| one.fingerprint.clone()).collect();
    let new = others.into_iter();
    into.extend(new.filter(|one| !known.contains(&one.fingerprint)));
    sort(into);
}

fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        (b.level.cmp(&a.level))
            .then_with(|| a.resource.cmp(&b.resource))
            .then_with(|| a.indicator.cmp(&b.indicator))
    });
}

/// The findings of one drift.
fn of(drift: &Drift, severity: &Severity<'_>) -> Vec<Finding> {
    let mut told = BTreeSet::new();
    let signs = signs(drift).into_iter();
    let signs = signs.filter(|sign| told.insert(sign.indicator.name));
    signs
        .map(|sign| {
            let Sign { indicator, attack } = sign;
            let id = drift.resource.clone();
            let mut finding = Finding::on(id, indicator.name, indicator.level);
            finding.confidence = indicator.confidence;
            finding.attack = attack.iter().map(|id| (*id).to_owned()).collect();
            finding.controls.clone_from(&drift.controls);
            finding.evidence = vec![evidence::sentence(indicator, drift)];
            severity.judge(&mut finding, drift);
            finding
        })
        .collect()
}

fn signs(drift: &Drift) -> Vec<Sign> {
    let seen = Seen::new(drift);
    let mut signs = Vec::new();
    for family in [
        access::signs,
        persistence::signs,
        evasion::signs,
        exposure::signs,
        integrity::signs,
        secrets::signs,
    ] {
        family(&seen, &mut signs);
    }
    signs
}
