//! New actors, and known ones that do what they never did, from where or where they never were.

use super::novelty::{New, Novelty};
use super::seen::Act;
use super::store::Keys;
use super::strange::{Strange, Why};
use crate::model::Outcome;

/// Looks at what was done and did not fail: who is refused shows up in what fails.
pub fn look(act: &Act, keys: &Keys, known: &mut Novelty, found: &mut Vec<Strange>) {
    let actor = act.event.actor.name.as_str();
    // A message that is not understood is nobody's act.
    if act.event.outcome == Outcome::Failure || actor.is_empty() || act.event.action == "log" {
        return;
    }
    let (believed, scope, now) = (act.believed(), act.scope.as_str(), act.hour());
    let mut meet = |owner: &[&str], kind: &'static str, thing: &str| {
        let owner_key = keys.of(owner);
        let mut name = owner.to_vec();
        name.extend([kind, thing]);
        known.meet(owner_key, keys.of(&name), now)
    };
    let mut tell = |new: Option<New>, kind, thing: &str| {
        if let Some(new) = new {
            let thing = thing.to_owned();
            found.push(Strange::new(new.bits, Why::New { kind, thing, new }));
        }
    };
    let new = meet(&["scope", believed, scope], "actor", actor);
    tell(new, "actor", actor);
    let own = ["actor", believed, scope, actor];
    let new = meet(&own, "action", &act.event.action);
    tell(new, "action", &act.event.action);
    if let Some(network) = act.network() {
        let new = meet(&own, "address", &network);
        tell(new, "address", &network);
    }
    if scope.starts_with("host/") {
        let new = meet(&["everywhere", believed, actor], "host", scope);
        tell(new, "host", scope);
    }
}
