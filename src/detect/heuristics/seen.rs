//! One act as heuristics see it.

use core::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use super::store::{DAY, Hour};
use crate::detect::collect::scope;
use crate::events::formats::{lineage, location};
use crate::model::{Event, EventRef, Record, RecordPlace, Trust};

/// Names are cut to this many bytes: an attacker chooses some of them.
const MAX_NAME: usize = 512;

/// What a record says was done, without the record.
#[derive(Clone, Debug)]
pub struct Act {
    pub time: Timestamp,
    pub place: RecordPlace,
    pub id: Option<Arc<str>>,
    pub trust: Trust,
    /// Where it happened: a host, an account, a log.
    pub scope: String,
    pub event: Event,
    /// A program that started another, and that other.
    pub lineage: Option<(String, String)>,
    /// Where the record says that the actor was.
    pub location: Option<(f64, f64)>,
}

impl Act {
    /// What a record and its event say.
    pub fn new(record: &Record, event: Event) -> Self {
        let mut event = event;
        for name in [&mut event.actor.name, &mut event.action] {
            cut(name);
        }
        event.actor.name = without_session(event.actor.name);
        event.actor.agent = None;
        event.addresses.truncate(4);
        event.addresses.iter_mut().for_each(cut);
        if let Some(object) = &mut event.object {
            cut(&mut object.name);
        }
        let short = |name: &str| {
            let mut name = name.to_owned();
            cut(&mut name);
            name
        };
        Self {
            time: record.time,
            place: record.place.clone(),
            id: record.id.clone(),
            trust: record.trust,
            scope: scope(record),
            lineage: lineage(record).map(|(parent, child)| (short(parent), short(child))),
            location: location(record),
            event,
        }
    }

    /// Hours since 1970.
    pub fn hour(&self) -> Hour {
        self.time.as_second().div_euclid(3600)
    }

    pub fn day(&self) -> i64 {
        self.hour().div_euclid(DAY)
    }

    /// How far it is believed, for keys: what is less believed teaches nothing about what is more believed.
    pub fn believed(&self) -> &'static str {
        match self.trust {
            Trust::Unauthenticated => "0",
            Trust::HostWritten => "1",
            Trust::Authenticated => "2",
        }
    }

    /// The network of where it came from: an IPv4 address, the half of an IPv6 address that a host does not choose, or a name.
    /// The last of several addresses, since those before it are what the caller said.
    pub fn network(&self) -> Option<String> {
        let address = self.event.addresses.last()?;
        Some(match address.parse() {
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            _ => address.clone(),
        })
    }

    /// The record, as a finding names it.
    pub fn reference(&self) -> EventRef {
        EventRef {
            time: self.time,
            place: self.place.clone(),
            id: self.id.as_deref().map(str::to_owned),
            what: self.event.action.clone(),
        }
    }

    /// About how many bytes it takes while it waits.
    pub fn weight(&self) -> usize {
        let event = &self.event;
        let addresses: usize = event.addresses.iter().map(|it| it.len() + 24).sum();
        let object = event.object.as_ref();
        size_of::<Self>()
            + self.scope.len()
            + event.actor.name.len()
            + event.action.len()
            + object.map_or(0, |object| object.kind.len() + object.name.len())
            + addresses
            + self.lineage.as_ref().map_or(0, |(a, b)| a.len() + b.len())
    }
}

/// An assumed role by its name alone: sessions are named anew each time, by who assumes it.
fn without_session(name: String) -> String {
    let Some(start) = name.find(":assumed-role/") else {
        return name;
    };
    let role = start + ":assumed-role/".len();
    match name[role..].find('/') {
        Some(end) => name[..role + end].to_owned(),
        None => name,
    }
}

fn cut(name: &mut String) {
    if name.len() > MAX_NAME {
        let mut end = MAX_NAME;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
}
