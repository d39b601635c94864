use proptest::prelude::*;

use super::super::store::Keys;
use super::*;

fn key(name: &str) -> Key {
    Keys::new(1).of(&[name])
}

fn acts(profiles: &mut Profiles, name: &str, hour: Hour, count: u32) -> Option<Above> {
    let mut above = None;
    for _ in 0..count {
        above = profiles.add(key(name), hour, Adds::One);
    }
    above
}

/// Four weeks on which `name` is busy at nine and quiet otherwise.
fn weeks(profiles: &mut Profiles, name: &str) {
    for hour in 0..4 * WEEK {
        let count = if hour % DAY == 9 { 200 } else { 4 };
        acts(profiles, name, hour, count + (hour % 3) as u32);
    }
}

// Goal: catches a rush hour that is told, and the same count at night that is not.
#[test]
fn it_goes_by_the_hour_of_the_week() {
    let mut profiles = Profiles::new(1 << 20);
    weeks(&mut profiles, "job");
    let start = 4 * WEEK;
    let at_three = acts(&mut profiles, "job", start + 3, 210).unwrap();
    assert!(at_three.score > 4.0, "{at_three:?}");
    assert_eq!(at_three.weeks, 4);
    let at_nine = acts(&mut profiles, "job", start + 9, 210);
    assert!(at_nine.is_none_or(|above| above.score < 1.0), "{at_nine:?}");
}

// Goal: catches a flood of one night that makes the next one usual.
#[test]
fn a_night_teaches_little() {
    let mut profiles = Profiles::new(1 << 20);
    weeks(&mut profiles, "job");
    let start = 4 * WEEK;
    for hour in 0..8 {
        acts(&mut profiles, "job", start + hour, 50_000);
    }
    for (later, least) in [(DAY, 3.0), (WEEK, 3.0)] {
        let again = acts(&mut profiles, "job", start + later + 3, 50_000).unwrap();
        assert!(again.score > least, "{again:?}");
    }
}

// Goal: catches an hour in the future, as whoever writes a log can make one up, that keeps later hours from being counted.
#[test]
fn an_hour_in_the_future_does_no_harm() {
    let mut profiles = Profiles::new(1 << 20);
    weeks(&mut profiles, "job");
    acts(&mut profiles, "job", 1_000_000, 1);
    let above = acts(&mut profiles, "job", 4 * WEEK + 3, 500).unwrap();
    assert!(above.score > 3.0, "{above:?}");
}

// Goal: catches things that are counted twice, and a count of many that is far off.
#[test]
fn different_things_are_counted_once() {
    let keys = Keys::new(1);
    for count in [1_u32, 63, 64, 500, 20_000] {
        let mut open = Open::default();
        for number in (0..count).chain(0..count) {
            open.add(Adds::Thing(keys.of(&[&number.to_string()]).short()));
        }
        let off = (open.counted() / f64::from(count) - 1.0).abs();
        assert!(
            off < if count < 64 { 1e-9 } else { 0.4 },
            "{count}: {}",
            open.counted()
        );
    }
}

proptest! {
    // Goal: catches a number that is none, or a state that is refused when it is read back.
    #[test]
    fn any_history_is_sound(steps in proptest::collection::vec((any::<i64>(), any::<u64>(), 0..3_u8), 0..200)) {
        let mut profiles = Profiles::new(1 << 16);
        for (hour, thing, kind) in steps {
            let hour = if kind == 0 { hour } else { hour.rem_euclid(3 * WEEK) };
            let adds = if kind == 1 { Adds::One } else { Adds::Thing(thing) };
            if let Some(above) = profiles.add(key(&(thing % 4).to_string()), hour, adds) {
                prop_assert!(above.score.is_finite() && above.usual.is_finite());
            }
        }
        let text = serde_json::to_string(&profiles).unwrap();
        let saved: SavedProfiles = serde_json::from_str(&text).unwrap();
        prop_assert!(saved.is_sound());
        let mut other = Profiles::new(1 << 16);
        other.restore(saved);
        prop_assert_eq!(serde_json::to_string(&other).unwrap(), text);
    }
}
