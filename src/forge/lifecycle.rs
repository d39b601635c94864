//! What to do with each pull request: a plain function of what differs and what is open.
//!
//! Flow: groups that wait for a person and the forge's pull requests → [`decide`] → [`PullAction`]s, which the engine
//! carries out through [`ports::Forge`](crate::ports::Forge).
//!
//! **Invariant:** never two open pull requests for one fingerprint, none is closed because its target was not looked at,
//! and none of another project in the same repository is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::marker::{self, Marker};
use crate::model::{Digest, RiskLevel, TargetName};
use crate::ports::{PullRequest, PullState};

/// How long a merged pull request is given to show up in the baseline before its approval counts as lost.
const MERGE_SETTLES: Duration = Duration::from_secs(24 * 3600);

/// A group that waits for a person.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    pub fingerprint: String,
    pub group: Digest,
    pub risk: RiskLevel,
    pub approval: ApprovalState,
}

/// What the baseline holds of an approval for exactly this group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ApprovalState {
    /// No approval file.
    None,
    /// One that counts: the group is or will be carried out.
    Valid,
    /// One that does not count: expired, used already, or merged by the wrong person.
    Refused,
}

/// Why a cause is over although its pull request is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// The live state is what the baseline says.
    DriftGone,
    /// An exemption covers it now.
    Exempted,
}

/// All that deciding takes.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The baseline that is worked on, see [`marker::project`].
    pub project: &'a str,
    pub wanted: &'a [Wanted],
    /// The forge's pull requests on evenkeel's branches, in any order and state.
    pub pulls: &'a [PullRequest],
    /// Fingerprints of which it is known that nothing has to be done any more.
    pub settled: &'a BTreeMap<String, Settled>,
    /// Fingerprints of everything that still differs, whether or not it waits for a person.
    pub differing: &'a BTreeSet<String>,
    /// Targets on which everything could be evaluated in this run: what does not differ there is gone.
    pub fully_seen: &'a BTreeSet<TargetName>,
    pub now: Timestamp,
    /// How long a new approval is valid.
    pub approval_valid: Duration,
    /// How long a pull request that a person closed unmerged rests.
    pub reopen_after: Duration,
    /// The most pull requests of evenkeel's that are open at once.
    pub max_open: usize,
}

/// What to do for one cause.
#[derive(Clone, PartialEq, Debug)]
pub enum PullAction {
    /// Opens a new pull request; `follows` is the one that was closed or merged before for the same cause.
    Open {
        fingerprint: String,
        group: Digest,
        follows: Option<u64>,
    },
    /// Brings an open one up to date.
    Update {
        fingerprint: String,
        group: Digest,
        number: u64,
        because: UpdateBecause,
    },
    /// Closes an open one with a comment, and deletes its branch.
    Close {
        fingerprint: String,
        number: u64,
        because: Settled,
    },
    /// Nothing has to be done.
    Leave {
        fingerprint: String,
        number: u64,
        because: LeaveBecause,
    },
    /// A person closed it unmerged; it rests until then.
    LeaveClosed {
        fingerprint: String,
        number: u64,
        until: Timestamp,
    },
    /// Not opened, because too many are open.
    Hold {
        fingerprint: String,
        open: usize,
        max: usize,
    },
    /// Not opened, because another project of the repository has an open one on the branch.
    Taken {
        fingerprint: String,
        number: u64,
        /// That project, as its marker names it.
        by: String,
    },
}

/// Why an open pull request is no longer right.
#[derive(Clone, PartialEq, Debug)]
pub enum UpdateBecause {
    /// The live state or the baseline has changed since, and with it what would be approved.
    GroupChanged { from: Digest },
    /// Its approval is about to expire, or has.
    Expires { at: Timestamp },
    /// Its marker is gone or damaged.
    MarkerLost,
}

/// Why a pull request is left as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaveBecause {
    UpToDate,
    /// An approval that counts is there already.
    Approved,
    /// It was merged, and the baseline of this run is older than the merge.
    MergeNotHere,
    /// It still differs, but does not wait for a person now.
    StillDiffers,
    /// Its target was not looked at as a whole in this run.
    NotSeen,
    /// Its marker is gone or damaged, and with it which target it is for.
    Unmarked,
}

impl PullAction {
    /// Whether carrying this out changes nothing at the forge.
    pub fn is_passive(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Update { .. } | Self::Close { .. } => false,
            Self::Leave { .. }
            | Self::LeaveClosed { .. }
            | Self::Hold { .. }
            | Self::Taken { .. } => true,
        }
    }

    /// The cause that this is for.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Open { fingerprint, .. }
            | Self::Update { fingerprint, .. }
            | Self::Close { fingerprint, .. }
            | Self::Leave { fingerprint, .. }
            | Self::LeaveClosed { fingerprint, .. }
            | Self::Hold { fingerprint, .. }
            | Self::Taken { fingerprint, .. } => fingerprint,
        }
    }
}

/// Decides what to do for each cause: closes first, then the rest with the highest risk first.
pub fn decide(situation: &Situation<'_>) -> Vec<PullAction> {
    let (others, own): (Vec<_>, Vec<_>) = situation
        .pulls
        .iter()
        .partition(|pull| of_another(situation, pull).is_some());
    let (by_cause, others) = (by_cause(&own), by_cause(&others));
    let wanted = in_order(situation.wanted);
    let asked: BTreeSet<&str> = wanted.iter().map(|one| one.fingerprint.as_str()).collect();
    let mut actions: Vec<_> = by_cause
        .iter()
        .filter(|(fingerprint, _)| !asked.contains(*fingerprint))
        .filter_map(|(fingerprint, pulls)| Some((*fingerprint, open_one(pulls)?)))
        .map(|(fingerprint, pull)| no_longer_wanted(situation, fingerprint, pull))
        .collect();
    let closing = actions.iter().filter(|action| !action.is_passive()).count();
    let mut open = by_cause
        .values()
        .filter(|pulls| open_one(pulls).is_some())
        .count()
        - closing;
    for one in wanted {
        let theirs = others.get(one.fingerprint.as_str());
        if let Some(taken) = theirs.and_then(|pulls| taken(situation, one, pulls)) {
            actions.push(taken);
            continue;
        }
        let pulls = by_cause.get(one.fingerprint.as_str());
        let action = for_wanted(situation, one, pulls.map_or(&[], Vec::as_slice), open);
        open += usize::from(matches!(action, Some(PullAction::Open { .. })));
        actions.extend(action);
    }
    actions
}

/// The other project that a pull request is for, where its marker names one.
fn of_another(situation: &Situation<'_>, pull: &PullRequest) -> Option<String> {
    let project = Marker::parse(&pull.body)?.project;
    (project != situation.project).then_some(project)
}

/// Whether another project's open pull request is on the branch of this cause.
fn taken(
    situation: &Situation<'_>,
    wanted: &Wanted,
    others: &[&PullRequest],
) -> Option<PullAction> {
    let pull = open_one(others)?;
    Some(PullAction::Taken {
        fingerprint: wanted.fingerprint.clone(),
        number: pull.number,
        by: of_another(situation, pull)?,
    })
}

/// The pull requests of each cause, the newest first.
fn by_cause<'a>(pulls: &[&'a PullRequest]) -> BTreeMap<&'a str, Vec<&'a PullRequest>> {
    let mut by_cause: BTreeMap<&str, Vec<&PullRequest>> = BTreeMap::new();
    for &pull in pulls {
        if let Some(fingerprint) = marker::fingerprint_of(&pull.branch) {
            by_cause.entry(fingerprint).or_default().push(pull);
        }
    }
    for pulls in by_cause.values_mut() {
        pulls.sort_by_key(|pull| std::cmp::Reverse(pull.number));
    }
    by_cause
}

/// The highest risk first, then by fingerprint; one a fingerprint.
fn in_order(wanted: &[Wanted]) -> Vec<&Wanted> {
    let mut seen = BTreeSet::new();
    let mut order: Vec<_> = wanted
        .iter()
        .filter(|one| seen.insert(&one.fingerprint))
        .collect();
    order.sort_by_key(|one| (std::cmp::Reverse(one.risk), &one.fingerprint));
    order
}

fn open_one<'a>(pulls: &[&'a PullRequest]) -> Option<&'a PullRequest> {
    pulls
        .iter()
        .copied()
        .find(|pull| pull.state == PullState::Open)
}

fn no_longer_wanted(
    situation: &Situation<'_>,
    fingerprint: &str,
    pull: &PullRequest,
) -> PullAction {
    let leave = |because| PullAction::Leave {
        fingerprint: fingerprint.to_owned(),
        number: pull.number,
        because,
    };
    if situation.differing.contains(fingerprint) {
        return leave(LeaveBecause::StillDiffers);
    }
    // What was removed by hand is in no comparison any more. Only a target that was seen whole tells that it is gone.
    let because = match (
        situation.settled.get(fingerprint),
        Marker::parse(&pull.body),
    ) {
        (Some(because), _) => *because,
        (None, None) => return leave(LeaveBecause::Unmarked),
        (None, Some(marker)) if situation.fully_seen.contains(&marker.target) => Settled::DriftGone,
        (None, Some(_)) => return leave(LeaveBecause::NotSeen),
    };
    PullAction::Close {
        fingerprint: fingerprint.to_owned(),
        number: pull.number,
        because,
    }
}

fn for_wanted(
    situation: &Situation<'_>,
    wanted: &Wanted,
    pulls: &[&PullRequest],
    open: usize,
) -> Option<PullAction> {
    if let Some(pull) = open_one(pulls) {
        return Some(for_open(situation, wanted, pull));
    }
    if wanted.approval == ApprovalState::Valid {
        return None;
    }
    let newest = pulls.first();
    if let Some(rest) = newest.and_then(|pull| rests(situation, wanted, pull)) {
        return Some(rest);
    }
    let fingerprint = wanted.fingerprint.clone();
    Some(if open < situation.max_open {
        PullAction::Open {
            fingerprint,
            group: wanted.group,
            follows: newest.map(|pull| pull.number),
        }
    } else {
        PullAction::Hold {
            fingerprint,
            open,
            max: situation.max_open,
        }
    })
}

fn for_open(situation: &Situation<'_>, wanted: &Wanted, pull: &PullRequest) -> PullAction {
    let because = match Marker::parse(&pull.body) {
        _ if wanted.approval == ApprovalState::Valid => Err(LeaveBecause::Approved),
        None => Ok(UpdateBecause::MarkerLost),
        Some(marker) if marker.fingerprint != wanted.fingerprint => Ok(UpdateBecause::MarkerLost),
        Some(marker) if marker.group != wanted.group => {
            Ok(UpdateBecause::GroupChanged { from: marker.group })
        }
        Some(marker) if expires_soon(situation, marker.expires) => {
            Ok(UpdateBecause::Expires { at: marker.expires })
        }
        Some(_) => Err(LeaveBecause::UpToDate),
    };
    let (fingerprint, number) = (wanted.fingerprint.clone(), pull.number);
    match because {
        Ok(because) => PullAction::Update {
            fingerprint,
            group: wanted.group,
            number,
            because,
        },
        Err(because) => PullAction::Leave {
            fingerprint,
            number,
            because,
        },
    }
}

/// Whether less than a quarter of an approval's time is left, so that a reviewer always has time to merge.
fn expires_soon(situation: &Situation<'_>, expires: Timestamp) -> bool {
    let margin = situation.approval_valid / 4;
    add(situation.now, margin) >= expires
}

/// Whether the newest pull request, which is not open, keeps a new one from being opened.
fn rests(situation: &Situation<'_>, wanted: &Wanted, newest: &PullRequest) -> Option<PullAction> {
    let (fingerprint, number) = (wanted.fingerprint.clone(), newest.number);
    let closed_at = newest.closed_at?;
    if newest.state == PullState::Merged {
        let same = Marker::parse(&newest.body).is_some_and(|m| m.group == wanted.group);
        let fresh = situation.now < add(closed_at, MERGE_SETTLES);
        return (same && fresh && wanted.approval == ApprovalState::None).then_some(
            PullAction::Leave {
                fingerprint,
                number,
                because: LeaveBecause::MergeNotHere,
            },
        );
    }
    if newest.body.contains(marker::CLOSED_MARK) {
        return None;
    }
    let until = add(closed_at, situation.reopen_after);
    (situation.now < until).then_some(PullAction::LeaveClosed {
        fingerprint,
        number,
        until,
    })
}

/// A later instant, at the end of time at the latest.
fn add(at: Timestamp, duration: Duration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DriftGone => "the live state is what the baseline says",
            Self::Exempted => "an exemption covers it now",
        })
    }
}

impl fmt::Display for UpdateBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GroupChanged { .. } => f.write_str("what would be done has changed"),
            Self::Expires { at } => write!(f, "its approval expires at {at}"),
            Self::MarkerLost => f.write_str("its marker is gone"),
        }
    }
}

impl fmt::Display for LeaveBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UpToDate => "it is up to date",
            Self::Approved => "it is approved",
            Self::MergeNotHere => {
                "it is merged, and this baseline is older than the merge (git pull)"
            }
            Self::StillDiffers => "it still differs, but does not wait for approval",
            Self::NotSeen => "its target was not looked at as a whole",
            Self::Unmarked => {
                "its first line is gone, so nothing tells what it is for (close it by hand)"
            }
        })
    }
}

#[cfg(test)]
mod tests;
