use super::*;
use crate::model::{
    Comparison, EventRef, Level, Mode, RecordPlace, ResourceId, TargetInfo, TargetName,
};

fn at(minute: i64) -> Timestamp {
    let base: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    base + jiff::SignedDuration::from_mins(minute)
}

fn drift(name: &str) -> Finding {
    let id = ResourceId::new(&TargetName("h1".to_owned()), "File", name);
    Finding::on(id, "unlisted-key", Level::High)
}

/// A finding with records at these minutes.
fn found(name: &str, minutes: &[i64]) -> Finding {
    let mut finding = drift(name);
    finding.resource = None;
    finding.targets = vec![format!("host/{name}")];
    finding.events = minutes
        .iter()
        .map(|minute| EventRef {
            time: at(*minute),
            place: RecordPlace {
                source: "log".into(),
                line: 1,
            },
            id: None,
            what: "x".to_owned(),
        })
        .collect();
    finding.event_count = minutes.len() as u64;
    finding.first = minutes.iter().min().map(|it| at(*it));
    finding.last = minutes.iter().max().map(|it| at(*it));
    finding
}

/// Settles findings at a minute, takes the changes in, and gives their kinds.
fn run(incidents: &mut Incidents, findings: &mut [Finding], minute: i64) -> Vec<&'static str> {
    let settled = incidents.settle(findings, at(minute));
    incidents.apply(&settled.changes, &RunId("r".to_owned()), at(minute));
    settled.changes.iter().map(|change| change.kind).collect()
}

fn close(incidents: &mut Incidents, id: &str, minute: i64) {
    let change = incidents.close(id, "looked at").unwrap();
    incidents.apply(&[change], &RunId("c".to_owned()), at(minute));
}

// Goal: a cause that is seen again lands in its incident and changes nothing; newer events are added.
#[test]
fn the_same_cause_is_the_same_incident() {
    let mut incidents = Incidents::default();
    let mut first = [found("a", &[1, 2]), drift("k")];
    assert_eq!(run(&mut incidents, &mut first, 10), [INCIDENT_OPENED; 2]);
    let id = first[0].incident.clone().unwrap();
    assert_ne!(first[1].incident.as_ref(), Some(&id));
    let mut again = [found("a", &[1, 2]), drift("k")];
    assert!(run(&mut incidents, &mut again, 20).is_empty());
    assert_eq!(again[0].incident.as_ref(), Some(&id));
    let mut newer = [found("a", &[2, 15])];
    assert_eq!(run(&mut incidents, &mut newer, 30), [INCIDENT_GREW]);
    let seen = incidents.named(&id).unwrap().timeline()[0];
    assert_eq!(seen.first(), at(1));
    assert_eq!((seen.last(), seen.finding.events.len()), (at(15), 3));
}

// Goal: what was closed stays closed while only old events come again, and is open again with the first newer one, also where
// that is older than the closing; what is new beside it opens one of its own.
#[test]
fn only_newer_events_open_again() {
    let mut incidents = Incidents::default();
    run(&mut incidents, &mut [found("a", &[1, 2])], 10);
    let id = incidents.all()[0].id.clone();
    close(&mut incidents, &id, 60);
    let mut old = [found("a", &[1, 2])];
    assert!(run(&mut incidents, &mut old, 70).is_empty());
    assert_eq!(old[0].incident.as_ref(), Some(&id));
    assert!(!incidents.named(&id).unwrap().is_open());
    let mut other = found("a", &[3]);
    other.fingerprint = "another".to_owned();
    assert_eq!(run(&mut incidents, &mut [other], 75), [INCIDENT_OPENED]);
    assert!(!incidents.named(&id).unwrap().is_open());
    let mut newer = [found("a", &[1, 2, 50])];
    assert_eq!(run(&mut incidents, &mut newer, 80), [INCIDENT_REOPENED]);
    let incident = incidents.named(&id).unwrap();
    assert!(incident.is_open());
    assert!(matches!(
        &incident.history.last().unwrap().what,
        IncidentDeed::Reopened { because } if *because == newer[0].fingerprint
    ));
    assert_eq!(
        incidents.close("inc-", "x"),
        Err(NotClosed::Unknown("inc-".into()))
    );
}

// Goal: an event that claims to come from the future does not make all that really follows old.
#[test]
fn a_claim_of_the_future_hides_nothing() {
    let mut incidents = Incidents::default();
    let far = 1_000_000;
    run(&mut incidents, &mut [found("a", &[1, far])], 10);
    let id = incidents.all()[0].id.clone();
    close(&mut incidents, &id, 60);
    assert!(run(&mut incidents, &mut [found("a", &[1, far])], 70).is_empty());
    for real in [found("a", &[1, 80, far]), found("a", &[80])] {
        let mut copy = incidents.clone();
        assert_eq!(run(&mut copy, &mut [real], 90), [INCIDENT_REOPENED]);
    }
}

// Goal: what differed and is put right is told to be gone, once; when it comes back it opens its incident again.
#[test]
fn what_is_put_right_and_comes_back_is_new() {
    let mut incidents = Incidents::default();
    run(&mut incidents, &mut [drift("k")], 10);
    let id = incidents.all()[0].id.clone();
    let target = |name: &str| TargetInfo {
        name: TargetName(name.to_owned()),
        description: String::new(),
        committed_mode: Mode::Observe,
        mode: Mode::Observe,
    };
    let clean = Comparison::default();
    let looked = |incidents: &Incidents, name: &str, still: &[Finding]| {
        incidents.gone(&clean, &[target(name)], still)
    };
    // Another target, or still there.
    assert!(looked(&incidents, "h2", &[]).is_empty());
    assert!(looked(&incidents, "h1", &[drift("k")]).is_empty());
    let gone = looked(&incidents, "h1", &[]);
    assert_eq!(gone.len(), 1);
    close(&mut incidents, &id, 20);
    assert!(run(&mut incidents, &mut [drift("k")], 30).is_empty());
    incidents.apply(&gone, &RunId("r".to_owned()), at(40));
    assert!(looked(&incidents, "h1", &[]).is_empty());
    let mut back = [drift("k")];
    assert_eq!(run(&mut incidents, &mut back, 50), [INCIDENT_REOPENED]);
    assert!(run(&mut incidents, &mut back, 60).is_empty());
}

// Goal: a flood opens a bounded number of incidents, the worst of them, says so, and one that grows without end is known in
// full and kept in part.
#[test]
fn a_flood_is_bounded_and_told() {
    let mut incidents = Incidents::default();
    let mut flood: Vec<_> = (0..300).map(|n| found(&format!("h{n}"), &[1])).collect();
    flood[299].level = Level::Critical;
    flood[0].level = Level::Low;
    let settled = incidents.settle(&mut flood, at(10));
    assert_eq!(settled.changes.len(), 100);
    assert!(
        settled.notices[0].starts_with("199 more"),
        "{:?}",
        settled.notices
    );
    assert!(flood[299].incident.is_some() && flood[0].incident.is_none());
    let mut many: Vec<_> = (0..3_000)
        .map(|n| {
            let mut one = found("h1", &[n % 50]);
            one.fingerprint = format!("{n:032}");
            one
        })
        .collect();
    assert_eq!(run(&mut incidents, &mut many, 60), [INCIDENT_OPENED]);
    let id = incidents.all()[0].id.clone();
    let incident = incidents.named(&id).unwrap();
    assert_eq!(
        (incident.findings.len(), incident.more.len()),
        (1_000, 2_000)
    );
    assert!(run(&mut incidents, &mut many, 70).is_empty());
    close(&mut incidents, &id, 80);
    assert!(run(&mut incidents, &mut many, 90).is_empty());
}

// Goal: findings whose every text is as long as it can be make no record that the journal refuses, and none is forgotten.
#[test]
fn a_record_is_never_too_large() {
    let long = "\u{1F600}".repeat(10_000);
    let minutes: Vec<_> = (0..20).collect();
    let mut many: Vec<_> = (0..1_500)
        .map(|n| {
            let mut one = found("h1", &minutes);
            one.fingerprint = format!("{n:032}");
            one.evidence = vec![long.clone(); 3];
            one.events
                .iter_mut()
                .for_each(|event| event.what.clone_from(&long));
            one.events.truncate(5);
            one.addresses = vec![long.clone(); 20];
            one
        })
        .collect();
    let settled = Incidents::default().settle(&mut many, at(60));
    let bytes: usize = settled
        .changes
        .iter()
        .map(|it| it.payload.to_string().len())
        .sum();
    assert!(bytes < 20 << 20, "{bytes}");
    let mut incidents = Incidents::default();
    incidents.apply(&settled.changes, &RunId("r".to_owned()), at(60));
    assert_eq!(incidents.all()[0].count(), 1_500);
    assert!(run(&mut incidents, &mut many, 70).is_empty());
}
