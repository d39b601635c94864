//! Tests of choosing what to adopt.

use super::*;
use crate::model::{Address, Fields, Level, Observed, Risk, Span, State};

fn drift(target: &str, name: &str) -> Drift {
    Drift {
        resource: ResourceId::new(&TargetName(target.into()), "File", name),
        address: Address("/etc/x".into()),
        change: Change::Changed,
        fields: Vec::new(),
        before: Observed::Present(State::default()),
        after: Some(State::default()),
        origin: Span {
            file: "web-1/etc.yaml".into(),
            line: 1,
            column: 1,
        },
        found_in: None,
        risk: Risk::default(),
        disclose: true,
        sensitive: false,
        controls: Vec::new(),
        depends_on: Vec::new(),
        options: Fields::new(),
        one_way: None,
        by_hand: None,
    }
}

fn comparison() -> Comparison {
    Comparison {
        drifts: vec![
            drift("web-1", "motd"),
            drift("web-1", "hosts"),
            drift("web-2", "motd"),
        ],
        clean: vec![drift("web-1", "sshd").resource],
        ..Comparison::default()
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn refusals(named: &[&str], findings: &[Finding]) -> Vec<String> {
    let all = comparison();
    let (_, problems) = choose(&words(named), &all, findings);
    let with_hint = |problem: &Problem| {
        let hint = problem.hint.clone().unwrap_or_default();
        format!("{problem} ({hint})")
    };
    problems.0.iter().map(with_hint).collect()
}

fn finding(resource: &ResourceId, level: Level) -> Finding {
    Finding {
        id: "f-1".into(),
        ..Finding::on(resource.clone(), "unlisted-key", level)
    }
}

// Goal: whichever way a resource is named, it is chosen once.
#[test]
fn every_way_of_naming() {
    let all = comparison();
    let print = all.drifts[0].fingerprint();
    let named = ["web-1/File/motd", &print, "hosts", "File/hosts"];
    let (chosen, problems) = choose(&words(&named), &all, &[]);
    assert!(problems.is_empty());
    let ids: Vec<_> = chosen.iter().map(|it| it.resource.to_string()).collect();
    assert_eq!(ids, ["web-1/File/hosts", "web-1/File/motd"]);
}

// Goal: everything that is wrong with what was named is said at once, with the way on.
#[test]
fn every_refusal_at_once() {
    let said = refusals(&["File/motd", "sshd", "File/host", "nothing-like-it"], &[]);
    insta::assert_snapshot!(said.join("\n"));
}

// Goal: what an attacker may have made never becomes the baseline, however slight the indicator; an indicator on another
// resource is no hindrance.
#[test]
fn an_open_indicator_refuses() {
    let all = comparison();
    for level in [Level::Informational, Level::Critical] {
        let on_it = [finding(&all.drifts[1].resource, level)];
        let said = refusals(&["hosts", "web-1/File/motd"], &on_it);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(
                "web-1/File/hosts has an open indicator of compromise (unlisted-key, finding f-1)"
            ),
            "{said:?}"
        );
        assert!(
            choose(&words(&["web-2/File/motd"]), &all, &on_it)
                .1
                .is_empty()
        );
    }
}
