//! Who is behind one record: the login it goes back to, whether that is somebody known, and what speaks against them.

use crate::detect::logins::{Logins, Said};
use crate::events::formats;
use crate::model::{Actor, Event, EventRef, Format, Known, Party, Record, Trust};

/// So many failures before a success are no typing error.
const GUESSED: u32 = 3;

/// Somebody, as a record and the login behind it say.
pub(super) struct Behind<'a> {
    pub(super) event: Event,
    /// The party that it is, where all that is said fits; that it is proven is for the trust to say.
    pub(super) party: Option<&'a Party>,
    pub(super) addresses: Vec<String>,
    pub(super) fingerprint: Option<String>,
    pub(super) login_method: Option<String>,
    pub(super) program: Option<String>,
    pub(super) login: Vec<EventRef>,
    /// Of the least believed record of all that count.
    pub(super) trust: Trust,
    pub(super) against: Vec<String>,
}

/// Looks for who is behind a record.
pub(super) fn behind<'a>(record: &Record, logins: &Logins, known: &'a Known) -> Behind<'a> {
    match record.format {
        Format::KubernetesAudit | Format::CloudTrail => of_call(record, known),
        _ => of_host(record, logins, known),
    }
}

fn of_call<'a>(record: &Record, known: &'a Known) -> Behind<'a> {
    let event = formats::event(record);
    let Actor { name, original, .. } = &event.actor;
    // Who plays another was authenticated as themselves.
    let own = original.as_deref().unwrap_or(name).to_owned();
    let mut parties = known.controllers.iter().chain(&known.people);
    let named = parties.find(|party| party.is(&own));
    let origin = known.origin(&event.addresses).map(str::to_owned);
    let mut against = Vec::new();
    match (named, &origin) {
        (None, _) => against.push(format!("{own} is nobody known")),
        (Some(party), Some(origin)) if !party.comes_from(origin) => against.push(format!(
            "{origin} is no address that {} comes from",
            party.name
        )),
        _ => {}
    }
    let is_whole = against.is_empty() && origin.is_some();
    Behind {
        party: named.filter(|_| is_whole),
        addresses: origin.into_iter().collect(),
        fingerprint: None,
        login_method: None,
        program: None,
        login: Vec::new(),
        trust: record.trust,
        against,
        event,
    }
}

fn of_host<'a>(record: &Record, logins: &Logins, known: &'a Known) -> Behind<'a> {
    let event = formats::event(record);
    let said = logins.behind(record);
    let all = |part: fn(&Said) -> Option<&String>| -> Vec<String> {
        let mut all: Vec<String> = said.iter().filter_map(|said| part(said)).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    let users = all(|said| said.user.as_ref());
    let addresses = all(|said| said.address.as_ref());
    let fingerprints = all(|said| said.fingerprint.as_ref());
    let methods = all(|said| said.method.as_ref());
    let user = event.actor.original.as_ref().unwrap_or(&event.actor.name);
    let mut against = contradictions(user, [&users, &addresses, &fingerprints]);
    let mut parties = known.people.iter().chain(&known.controllers);
    let party = match fingerprints.first() {
        Some(print) => parties.find(|party| party.is(user) && party.keys.contains(print)),
        None => parties.find(|party| party.is(user)),
    };
    if let (Some(print), None) = (fingerprints.first(), party) {
        against.push(format!("the key {print} is nobody's who logs in as {user}"));
    }
    for address in &addresses {
        let mut who = known.people.iter().chain(&known.controllers);
        let is_known = match party {
            Some(party) => party.comes_from(address),
            None => who.any(|party| party.is(user) && party.comes_from(address)),
        };
        if !is_known {
            against.push(format!("{address} is no address that {user} comes from"));
        }
    }
    let failures = said.iter().map(|said| said.failures).max().unwrap_or(0);
    if failures >= GUESSED {
        against.push(format!(
            "{failures} failed logins of {user} from the same address came before"
        ));
    }
    // A password may be anybody's by now; a key and the place it was used from say who.
    let is_whole = against.is_empty() && fingerprints.len() == 1 && addresses.len() == 1;
    let trust = said.iter().map(|said| said.trust).min();
    Behind {
        party: party.filter(|_| is_whole),
        addresses,
        fingerprint: fingerprints.into_iter().next(),
        login_method: methods.into_iter().next(),
        program: said.iter().find_map(|said| said.program.clone()),
        login: said.iter().map(|said| said.reference.clone()).collect(),
        trust: trust.map_or(record.trust, |trust| trust.min(record.trust)),
        against,
        event,
    }
}

/// What the records of one login say differently.
fn contradictions(user: &str, [users, addresses, prints]: [&[String]; 3]) -> Vec<String> {
    let mut against = Vec::new();
    for (what, all) in [("users", users), ("addresses", addresses), ("keys", prints)] {
        if all.len() > 1 {
            against.push(format!(
                "records of one login name different {what}: {}",
                all.join(", ")
            ));
        }
    }
    if let [other] = users
        && other != user
    {
        against.push(format!(
            "the record says that {user} logged in, the login says {other}"
        ));
    }
    against
}
