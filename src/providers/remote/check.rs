//! Holds what a worker answered against what it was asked.
//!
//! **Invariant:** after this nothing is left that only a host says of itself and that would decide what is done to it:
//! remedies are made here, resources are those that were asked for, listed entries lie where they were looked for, and
//! contents are those that a state refers to.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Completeness, Contents, Desired, Digest, Kind, Listing, Member, Observation, Observed, Reason,
    ReasonCode, ResourceId, Snapshot, Value,
};
use crate::providers::host::filetree::{self, Baselines};
use crate::providers::host::finish::{Finished, finish, leave_to_removal, remedied};
use crate::providers::host::fs::HostPath;
use crate::providers::host::listing::{Claims, MAX_MEMBERS};
use crate::providers::host::parts::{self, Form, Part};
use crate::providers::host::{cron, kinds, privileged};

/// The longest sentence that is taken from a host, in characters.
const MAX_SENTENCE: usize = 500;
/// The kinds of what a listing finds.
const FOUND: [&str; 3] = [kinds::FILE, kinds::DIRECTORY, kinds::SYMLINK];

/// Makes a snapshot of what a worker answered for these resources.
pub fn snapshot(
    desired: &[Desired],
    answered: Vec<(ResourceId, Observation)>,
    mut sent: Contents,
    trees: &Baselines,
) -> Snapshot {
    let claims = Claims::of(desired, trees);
    let mut answered: BTreeMap<ResourceId, Observation> = answered.into_iter().collect();
    let mut observations = BTreeMap::new();
    for one in desired {
        let observation = match answered.remove(&one.id) {
            Some(observation) => checked(one, observation, &claims, trees, &mut sent),
            None => {
                Observation::not_evaluated(ReasonCode::Unreachable, "the worker said nothing of it")
            }
        };
        observations.insert(one.id.clone(), observation);
    }
    leave_to_removal(desired, &mut observations);
    let contents = referred(&observations, &sent);
    Snapshot {
        observations,
        contents,
    }
}

fn checked(
    desired: &Desired,
    answered: Observation,
    claims: &Claims,
    trees: &Baselines,
    sent: &mut Contents,
) -> Observation {
    let observed = sentence(answered.observed);
    if let Some(part) = parts::of(&desired.id.kind) {
        return part_checked(part, desired, observed, answered.listing);
    }
    let live = observed
        .state()
        .and_then(|state| state.fields.get("content"))
        .and_then(Value::as_blob)
        .and_then(|blob| sent.get(&blob.digest));
    let finished = if desired.id.kind.0 == kinds::AUTHORIZED_KEYS {
        keys(desired, observed, live.as_deref())
    } else if stands_nowhere(desired) {
        Finished {
            observed,
            remedy: None,
            made: None,
        }
    } else {
        finish(desired, observed, None)
    };
    if let Some(made) = finished.made {
        sent.keep(made);
    }
    let listing = match (&desired.scope, answered.listing) {
        (Some(_), Some(listing)) if filetree::is_tree(desired) => {
            Some(tree_listed(desired, listing, claims, trees))
        }
        (Some(_), Some(listing)) => Some(listed(desired, listing, claims)),
        _ => None,
    };
    Observation {
        observed: finished.observed,
        remedy: finished.remedy,
        listing,
        by_hand: None,
        one_way: None,
    }
}

/// A part as a host says it is, with what follows from that; its listing holds what the part's own rules let in.
fn part_checked(
    part: &dyn Part,
    desired: &Desired,
    observed: Observed,
    listing: Option<Listing>,
) -> Observation {
    let listing = listing.filter(|_| desired.scope.is_some()).map(|listing| {
        let listed = listing.members.len();
        let mut taken = BTreeSet::new();
        let mut members = listing.members;
        members.retain(|member| taken.insert(member.address.clone()));
        members.truncate(MAX_MEMBERS);
        for member in &mut members {
            let seen = std::mem::replace(&mut member.observed, Observed::Absent);
            member.observed = sentence(seen);
            member.remedy = None;
            member.by_hand = None;
        }
        members.retain_mut(|member| part.judge(desired, member));
        let strange = members.len() < listed;
        Listing {
            members,
            complete: completeness(listing.complete, strange),
            ignored: listing.ignored,
        }
    });
    let seen = Observation {
        listing,
        ..Observation::plain(observed)
    };
    parts::finish(part, desired, seen)
}

/// Whether a resource is only what it lists.
fn stands_nowhere(desired: &Desired) -> bool {
    [kinds::PRIVILEGED_FILES, kinds::CRON, kinds::FILE_TREE].contains(&desired.id.kind.0.as_str())
}

fn completeness(said: Completeness, strange: bool) -> Completeness {
    match said {
        Completeness::Partial(reason) => Completeness::Partial(of_host(reason)),
        Completeness::Complete if strange => Completeness::Partial(Reason::new(
            ReasonCode::Unstable,
            "the worker listed what it was not asked for, so its listing is not believed to be whole",
        )),
        Completeness::Complete => Completeness::Complete,
    }
}

/// The keys of a file are told by the content where that was sent; a remedy that keeps foreign lines needs it.
fn keys(desired: &Desired, observed: Observed, live: Option<&[u8]>) -> Finished {
    if live.is_some() {
        return finish(desired, observed, live);
    }
    let is_file = observed
        .state()
        .is_some_and(|state| state.get("type") == Some(&"file".into()));
    let finished = remedied(desired, observed, None);
    // An exclusive file is made anew, whatever it holds; one that is too large to be sent must not escape by that.
    if finished.made.is_some() && is_file && !kinds::is_exclusive(desired) {
        let text = "the worker did not send the keys that differ";
        return Finished {
            observed: Observed::NotEvaluated(Reason::new(ReasonCode::Unreachable, text)),
            remedy: None,
            made: None,
        };
    }
    finished
}

fn listed(desired: &Desired, listing: Listing, claims: &Claims) -> Listing {
    let places: Vec<HostPath> = match desired.id.kind.0.as_str() {
        kinds::PRIVILEGED_FILES | kinds::CRON => desired
            .scope
            .iter()
            .flat_map(|scope| &scope.within)
            .collect(),
        _ => vec![&desired.address],
    }
    .into_iter()
    .filter_map(HostPath::from_address)
    .collect();
    let mut taken = BTreeSet::new();
    let mut strange = false;
    let mut members = Vec::new();
    for member in listing.members {
        let lies_right = HostPath::from_address(&member.address).is_some_and(|path| {
            let inside = |place: &HostPath| match desired.id.kind.0.as_str() {
                kinds::PRIVILEGED_FILES => path.is_within(place),
                kinds::CRON => cron::places().any(|place| place.holds(&path)),
                _ => path.is_within(place) && path != *place,
            };
            places.iter().any(inside) && !claims.has(&path)
        });
        let is_new = lies_right
            && members.len() < MAX_MEMBERS
            && FOUND.contains(&member.kind.0.as_str())
            && taken.insert(member.address.clone());
        match is_new.then(|| found(desired, member)).flatten() {
            Some(member) => members.push(member),
            None => strange = true,
        }
    }
    Listing {
        members,
        complete: completeness(listing.complete, strange),
        ignored: listing.ignored,
    }
}

/// What differs in a tree, held against the manifest or the rules for packages.
fn tree_listed(desired: &Desired, listing: Listing, claims: &Claims, trees: &Baselines) -> Listing {
    let baseline = trees.of(&desired.id).map(|baseline| &**baseline);
    let terms = filetree::judge::Terms::of(desired, baseline)
        .filter(|_| baseline.is_some() || filetree::is_against_dpkg(desired));
    let mut taken = BTreeSet::new();
    let mut strange = false;
    let mut members = Vec::new();
    for mut member in listing.members {
        member.observed = sentence(member.observed);
        let is_right = terms.as_ref().is_some_and(|terms| {
            let path = HostPath::from_address(&member.address);
            path.is_none_or(|path| {
                let is_file = FOUND.contains(&member.kind.0.as_str());
                is_file && claims.leaves_to_tree(terms.top(), &path)
            }) && members.len() < MAX_MEMBERS
                && taken.insert(member.address.clone())
                && filetree::judge::judge(terms, &mut member)
        });
        match is_right {
            true => members.push(member),
            false => strange = true,
        }
    }
    Listing {
        members,
        complete: completeness(listing.complete, strange),
        ignored: listing.ignored,
    }
}

/// An entry with the remedy that follows from what it is; none where it is nothing to be listed.
fn found(desired: &Desired, member: Member) -> Option<Member> {
    let observed = sentence(member.observed);
    if desired.id.kind.0 == kinds::CRON {
        let mut member = Member {
            observed,
            remedy: None,
            by_hand: None,
            ..member
        };
        return cron::judge(desired, &mut member).then_some(member);
    }
    let remedy = match (&observed, desired.id.kind.0.as_str()) {
        (Observed::Present(state), kinds::PRIVILEGED_FILES) => {
            Some(privileged::remedy(desired, &member.address, state)?)
        }
        _ => None,
    };
    Some(Member {
        address: member.address,
        kind: Kind(member.kind.0),
        observed,
        remedy,
        by_hand: None,
    })
}

/// The one form of a text, in a host's words.
pub fn form(form: Form) -> Form {
    match form {
        Form::Is(form) => Form::Is(form),
        Form::Wrong(why) => Form::Wrong(bounded(&why)),
        Form::Unknown(reason) => Form::Unknown(of_host(reason)),
    }
}

fn sentence(observed: Observed) -> Observed {
    match observed {
        Observed::NotEvaluated(reason) => Observed::NotEvaluated(of_host(reason)),
        seen => seen,
    }
}

/// A reason in a host's words, bounded.
pub fn of_host(reason: Reason) -> Reason {
    Reason::new(reason.code, bounded(&reason.text))
}

/// A sentence of a host's, escaped and not too long.
pub fn bounded(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX_SENTENCE)
        .flat_map(|c| match c.is_control() {
            true => c.escape_unicode().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect();
    if text.chars().nth(MAX_SENTENCE).is_some() {
        out.push('…');
    }
    out
}

/// The contents that observed states or remedies refer to, and no others.
fn referred(observations: &BTreeMap<ResourceId, Observation>, sent: &Contents) -> Contents {
    let mut digests: BTreeSet<Digest> = BTreeSet::new();
    for observation in observations.values() {
        let members = observation.listing.iter().flat_map(|all| &all.members);
        let states = [observation.observed.state(), observation.remedy.as_ref()]
            .into_iter()
            .chain(members.map(|member| member.observed.state()))
            .flatten();
        for state in states {
            digests.extend(state.blobs().map(|blob| blob.digest));
        }
    }
    let mut contents = Contents::default();
    for digest in digests {
        if let Some(bytes) = sent.get(&digest) {
            contents.keep(bytes);
        }
    }
    contents
}

#[cfg(test)]
mod tests;
