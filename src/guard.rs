//! Decides for each group of a plan whether it may run.
//!
//! Flow: [`Plan`] and what is known around it ([`Situation`]) → a [`Verdict`] a group, with its reason as data.
//!
//! Cost: groups × selectors.
//!
//! **Invariant:** a group runs only when every rule lets it; a rule that lacks what it needs to judge holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{
    Address, Digest, Group, GuardConfig, HeldBecause, Mode, Plan, ResourceId, RunId, Step,
    TargetName, Undo, Verb, Verdict,
};
use crate::selector::Matcher;

/// All that the guard looks at besides the plan.
#[derive(Clone, Debug, Default)]
pub struct Situation {
    /// The mode of each target in this run; a target that is not named is only observed.
    pub modes: BTreeMap<TargetName, Mode>,
    /// How many resources could be evaluated, over all targets of the plan.
    pub evaluated: usize,
    /// What pulled the kill switch, if it is on.
    pub kill_switch: Option<String>,
    /// Places of evenkeel's own, by target.
    pub own_places: BTreeMap<TargetName, Vec<(Address, &'static str)>>,
    /// What is known of approvals, by group hash.
    pub approvals: BTreeMap<Digest, ApprovalState>,
    /// Resources at rest after an undo.
    pub suspended: BTreeMap<ResourceId, Suspension>,
    /// Targets on which an undo failed, with the run.
    pub undo_failed: BTreeMap<TargetName, RunId>,
    /// Resources whose own state could not be seen.
    pub not_evaluated: BTreeSet<ResourceId>,
    /// Resources that each resource depends on.
    pub depends_on: BTreeMap<ResourceId, Vec<ResourceId>>,
    /// Whether there is a journal to write to.
    pub has_journal: bool,
}

/// An approval, judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApprovalState {
    /// It counts; the text says who gave it and where.
    Valid(String),
    /// It was found and does not count, for this reason.
    Invalid(String),
}

/// Until when a resource rests, and since which run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspension {
    pub until: Timestamp,
    pub run: RunId,
}

/// Judges every group of the plan.
pub fn guard(
    plan: &Plan,
    config: &GuardConfig,
    situation: &Situation,
    now: Timestamp,
) -> BTreeMap<Digest, Verdict> {
    let rules = Rules {
        protected: config.protected.iter().map(Matcher::new).collect(),
        require_approval: config.require_approval.iter().map(Matcher::new).collect(),
        whole: whole_plan(plan, config, situation),
        situation,
        now,
    };
    plan.groups
        .iter()
        .map(|group| (group.hash, rules.judge(group)))
        .collect()
}

struct Rules<'a> {
    protected: Vec<Matcher>,
    require_approval: Vec<Matcher>,
    /// What holds every group.
    whole: Option<HeldBecause>,
    situation: &'a Situation,
    now: Timestamp,
}

/// The rules that judge the plan as a whole.
fn whole_plan(plan: &Plan, config: &GuardConfig, situation: &Situation) -> Option<HeldBecause> {
    if let Some(switch) = &situation.kill_switch {
        return Some(HeldBecause::KillSwitch {
            switch: switch.clone(),
        });
    }
    let changes = plan.steps();
    if changes > config.max_changes {
        return Some(HeldBecause::BlastRadius {
            changes,
            max: config.max_changes,
        });
    }
    let evaluated = situation.evaluated;
    let max_percent = config.max_changed_percent?;
    (changes * 100 > evaluated * max_percent as usize).then_some(HeldBecause::ChangedPercent {
        changes,
        evaluated,
        max_percent,
    })
}

impl Rules<'_> {
    fn judge(&self, group: &Group) -> Verdict {
        let refusal = self
            .whole
            .clone()
            .or_else(|| self.own(group))
            .or_else(|| self.protected(group));
        if let Some(because) = refusal {
            return Verdict::Held(because);
        }
        let mode = self.situation.modes.get(&group.target).copied();
        let mode = mode.unwrap_or(Mode::Observe);
        if mode == Mode::Observe {
            return Verdict::Held(HeldBecause::Mode { mode });
        }
        if let Some(because) = self.dependency(group) {
            return Verdict::Held(because);
        }
        let approved_by = match self.situation.approvals.get(&group.hash) {
            Some(ApprovalState::Valid(by)) => Some(by.clone()),
            Some(ApprovalState::Invalid(found)) => {
                return Verdict::Held(HeldBecause::NeedsApproval {
                    why: self
                        .approval_needed(group, mode)
                        .unwrap_or_else(|| "an approval for it was given".into()),
                    found: Some(found.clone()),
                });
            }
            None => None,
        };
        if approved_by.is_none()
            && let Some(because) = self.waits(group, mode)
        {
            return Verdict::Held(because);
        }
        if !self.situation.has_journal {
            return Verdict::Held(HeldBecause::NoJournal);
        }
        Verdict::Allow { approved_by }
    }

    /// What holds a group that nobody has approved.
    fn waits(&self, group: &Group, mode: Mode) -> Option<HeldBecause> {
        if let Some(rest) = self.suspended(group) {
            return Some(rest);
        }
        if let Some(run) = self.situation.undo_failed.get(&group.target) {
            return Some(HeldBecause::UndoFailed { run: run.0.clone() });
        }
        if mode == Mode::Propose {
            return Some(HeldBecause::Mode { mode });
        }
        self.approval_needed(group, mode)
            .map(|why| HeldBecause::NeedsApproval { why, found: None })
    }

    fn own(&self, group: &Group) -> Option<HeldBecause> {
        let places = self.situation.own_places.get(&group.target)?;
        group.steps.iter().find_map(|step| {
            let (_, what) = places.iter().find(|(place, _)| touches(step, place))?;
            Some(HeldBecause::SelfProtection {
                resource: step.resource.to_string(),
                what: (*what).to_owned(),
            })
        })
    }

    fn protected(&self, group: &Group) -> Option<HeldBecause> {
        group.steps.iter().find_map(|step| {
            let matcher = self.protected.iter().find(|m| chooses(m, step))?;
            Some(HeldBecause::Protected {
                resource: step.resource.to_string(),
                selector: matcher.text().to_owned(),
            })
        })
    }

    fn dependency(&self, group: &Group) -> Option<HeldBecause> {
        group.steps.iter().find_map(|step| {
            let needs = self.situation.depends_on.get(&step.resource)?;
            let missing = needs
                .iter()
                .find(|need| self.situation.not_evaluated.contains(need))?;
            Some(HeldBecause::DependsOnNotEvaluated {
                resource: missing.to_string(),
            })
        })
    }

    fn suspended(&self, group: &Group) -> Option<HeldBecause> {
        group.steps.iter().find_map(|step| {
            let rest = self.situation.suspended.get(&step.resource)?;
            (rest.until > self.now).then(|| HeldBecause::Suspended {
                until: rest.until,
                run: rest.run.0.clone(),
            })
        })
    }

    /// Why the group needs an approval, if it does.
    fn approval_needed(&self, group: &Group, mode: Mode) -> Option<String> {
        for step in &group.steps {
            if let Undo::Irreversible { why } = &step.undo {
                return Some(format!("{} cannot be undone: {why}", step.resource));
            }
        }
        for step in &group.steps {
            if let Some(matcher) = self.require_approval.iter().find(|m| chooses(m, step)) {
                return Some(format!(
                    "guard.require_approval names {} ({})",
                    step.resource,
                    matcher.text()
                ));
            }
        }
        (mode == Mode::Propose).then(|| "the target's mode is propose".to_owned())
    }
}

fn chooses(matcher: &Matcher, step: &Step) -> bool {
    matcher.matches(
        &step.resource,
        &step.address,
        step.risk.level,
        matches!(step.undo, Undo::Irreversible { .. }),
    )
}

/// Whether a step could hurt what lies at a place: it changes the place itself, something below it, or takes away or
/// replaces what the place lies in.
fn touches(step: &Step, place: &Address) -> bool {
    if step.address.is_within(place) {
        return true;
    }
    let still_directory = step.verb == Verb::Put
        && step
            .state
            .as_ref()
            .and_then(|state| state.get("type"))
            .and_then(|kind| kind.as_text())
            == Some("directory");
    place.is_below(&step.address) && !still_directory
}

#[cfg(test)]
mod tests;
