use proptest::prelude::*;

use super::*;

struct Weighs(usize);

impl Weigh for Weighs {
    fn weight(&self) -> usize {
        self.0
    }
}

fn key(number: u64) -> Key {
    Keys::new(1).of(&[&number.to_string()])
}

fn meet(store: &mut Store<Weighs>, number: u64, now: Hour) -> u8 {
    let fresh = || Weighs(40);
    store.meet(key(number), now, fresh, |met| met.days_before, |_| {})
}

// Goal: catches a flood of new things that pushes out what was met on two days, and a loss that is not counted.
#[test]
fn a_flood_takes_only_the_place_of_newcomers() {
    let mut store = Store::new(100 * (SLOT + 40));
    for day in 0..2 {
        for number in 0..60 {
            meet(&mut store, number, day * DAY);
        }
    }
    for (number, hour) in (1_000..100_000).zip(2 * DAY..) {
        meet(&mut store, number, hour);
    }
    assert!((0..60).all(|number| store.contains(key(number))));
    assert!(store.contains(key(99_999)), "the newest newcomer stays");
    assert_eq!(store.given_up(), 99_000 - 40);
    assert!(store.used() <= 100 * (SLOT + 40));
}

// Goal: catches a night of records that counts as several days, and a time in the future that keeps all later days from counting.
#[test]
fn a_day_counts_once() {
    let mut store = Store::new(1 << 20);
    for hour in 0..24 {
        meet(&mut store, 1, 100 + hour);
    }
    assert_eq!(meet(&mut store, 1, 123), 1);
    assert_eq!(meet(&mut store, 1, 124), 1, "this one begins the second");
    assert_eq!(meet(&mut store, 1, 125), 2);
    meet(&mut store, 1, 1_000_000);
    let before = meet(&mut store, 1, 126);
    assert_eq!(meet(&mut store, 1, 126 + DAY), before);
    assert_eq!(meet(&mut store, 1, 127 + DAY), before + 1);
}

proptest! {
    // Goal: catches bytes that are not counted back, so that the store fills up or outgrows its bound.
    #[test]
    fn its_bound_holds(steps in proptest::collection::vec((0..50_u64, 0..200_i64, 0..2_000_usize), 0..300)) {
        let most = 10_000;
        let mut store = Store::new(most);
        for (number, now, weight) in steps {
            store.meet(key(number), now, || Weighs(0), |met| met.value.0 = weight, |_| {});
            let held: usize = store.slots.values().map(|slot| SLOT + slot.value.0).sum();
            prop_assert_eq!(held, store.used());
            prop_assert!(held <= most);
            prop_assert_eq!(store.order.len(), store.slots.len());
        }
    }
}
