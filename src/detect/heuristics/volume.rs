//! More than usual at this hour of the week: acts and failures (`rate`), and different actions, objects and actors (`distinct`).

use serde::{Deserialize, Serialize};

use super::profile::{Adds, Profiles, SavedProfiles};
use super::seen::Act;
use super::store::{Key, Keys};
use super::strange::{Strange, Why};
use crate::model::Outcome;

/// How many acts and how many failures.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    acts: Profiles,
    failures: Profiles,
}

#[derive(Debug, Deserialize)]
pub struct SavedRate {
    acts: SavedProfiles,
    failures: SavedProfiles,
}

/// How many different ones.
#[derive(Clone, Debug, Serialize)]
pub struct Distinct {
    actions: Profiles,
    objects: Profiles,
    actors: Profiles,
}

#[derive(Debug, Deserialize)]
pub struct SavedDistinct {
    actions: SavedProfiles,
    objects: SavedProfiles,
    actors: SavedProfiles,
}

fn of_actor(act: &Act, keys: &Keys) -> Option<Key> {
    let name = act.event.actor.name.as_str();
    (!name.is_empty()).then(|| keys.of(&["actor", act.believed(), &act.scope, name]))
}

fn of_address(act: &Act, keys: &Keys) -> Option<Key> {
    let network = act.network()?;
    Some(keys.of(&["address", act.believed(), &act.scope, &network]))
}

impl Rate {
    pub fn new(most: usize) -> Self {
        Self {
            acts: Profiles::new(most / 2),
            failures: Profiles::new(most / 2),
        }
    }

    pub fn look(&mut self, act: &Act, keys: &Keys, found: &mut Vec<Strange>) {
        let failed = act.event.outcome == Outcome::Failure;
        // Whoever fails may have typed any name.
        if let (false, Some(key)) = (failed, of_actor(act, keys)) {
            let above = self.acts.add(key, act.hour(), Adds::One);
            found.extend(above.map(|above| {
                Strange::new(
                    above.score,
                    Why::Above {
                        what: "acts",
                        above,
                    },
                )
            }));
        }
        let key = of_address(act, keys).or_else(|| of_actor(act, keys));
        if let (true, Some(key)) = (failed, key) {
            let above = self.failures.add(key, act.hour(), Adds::One);
            found.extend(above.map(|above| {
                let what = "failures";
                Strange::new(above.score, Why::Above { what, above }).of_address()
            }));
        }
    }

    pub fn given_up(&self) -> u64 {
        self.acts.given_up() + self.failures.given_up()
    }

    pub fn used(&self) -> usize {
        self.acts.used() + self.failures.used()
    }

    pub fn restore(&mut self, saved: SavedRate) {
        self.acts.restore(saved.acts);
        self.failures.restore(saved.failures);
    }
}

impl Distinct {
    pub fn new(most: usize) -> Self {
        Self {
            actions: Profiles::new(most / 3),
            objects: Profiles::new(most / 3),
            actors: Profiles::new(most / 3),
        }
    }

    pub fn look(&mut self, act: &Act, keys: &Keys, found: &mut Vec<Strange>) {
        let now = act.hour();
        let thing = |kind: &str, name: &str| Adds::Thing(keys.of(&[kind, name]).short());
        let actor = act.event.actor.name.as_str();
        if let Some(key) = of_actor(act, keys) {
            let adds = thing("action", &act.event.action);
            let above = self.actions.add(key, now, adds);
            let what = "different actions";
            found.extend(above.map(|above| Strange::new(above.score, Why::Above { what, above })));
            if let Some(object) = &act.event.object {
                let above = self
                    .objects
                    .add(key, now, thing(&object.kind, &object.name));
                let what = "different objects";
                found.extend(
                    above.map(|above| Strange::new(above.score, Why::Above { what, above })),
                );
            }
        }
        if let (Some(key), false) = (of_address(act, keys), actor.is_empty()) {
            let above = self.actors.add(key, now, thing("actor", actor));
            let what = "different actors from one address";
            found.extend(
                above.map(|above| {
                    Strange::new(above.score, Why::Above { what, above }).of_address()
                }),
            );
        }
    }

    pub fn given_up(&self) -> u64 {
        self.actions.given_up() + self.objects.given_up() + self.actors.given_up()
    }

    pub fn used(&self) -> usize {
        self.actions.used() + self.objects.used() + self.actors.used()
    }

    pub fn restore(&mut self, saved: SavedDistinct) {
        self.actions.restore(saved.actions);
        self.objects.restore(saved.objects);
        self.actors.restore(saved.actors);
    }
}

impl SavedRate {
    pub fn is_sound(&self) -> bool {
        self.acts.is_sound() && self.failures.is_sound()
    }
}

impl SavedDistinct {
    pub fn is_sound(&self) -> bool {
        [&self.actions, &self.objects, &self.actors]
            .into_iter()
            .all(SavedProfiles::is_sound)
    }
}
