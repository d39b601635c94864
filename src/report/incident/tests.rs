use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::model::{
    Actor, EventRef, IncidentAct, IncidentNote, Level, RecordPlace, ResourceId, RunId, TargetName,
};
use crate::report::Style;
use crate::report::samples::HOSTILE;

fn at(minute: u32) -> Timestamp {
    format!("2026-11-24T03:{minute:02}:00Z").parse().unwrap()
}

fn note(minute: u32, what: IncidentDeed) -> IncidentNote {
    IncidentNote {
        at: at(minute),
        run: RunId("20261124T031000Z-1a2b3c".to_owned()),
        what,
    }
}

/// An incident with a drift that is gone, one that is there, a hostile rule's finding, and a whole life.
fn incident() -> Incident {
    let target = TargetName("web-1".to_owned());
    let key = ResourceId::new(&target, "AuthorizedKeys", "root");
    let job = ResourceId::new(&target, "Cron", "/etc/cron.d/x");
    let mut key = Finding::on(key, "unlisted-key", Level::High);
    key.attack = vec!["T1098.004".to_owned()];
    key.evidence = vec!["A key that git does not list may log in".to_owned()];
    let mut hostile = Finding::on(job.clone(), HOSTILE, Level::Critical);
    hostile.resource = None;
    hostile.targets = vec!["host/web-1".to_owned(), HOSTILE.to_owned()];
    hostile.fingerprint = "0".repeat(32);
    hostile.actor = Some(Actor {
        name: HOSTILE.to_owned(),
        original: Some("alice".to_owned()),
        ..Actor::default()
    });
    hostile.addresses = vec!["203.0.113.9".to_owned()];
    hostile.attack = vec!["T1110".to_owned()];
    hostile.evidence = vec![HOSTILE.to_owned()];
    hostile.events = vec![EventRef {
        time: at(1),
        place: RecordPlace {
            source: HOSTILE.into(),
            line: 7,
        },
        id: Some(HOSTILE.to_owned()),
        what: HOSTILE.to_owned(),
    }];
    hostile.event_count = 12;
    (hostile.first, hostile.last) = (Some(at(1)), Some(at(4)));
    let because = hostile.fingerprint.clone();
    let all = [
        (key, true),
        (Finding::on(job, "scheduled-job", Level::Medium), false),
        (hostile, false),
    ];
    let findings: BTreeMap<_, _> = all
        .into_iter()
        .map(|(finding, gone)| {
            let seen = Seen {
                seen: at(10),
                updated: at(10),
                gone,
                finding,
            };
            (seen.finding.fingerprint.clone(), seen)
        })
        .collect();
    Incident {
        id: "inc-0123456789ab".to_owned(),
        state: IncidentState::Open,
        opened: at(10),
        findings,
        more: BTreeMap::new(),
        related: ["inc-ffffffffffff".to_owned()].into(),
        history: vec![
            note(10, IncidentDeed::Opened { findings: 3 }),
            note(10, IncidentDeed::Gone { findings: 1 }),
            note(
                20,
                IncidentDeed::Closed {
                    reason: HOSTILE.to_owned(),
                },
            ),
            note(30, IncidentDeed::Reopened { because }),
        ],
    }
}

fn done() -> Vec<IncidentAct> {
    vec![IncidentAct {
        at: at(9),
        run: RunId("20261124T031000Z-1a2b3c".to_owned()),
        resource: Some("web-1/AuthorizedKeys/root".to_owned()),
        what: format!("put done: {HOSTILE}"),
    }]
}

const PLAIN: Style = Style {
    colour: false,
    show_content: false,
    verbose: false,
    width: 0,
};

// Goal: what a responder reads, what a program reads and what is handed on do not change by accident.
#[test]
fn each_form() {
    let (incident, done) = (incident(), done());
    insta::assert_snapshot!("list", text::list(&[&incident], &PLAIN));
    insta::assert_snapshot!("text", text::one(&incident, &done, &PLAIN));
    insta::assert_snapshot!("markdown", markdown::render(&incident, &done));
    insta::assert_snapshot!("json", json::one(&incident, &done));
}

// Goal: what an attacker wrote has no meaning to a terminal, a CI runner, Markdown or HTML, in any form.
#[test]
fn nothing_hostile_gets_through() {
    let (incident, done) = (incident(), done());
    let all = [
        text::one(&incident, &done, &PLAIN),
        text::list(&[&incident], &PLAIN),
        json::one(&incident, &done),
        json::list(&[&incident]),
        markdown::render(&incident, &done),
    ];
    for out in &all {
        for line in out.lines() {
            assert!(!line.trim_start().starts_with("::"), "{line}");
        }
        assert!(
            !out.contains(['\u{1b}', '\u{202e}']) && !out.contains("##["),
            "{out}"
        );
    }
    let markdown = &all[4];
    assert!(!markdown.contains(['@', '`']), "{markdown}");
    for (at, _) in markdown.match_indices('<') {
        let rest = &markdown[at..];
        assert!(
            rest.starts_with("<code>") || rest.starts_with("</code>"),
            "{rest}"
        );
    }
    let row = |line: &&str| line.starts_with("| ");
    for line in markdown.lines().filter(row) {
        assert!([3, 5, 7].contains(&line.matches('|').count()), "{line}");
    }
}

// Goal: an incident of thousands of findings makes a report that can still be opened, and says what it leaves out.
#[test]
fn reports_are_bounded() {
    let mut incident = incident();
    let one = incident.findings.values().next().unwrap().clone();
    for n in 0..1_000 {
        let mut one = one.clone();
        one.finding.fingerprint = format!("{n:032}");
        one.finding.evidence = vec!["@".repeat(2_000); 20];
        incident
            .findings
            .insert(one.finding.fingerprint.clone(), one);
    }
    let markdown = markdown::render(&incident, &[]);
    assert_eq!(markdown.matches("findings left out here").count(), 2);
    assert!(markdown.len() < 2 << 20, "{}", markdown.len());
    let text = text::one(&incident, &[], &PLAIN);
    assert!(text.contains("findings more; -v"), "{text}");
    assert!(text.len() < 1 << 20);
}
