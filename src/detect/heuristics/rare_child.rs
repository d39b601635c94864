//! A program that starts one that it never started on this host.

use super::novelty::Novelty;
use super::seen::Act;
use super::store::Keys;
use super::strange::{Strange, Why};

pub fn look(act: &Act, keys: &Keys, known: &mut Novelty, found: &mut Vec<Strange>) {
    let Some((parent, child)) = &act.lineage else {
        return;
    };
    let owner = ["parent", act.believed(), &act.scope, parent];
    let thing = ["child", act.believed(), &act.scope, parent, child];
    let new = known.meet(keys.of(&owner), keys.of(&thing), act.hour());
    found.extend(new.map(|new| {
        let kind = "child process";
        let thing = format!("{child} of {parent}");
        Strange::new(new.bits, Why::New { kind, thing, new })
    }));
}
