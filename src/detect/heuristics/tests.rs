use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Actor, Event, Format, Object, Outcome, Record, TimeBasis, Trust};

fn config(learn_days: u32) -> HeuristicsConfig {
    HeuristicsConfig {
        learn_days,
        memory_mib: 1,
        budgets: Heuristic::ALL.into_iter().map(|it| (it, 2)).collect(),
        ..HeuristicsConfig::default()
    }
}

fn fresh(learn_days: u32) -> Heuristics {
    let places = Places::read("192.0.2.0/25,52.5,13.4,a\n192.0.2.128/25,35.7,139.7,b\n").unwrap();
    Heuristics::new(config(learn_days), places).unwrap()
}

/// An act at a second, by numbers.
fn act(second: i64, line: u64, numbers: [u8; 4], trust: Trust) -> Act {
    let [actor, action, address, outcome] = numbers;
    let record = Record {
        format: Format::Ocsf,
        place: RecordPlace {
            source: "x".into(),
            line,
        },
        trust,
        time: Timestamp::from_second(1_772_400_000 + second).unwrap(),
        basis: TimeBasis::Stated,
        id: None,
        host: Some("h1".into()),
        body: json!({"class_uid": 1007, "activity_id": 1, "process": {"name": format!("c{action}"), "parent_process": {"name": format!("p{actor}")}}}),
    };
    let event = Event {
        actor: Actor {
            name: format!("u{actor}"),
            ..Actor::default()
        },
        action: format!("a{action}"),
        object: Some(Object {
            kind: "o".to_owned(),
            name: format!("{action}-{address}"),
        }),
        outcome: match outcome % 3 {
            0 => Outcome::Failure,
            _ => Outcome::Success,
        },
        addresses: vec![format!("192.0.2.{address}")],
    };
    Act::new(&record, event)
}

fn run(mut heuristics: Heuristics, acts: Vec<Act>) -> (Vec<Finding>, Heuristics) {
    acts.into_iter().for_each(|act| heuristics.take(act));
    let (findings, _) = heuristics.finish();
    (findings, heuristics)
}

fn some_acts() -> impl Strategy<Value = Vec<Act>> {
    let step = (0..10 * 86_400_i64, any::<[u8; 4]>(), 0..2_u8);
    proptest::collection::vec(step, 1..200).prop_map(|steps| {
        let acts = steps.into_iter().zip(1..);
        acts.map(|((second, numbers, trust), line)| {
            let trust = [Trust::HostWritten, Trust::Authenticated][usize::from(trust)];
            act(second, line, numbers.map(|it| it % 6), trust)
        })
        .collect()
    })
}

proptest! {
    // Goal: catches a result that depends on the order in which records come, or on anything but them and the seed.
    #[test]
    fn order_does_not_matter(acts in some_acts(), cut in any::<prop::sample::Index>()) {
        let (findings, state) = run(fresh(1), acts.clone());
        let mut mixed = acts.clone();
        mixed.rotate_left(cut.index(acts.len()));
        let (other, mixed) = run(fresh(1), mixed);
        prop_assert_eq!(findings, other);
        prop_assert!(state.learned() == mixed.learned());
        prop_assert!(state.state.first_seen.as_ref().unwrap().days.len() <= 3);
    }

    // Goal: catches a day of learning on which something is raised.
    #[test]
    fn learning_raises_nothing(acts in some_acts()) {
        let (findings, _) = run(fresh(11), acts);
        prop_assert_eq!(findings, []);
    }

    // Goal: catches a state that is another one after it was saved and read.
    #[test]
    fn what_is_saved_is_read_back(acts in some_acts()) {
        let (_, state) = run(fresh(1), acts);
        let file = state.learned();
        let mut other = fresh(1);
        other.restore(read(&file).unwrap()).unwrap();
        prop_assert!(other.learned() == file);
    }

    // Goal: catches a panic, or a file that is taken though it is not what was written.
    #[test]
    fn a_changed_file_is_refused(acts in some_acts(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (_, state) = run(fresh(1), acts);
        let file = state.learned();
        let mut changed = file.clone();
        let at = at.index(file.len());
        if cut {
            changed.truncate(at);
        } else {
            changed[at] = byte;
        }
        prop_assert!(changed == file || read(&changed).is_err());
    }
}

/// A file of a body of somebody's own making, with the right digest.
fn forged(body: &str) -> Vec<u8> {
    format!(
        "evenkeel-learned 1 {}\n{body}",
        blake3::hash(body.as_bytes()).to_hex()
    )
    .into_bytes()
}

// Goal: catches numbers in a state file with a right digest that cannot have been learned, or that make it panic.
#[test]
fn a_hostile_file_is_refused() {
    let key = "0".repeat(32);
    let owner = |active: &str, last: &str| {
        format!(
            r#"{{"seed":1,"first_seen":{{"days":[],"budget":{{"days":[]}},"state":{{"owners":[["{key}",{{"days":255,"counted":{last},"last":{last},"value":{{"active":{active},"novel":0,"last":{last},"last_novel":0,"held":0}}}}]],"things":[]}}}}}}"#
        )
    };
    let sound = read(&forged(&owner("5", "-9223372036854775808"))).unwrap();
    let mut heuristics = fresh(0);
    heuristics.restore(sound).unwrap();
    run(heuristics, vec![act(0, 1, [1; 4], Trust::Authenticated)]);
    let cells = |cell: &str| {
        format!(
            r#"{{"seed":1,"rate":{{"days":[],"budget":{{"days":[]}},"state":{{"acts":{{"profiles":[["{key}",{{"days":1,"counted":0,"last":0,"value":{{"since":0,"open":{{"hour":0,"count":1,"sketch":[]}},"cells":[{cell}],"active":{{"n":1,"mean":0,"var":0}},"ceiling":{{"most":null,"highest":0,"since":0}}}}}}]],"everybody":{{"n":1,"mean":0,"var":0}},"ceiling":{{"most":null,"highest":0,"since":0}}}},"failures":{{"profiles":[],"everybody":{{"n":1,"mean":0,"var":0}},"ceiling":{{"most":null,"highest":0,"since":0}}}}}}}}}}"#
        )
    };
    assert!(read(&forged(&cells("[1,0,1,0.5,0.5]"))).is_ok());
    for body in [
        owner("4000000000", "0"),
        cells("[200,0,1,0.5,0.5]"),
        cells("[1,0,9,0.5,0.5]"),
        cells("[1,0,1,1e39,0.5]"),
        cells("[1,0,1,0.5,-1]"),
        cells("[2,0,1,0,0],[1,0,1,0,0]"),
        r#"{"seed":1,"first_seen":{"days":[],"budget":{"days":[{"day":1,"top":[[[1e39,"00000000000000000000000000000000"]],[],[]]}]},"state":{"owners":[],"things":[]}}}"#.to_owned(),
        r#"{"seed":1,"else":1}"#.to_owned(),
        "[".repeat(100_000),
        String::new(),
    ] {
        let why = read(&forged(&body)).map(|_| ()).unwrap_err();
        assert!(matches!(why, LearnedError::Unsound(_) | LearnedError::Malformed(_)), "{body}: {why}");
        assert!(!why.hint().is_empty());
    }
    assert_eq!(
        read(b"evenkeel-learned 2 x\n").map(|_| ()),
        Err(LearnedError::Version("2".to_owned()))
    );
    assert_eq!(read(b"{}").map(|_| ()), Err(LearnedError::Other));
    let other = read(&forged(r#"{"seed":7}"#)).unwrap();
    assert_eq!(fresh(0).restore(other), Err(LearnedError::Seed(7, 1)));
}

// Goal: catches state that grows with what an attacker makes up, and a loss that nobody is told of.
#[test]
fn memory_is_bounded() {
    let mut heuristics = fresh(0);
    for number in 0..30_000_i64 {
        let mut act = act(
            number,
            number.unsigned_abs(),
            [0, 0, 0, 1],
            Trust::HostWritten,
        );
        act.event.actor.name = format!("u{number}");
        act.event.action = format!("a{number}");
        act.event.addresses = vec![format!(
            "10.{}.{}.{}",
            number >> 16,
            number >> 8 & 255,
            number & 255
        )];
        act.lineage = Some((format!("p{number}"), "c".to_owned()));
        heuristics.take(act);
        assert!(heuristics.waiting_bytes <= heuristics.most_waiting);
    }
    let (findings, notices) = heuristics.finish();
    assert!(heuristics.used() <= 1 << 19, "{}", heuristics.used());
    for heuristic in [Heuristic::FirstSeen, Heuristic::Rate, Heuristic::RareChild] {
        let words = format!("heuristics: {} forgot", heuristic.name());
        assert!(
            notices.iter().any(|notice| notice.starts_with(&words)),
            "{notices:?}"
        );
    }
    assert!(findings.len() < 200, "{}", findings.len());
    assert!(heuristics.learned().len() <= 2 << 20);
}

// Goal: catches a source that anybody can write, which teaches what is usual in one that is proven.
#[test]
fn what_is_less_believed_teaches_nothing() {
    let steady = |trust| {
        let hours = (0..240_i64).zip(1..);
        hours.map(move |(hour, line)| act(hour * 3600, line, [1, 1, 1, 1], trust))
    };
    let new = |trust, from: u64| {
        (0..4_i64).map(move |day| {
            act(
                4000 + day * 90_000,
                1000 + from + day.unsigned_abs(),
                [1, 9, 1, 1],
                trust,
            )
        })
    };
    let last = || act(240 * 3600, 5000, [1, 9, 1, 1], Trust::Authenticated);
    let told = |acts: Vec<Act>| {
        let config = HeuristicsConfig {
            budgets: [(Heuristic::FirstSeen, 2)].into(),
            ..config(10)
        };
        run(Heuristics::new(config, Places::default()).unwrap(), acts).0
    };
    let forged: Vec<_> = steady(Trust::Authenticated)
        .chain(new(Trust::HostWritten, 0))
        .chain([last()])
        .collect();
    assert_eq!(told(forged).len(), 1);
    let learned: Vec<_> = steady(Trust::Authenticated)
        .chain(new(Trust::Authenticated, 0))
        .chain([last()])
        .collect();
    assert_eq!(told(learned), []);
}

// Goal: catches records later than the watermark that are passed over, so that who delays a log is not looked at.
#[test]
fn what_is_late_is_looked_at() {
    let mut heuristics = fresh(0);
    for hour in 0..100 {
        heuristics.take(act(hour * 3600, 1, [1, 1, 1, 1], Trust::Authenticated));
    }
    heuristics.until(Timestamp::MAX);
    heuristics.take(act(99 * 3600, 2, [1, 9, 1, 1], Trust::Authenticated));
    let (findings, notices) = heuristics.finish();
    assert!(
        findings
            .iter()
            .any(|finding| finding.indicator == "first-seen")
    );
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains("1 records came later"))
    );
}
