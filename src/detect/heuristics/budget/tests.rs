use proptest::prelude::*;

use super::super::store::Keys;
use super::*;

fn who(number: usize) -> Key {
    Keys::new(1).of(&[&number.to_string()])
}

fn judge(budget: &mut Budget, day: i64, number: usize, score: f64) -> Verdict {
    budget.judge(day, Trust::Authenticated, who(number), score)
}

// Goal: catches one night of high scores, over midnight, that hides what comes for weeks after it.
#[test]
fn a_night_raises_no_threshold() {
    let mut budget = Budget::new(2);
    for day in 0..14 {
        for number in 0..10 {
            let flood = if day == 5 || day == 6 { 1_000.0 } else { 0.0 };
            judge(&mut budget, day, number, 3.0 + flood);
        }
    }
    assert_eq!(judge(&mut budget, 14, 99, 4.0), Verdict::Raise(3.0));
}

// Goal: catches scores of a source that anybody can write, which take the place of those of one that is proven.
#[test]
fn less_believed_scores_take_no_place() {
    let mut budget = Budget::new(2);
    for number in 0..100 {
        budget.judge(1, Trust::Unauthenticated, who(number), 1_000.0);
    }
    assert_eq!(judge(&mut budget, 1, 200, 2.0), Verdict::Raise(0.0));
    assert_eq!(judge(&mut budget, 2, 200, 2.0), Verdict::Raise(0.0));
    assert_eq!(
        budget.judge(2, Trust::HostWritten, who(201), 1.5),
        Verdict::Raise(0.0)
    );
    assert_eq!(
        budget.judge(2, Trust::HostWritten, who(202), 1.4),
        Verdict::OverBudget
    );
    assert_eq!(budget.over(), 98 + 1);
}

// Goal: catches one who, told again and again on a day, takes the whole budget.
#[test]
fn one_who_counts_once() {
    let mut budget = Budget::new(2);
    for score in 2..50 {
        let verdict = judge(&mut budget, 1, 1, f64::from(score));
        assert_eq!(verdict, Verdict::Raise(0.0));
    }
    assert_eq!(judge(&mut budget, 1, 2, 3.0), Verdict::Raise(0.0));
    assert_eq!(judge(&mut budget, 1, 3, 2.5), Verdict::OverBudget);
}

proptest! {
    // Goal: catches a threshold with which a day of the learned past, but for those left out, raised more than the budget.
    #[test]
    fn the_past_would_have_kept_to_it(
        days in proptest::collection::vec(proptest::collection::vec((0..30_usize, 1..100_u8), 0..80), 1..28),
        a_day in 1..6_u32,
    ) {
        let mut budget = Budget::new(a_day);
        for (day, scores) in (0..).zip(&days) {
            budget.begin(day);
            for (number, score) in scores {
                judge(&mut budget, day, *number, f64::from(*score));
            }
        }
        let threshold = budget.threshold(days.len() as i64)[2];
        let over = days.iter().filter(|scores| {
            let told: std::collections::BTreeSet<_> = scores
                .iter()
                .filter(|(_, score)| f64::from(*score) > threshold)
                .map(|(number, _)| number)
                .collect();
            told.len() > a_day as usize
        });
        prop_assert!(over.count() <= (days.len() / 7).min(2));
    }

    // Goal: catches a state that is judged otherwise after it was saved.
    #[test]
    fn it_is_the_same_when_read_back(scores in proptest::collection::vec((0..5_i64, 0..30_usize, 0.0..50.0_f64), 0..100)) {
        let mut budget = Budget::new(3);
        for (day, number, score) in &scores {
            judge(&mut budget, *day, *number, *score);
        }
        let saved: Budget = serde_json::from_str(&serde_json::to_string(&budget).unwrap()).unwrap();
        prop_assert!(saved.is_sound());
        let mut other = Budget::new(3);
        other.restore(saved);
        prop_assert_eq!(judge(&mut budget, 9, 1, 20.0), judge(&mut other, 9, 1, 20.0));
    }
}
