//! Compares what is desired with what was seen.
//!
//! Flow: [`Desired`] resources and a [`Snapshot`] of one target → [`Comparison`]: each resource is clean, drifted,
//! exempted or not evaluated, and what lies in an exclusive scope without being listed is `Extra`.
//!
//! Cost: one pass over the resources and one over the members of listings, each with a binary search; no allocation for
//! a resource that is clean but its id.
//!
//! **Invariant:** what could not be seen is never clean and never `Missing` or `Extra`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

use crate::model::{
    Address, Change, Comparison, Completeness, Desired, Drift, Exempted, Exemption, FieldDrift,
    Fields, Kind, LISTS_ENTRIES, Listing, Member, NotEvaluated, Observation, Observed, Presence,
    Reason, ReasonCode, ResourceId, Snapshot, State, TERMS, Value,
};
use crate::selector::Matcher;

/// Compares one target. `exemptions` that have expired at `now` silence nothing.
pub fn compare(
    desired: &[Desired],
    snapshot: &Snapshot,
    exemptions: &[Exemption],
    now: Timestamp,
) -> Comparison {
    let mut found = Comparison::default();
    let explained = Explained::of(desired);
    let mut extra_places = BTreeSet::new();
    for wanted in desired {
        let Some(observation) = snapshot.observations.get(&wanted.id) else {
            found.not_evaluated.push(not_evaluated(
                wanted,
                Reason::new(ReasonCode::Unsupported, "the provider did not look at it"),
            ));
            continue;
        };
        let partial = compare_listing(
            wanted,
            observation,
            &explained,
            &mut extra_places,
            &mut found,
        );
        match compare_one(wanted, observation) {
            Verdict::Drifted(drift) => found.drifts.push(*drift),
            Verdict::NotEvaluated(reason) => {
                found.not_evaluated.push(not_evaluated(wanted, reason));
                continue;
            }
            Verdict::Clean if partial.is_none() => found.clean.push(wanted.id.clone()),
            Verdict::Clean => {}
        }
        if let Some(reason) = partial {
            found.not_evaluated.push(not_evaluated(wanted, reason));
        }
    }
    exempt(&mut found, exemptions, now);
    found.drifts.sort_by(|a, b| a.resource.cmp(&b.resource));
    found
        .not_evaluated
        .sort_by(|a, b| a.resource.cmp(&b.resource));
    found.clean.sort();
    found
}

enum Verdict {
    Clean,
    Drifted(Box<Drift>),
    NotEvaluated(Reason),
}

fn compare_one(wanted: &Desired, observation: &Observation) -> Verdict {
    let (change, fields, after) = match (&wanted.presence, &observation.observed) {
        (_, Observed::NotEvaluated(reason)) => return Verdict::NotEvaluated(reason.clone()),
        (Presence::Absent, Observed::Absent) => return Verdict::Clean,
        (Presence::Absent, Observed::Present(state)) => (Change::Extra, all_actual(state), None),
        (Presence::Present(expected), Observed::Absent) => (
            Change::Missing,
            all_expected(expected),
            Some(after_of(wanted, expected, None, observation)),
        ),
        (Presence::Present(expected), Observed::Present(state)) => {
            let fields = field_drifts(expected, state);
            if fields.is_empty() {
                return Verdict::Clean;
            }
            let after = after_of(wanted, expected, Some(state), observation);
            (Change::Changed, fields, Some(after))
        }
    };
    Verdict::Drifted(Box::new(Drift {
        resource: wanted.id.clone(),
        address: wanted.address.clone(),
        change,
        fields,
        before: observation.observed.clone(),
        after,
        origin: wanted.origin.clone(),
        found_in: None,
        risk: wanted.risk.clone(),
        disclose: wanted.disclose,
        sensitive: wanted.sensitive,
        controls: wanted.controls.clone(),
        depends_on: wanted.depends_on.iter().cloned().collect(),
        options: wanted.options.clone(),
        one_way: wanted
            .one_way
            .as_ref()
            .or(observation.one_way.as_ref())
            .cloned(),
        by_hand: observation.by_hand.clone(),
    }))
}

/// The state that putting the baseline back leaves: the provider's own word, else the expected fields laid over what
/// is there (when it is of the same type) or over the defaults.
fn after_of(
    wanted: &Desired,
    expected: &Fields,
    before: Option<&State>,
    observation: &Observation,
) -> State {
    if let Some(remedy) = &observation.remedy {
        return remedy.clone();
    }
    let same_type = |state: &&State| match expected.get("type") {
        Some(wanted_type) => state.fields.get("type") == Some(wanted_type),
        None => true,
    };
    let mut fields = match before.filter(same_type) {
        Some(state) => state.fields.clone(),
        None => wanted.create_with.clone(),
    };
    fields.extend(expected.clone());
    State::of(fields)
}

fn field_drifts(expected: &Fields, state: &State) -> Vec<FieldDrift> {
    let mut drifts = Vec::new();
    for (name, value) in expected {
        diff_value(name, Some(value), state.get(name), &mut drifts);
    }
    drifts
}

/// Maps are compared key by key, exactly; everything else as a whole.
fn diff_value(
    path: &str,
    expected: Option<&Value>,
    actual: Option<&Value>,
    drifts: &mut Vec<FieldDrift>,
) {
    match (expected, actual) {
        (Some(a), Some(b)) if a == b => {}
        (Some(Value::Map(a)), Some(Value::Map(b))) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                diff_value(&format!("{path}.{key}"), a.get(key), b.get(key), drifts);
            }
        }
        _ => drifts.push(FieldDrift {
            path: path.to_owned(),
            expected: expected.cloned(),
            actual: actual.cloned(),
        }),
    }
}

fn all_expected(fields: &Fields) -> Vec<FieldDrift> {
    fields
        .iter()
        .map(|(path, value)| FieldDrift {
            path: path.clone(),
            expected: Some(value.clone()),
            actual: None,
        })
        .collect()
}

fn all_actual(state: &State) -> Vec<FieldDrift> {
    state
        .fields
        .iter()
        .map(|(path, value)| FieldDrift {
            path: path.clone(),
            expected: None,
            actual: Some(value.clone()),
        })
        .collect()
}

/// The addresses that git knows of, in order, for "is this listed" and "does something listed lie below it".
struct Explained<'a>(BTreeSet<&'a str>);

impl<'a> Explained<'a> {
    fn of(desired: &'a [Desired]) -> Self {
        Self(
            desired
                .iter()
                .flat_map(|wanted| {
                    std::iter::once(&wanted.address)
                        .chain(wanted.scope.iter().flat_map(|scope| &scope.allow))
                })
                .map(|address| address.0.as_str())
                .collect(),
        )
    }

    fn names(&self, address: &Address) -> bool {
        self.0.contains(address.0.as_str())
    }

    fn explains(&self, address: &Address) -> bool {
        if self.names(address) {
            return true;
        }
        // What lies below an address sorts right after `address/`; siblings such as `address-old` sort before that.
        let below = format!("{}/", address.0.trim_end_matches('/'));
        self.0
            .range::<str, _>((Bound::Excluded(below.as_str()), Bound::Unbounded))
            .next()
            .is_some_and(|next| next.starts_with(&below))
    }
}

/// Judges what lies in a scope. Returns the reason why the listing is not whole.
fn compare_listing(
    wanted: &Desired,
    observation: &Observation,
    explained: &Explained<'_>,
    extra_places: &mut BTreeSet<Address>,
    found: &mut Comparison,
) -> Option<Reason> {
    wanted.scope.as_ref()?;
    let Some(listing) = &observation.listing else {
        return match &observation.observed {
            // It is something else now, which holds nothing that git could list; putting it back begins empty.
            Observed::Present(state) if is_another_type(wanted, state) => None,
            Observed::Present(_) => Some(Reason::new(
                ReasonCode::Unsupported,
                "what lies in it could not be listed",
            )),
            _ => None,
        };
    };
    let listed = Listed::of(wanted, listing);
    for member in &listing.members {
        if !covers(wanted, &member.address) {
            continue;
        }
        // What is only put right there does not go, whatever lies below it.
        let is_explained = match listed.has(member) {
            true => explained.names(&member.address),
            false => explained.explains(&member.address),
        };
        if is_explained || !extra_places.insert(member.address.clone()) {
            continue;
        }
        let id = ResourceId::new(&wanted.id.target, &member.kind.0, member.address.0.clone());
        match &member.observed {
            Observed::Absent => {
                if let Some(remedy) = &member.remedy {
                    found
                        .drifts
                        .push(missing(wanted, member, remedy, id, &listed));
                }
            }
            Observed::NotEvaluated(reason) => found.not_evaluated.push(NotEvaluated {
                resource: id,
                address: member.address.clone(),
                reason: reason.clone(),
                origin: wanted.origin.clone(),
            }),
            Observed::Present(state) => {
                found.drifts.push(extra(wanted, member, state, id, &listed));
            }
        }
    }
    match &listing.complete {
        Completeness::Complete => None,
        Completeness::Partial(reason) => Some(reason.clone()),
    }
}

fn is_another_type(wanted: &Desired, state: &State) -> bool {
    let expected = wanted.expected().and_then(|fields| fields.get("type"));
    expected.is_some() && expected != state.get("type")
}

/// Whether the baseline lists everything at that place: nothing outside the scope is ever `Extra`.
fn covers(wanted: &Desired, address: &Address) -> bool {
    match &wanted.scope {
        None => false,
        Some(scope) if scope.within.is_empty() => address.is_below(&wanted.address),
        Some(scope) => scope.within.iter().any(|place| address.is_within(place)),
    }
}

/// The members of a listing that the baseline itself lists, for a resource that does so: what is to be made of them is
/// known, so that they are `Changed` or `Missing` and never `Extra`.
struct Listed<'a> {
    wanted: &'a Desired,
    kinds: BTreeMap<&'a str, &'a Kind>,
}

impl<'a> Listed<'a> {
    fn of(wanted: &'a Desired, listing: &'a Listing) -> Self {
        let does = wanted.options.get(LISTS_ENTRIES) == Some(&Value::Bool(true));
        let members = listing.members.iter();
        Self {
            wanted,
            kinds: members
                .filter(|member| does && member.remedy.is_some())
                .map(|member| (member.address.0.as_str(), &member.kind))
                .collect(),
        }
    }

    fn has(&self, member: &Member) -> bool {
        self.kinds.contains_key(member.address.0.as_str())
    }

    /// The member that holds this one, where it differs too; else what the whole listing depends on.
    fn needs(&self, address: &Address) -> Vec<ResourceId> {
        let parent = address.0.rsplit_once('/').map(|(parent, _)| parent);
        let above = parent.and_then(|parent| self.kinds.get_key_value(parent));
        match above {
            Some((parent, kind)) => vec![ResourceId::new(
                &self.wanted.id.target,
                &kind.0,
                (*parent).to_owned(),
            )],
            None => self.wanted.depends_on.iter().cloned().collect(),
        }
    }
}

fn missing(
    wanted: &Desired,
    member: &Member,
    remedy: &State,
    id: ResourceId,
    listed: &Listed<'_>,
) -> Drift {
    Drift {
        change: Change::Missing,
        fields: all_expected(&remedy.fields),
        ..extra(wanted, member, &State::default(), id, listed)
    }
}

fn extra(
    wanted: &Desired,
    member: &Member,
    state: &State,
    id: ResourceId,
    listed: &Listed<'_>,
) -> Drift {
    let fields = match &member.remedy {
        None => all_actual(state),
        Some(remedy) => {
            let mut fields = field_drifts(&remedy.fields, state);
            fields.extend(field_drifts(&remedy.beyond, state));
            fields
        }
    };
    let (change, depends_on) = match listed.has(member) {
        true => (Change::Changed, listed.needs(&member.address)),
        false => (Change::Extra, Vec::new()),
    };
    Drift {
        resource: id,
        address: member.address.clone(),
        change,
        fields,
        before: member.observed.clone(),
        after: member.remedy.clone(),
        origin: wanted.origin.clone(),
        found_in: Some(wanted.id.clone()),
        risk: wanted.risk.clone(),
        disclose: wanted.disclose,
        sensitive: wanted.sensitive,
        controls: wanted.controls.clone(),
        depends_on,
        options: terms_of(wanted),
        one_way: wanted.one_way.clone(),
        by_hand: member.by_hand.clone(),
    }
}

/// Members are looked at in the terms of the resource that lists them.
fn terms_of(wanted: &Desired) -> Fields {
    let terms = wanted.options.get_key_value(TERMS);
    terms
        .map(|(name, value)| (name.clone(), value.clone()))
        .into_iter()
        .collect()
}

fn not_evaluated(wanted: &Desired, reason: Reason) -> NotEvaluated {
    NotEvaluated {
        resource: wanted.id.clone(),
        address: wanted.address.clone(),
        reason,
        origin: wanted.origin.clone(),
    }
}

fn exempt(found: &mut Comparison, exemptions: &[Exemption], now: Timestamp) {
    let active: Vec<_> = exemptions
        .iter()
        .filter(|exemption| exemption.expires > now)
        .map(|exemption| (exemption, Matcher::new(&exemption.selector)))
        .collect();
    if active.is_empty() {
        return;
    }
    let drifts = std::mem::take(&mut found.drifts);
    for drift in drifts {
        let covering = active.iter().find(|(_, matcher)| {
            matcher.matches(&drift.resource, &drift.address, drift.risk.level, false)
        });
        match covering {
            Some((exemption, _)) => found.exempted.push(Exempted {
                exemption: exemption.id.clone(),
                drift,
            }),
            None => found.drifts.push(drift),
        }
    }
    found
        .exempted
        .sort_by(|a, b| a.drift.resource.cmp(&b.drift.resource));
}

#[cfg(test)]
mod tests;
