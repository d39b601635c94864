//! One actor at two places between which nobody travels so fast.
//!
//! Where an actor is says the record itself or the team's table. The score is the speed, above what nobody exceeds. A way that was
//! made on two days so (a VPN beside an office) is known and no surprise.

use serde::{Deserialize, Serialize};

use super::places::{Places, Point};
use super::seen::Act;
use super::store::{Keys, Saved, Store, Weigh};
use super::strange::{Strange, Why};
use crate::model::{EventRef, Outcome, TravelConfig};

/// On so many days a way was made before it is known.
const KNOWN: u8 = 2;
/// Names of places are cut to so many bytes.
const MAX_NAME: usize = 256;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    latitude: f32,
    longitude: f32,
    time: i64,
    name: Box<str>,
    #[serde(skip)]
    record: Option<EventRef>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way;

impl Weigh for Way {
    fn weight(&self) -> usize {
        0
    }
}

/// See the module.
#[derive(Clone, Debug, Serialize)]
pub struct Travel {
    last: Store<Option<Last>>,
    ways: Store<Way>,
}

impl Weigh for Option<Last> {
    fn weight(&self) -> usize {
        size_of::<Self>() + MAX_NAME
    }
}

#[derive(Debug, Deserialize)]
pub struct SavedTravel {
    last: Saved<Option<Last>>,
    ways: Saved<Way>,
}

impl Travel {
    pub fn new(most: usize) -> Self {
        Self {
            last: Store::new(most / 4 * 3),
            ways: Store::new(most / 4),
        }
    }

    pub fn look(
        &mut self,
        act: &Act,
        keys: &Keys,
        places: &Places,
        config: &TravelConfig,
        found: &mut Vec<Strange>,
    ) {
        let actor = act.event.actor.name.as_str();
        if actor.is_empty() || act.event.outcome == Outcome::Failure {
            return;
        }
        let Some((point, name)) = place(act, places) else {
            return;
        };
        // A person is one on all hosts of a fleet.
        let domain = match act.scope.starts_with("host/") {
            true => "hosts",
            false => &act.scope,
        };
        let key = keys.of(&["traveller", act.believed(), domain, actor]);
        let here = Last {
            latitude: point.latitude as f32,
            longitude: point.longitude as f32,
            time: act.time.as_second(),
            name: name.clone().into(),
            record: Some(act.reference()),
        };
        let before = self.last.meet(
            key,
            act.hour(),
            || None,
            |met| met.value.replace(here),
            |_| {},
        );
        let Some(before) = before else { return };
        let from = Point {
            latitude: f64::from(before.latitude),
            longitude: f64::from(before.longitude),
        };
        let kilometres = from.distance(point) - f64::from(config.accuracy);
        let seconds = act.time.as_second().saturating_sub(before.time).abs();
        let speed = kilometres / (seconds.max(1) as f64 / 3600.0);
        if speed <= f64::from(config.speed) {
            return;
        }
        let (a, b) = match *before.name < *name {
            true => (&*before.name, name.as_str()),
            false => (name.as_str(), &*before.name),
        };
        let way = keys.of(&["way", act.believed(), domain, actor, a, b]);
        let days = self
            .ways
            .meet(way, act.hour(), || Way, |met| met.days_before, |_| {});
        if days >= KNOWN {
            return;
        }
        let why = Why::Travelled {
            from: before.name.to_string(),
            to: name,
            kilometres: kilometres + f64::from(config.accuracy),
            seconds,
            speed,
        };
        found.push(Strange {
            before: before.record.into_iter().collect(),
            ..Strange::new(speed, why)
        });
    }

    pub fn given_up(&self) -> u64 {
        self.last.given_up() + self.ways.given_up()
    }

    pub fn used(&self) -> usize {
        self.last.used() + self.ways.used()
    }

    pub fn restore(&mut self, saved: SavedTravel) {
        self.last.restore(saved.last);
        self.ways.restore(saved.ways);
    }
}

/// Where the actor was, by the record or by the table.
fn place(act: &Act, places: &Places) -> Option<(Point, String)> {
    let address = act.event.addresses.last();
    if let Some((latitude, longitude)) = act.location {
        let name = match address {
            Some(address) => address.clone(),
            None => format!("{latitude:.1}, {longitude:.1}"),
        };
        return Some((Point::new(latitude, longitude)?, short(&name)));
    }
    let address = address?;
    let (point, name) = places.of(address)?;
    Some((point, short(&format!("{address} ({name})"))))
}

fn short(name: &str) -> String {
    name.chars().take(MAX_NAME / 4).collect()
}

impl SavedTravel {
    pub fn is_sound(&self) -> bool {
        self.last.values().flatten().all(|last| {
            let point = Point::new(f64::from(last.latitude), f64::from(last.longitude));
            point.is_some() && last.name.len() <= MAX_NAME
        })
    }
}
