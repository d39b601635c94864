use proptest::prelude::*;

use super::super::store::{DAY, Keys};
use super::*;

fn key(name: &str) -> Key {
    Keys::new(1).of(&[name])
}

// Goal: catches a newcomer, or somebody who does something new every hour, who is as surprising as one of fixed habits.
#[test]
fn surprise_goes_by_habit() {
    let mut novelty = Novelty::new(1 << 20);
    for hour in 0..240 {
        novelty.meet(key("steady"), key("same"), hour);
        novelty.meet(key("restless"), key(&format!("new {hour}")), hour);
    }
    let mut bits = |owner: &str| {
        let thing = format!("{owner} news");
        novelty.meet(key(owner), key(&thing), 241).unwrap().bits
    };
    assert!(bits("steady") > 6.0);
    assert!(bits("restless") < 0.1);
    assert!(bits("newcomer") <= 1.0);
    assert_eq!(novelty.meet(key("steady"), key("same"), 241), None);
}

// Goal: catches one owner who takes the room of all others.
#[test]
fn an_owner_has_a_share() {
    let mut novelty = Novelty::new(1 << 18);
    novelty.meet(key("other"), key("thing"), 0);
    for number in 0..10_000 {
        novelty.meet(key("flood"), key(&number.to_string()), 0);
    }
    assert!(novelty.things.contains(key("thing")));
    assert!(novelty.given_up() > 0);
    assert!(novelty.used() < (1 << 18) / 8);
}

proptest! {
    // Goal: catches a night in which something becomes known, however often and in whatever order it comes.
    #[test]
    fn one_night_makes_nothing_known(mut hours in proptest::collection::vec(0..DAY, 1..400), sorted in any::<bool>()) {
        if sorted {
            hours.sort_unstable();
        }
        let mut novelty = Novelty::new(1 << 20);
        for hour in hours {
            prop_assert!(novelty.meet(key("owner"), key("thing"), 1_000 + hour).is_some());
        }
    }
}
