//! What is started in a worker's place may be anything. It costs its own host, within a time and within memory, and
//! nothing else.

use std::time::Duration;

use evenkeel::model::{Observed, TargetName};
use evenkeel::ports::{ActError, Provider};
use evenkeel::providers::remote::{RemoteConfig, RemoteHost};

use super::super::host::fixture::{Fixture, block};
use super::Process;

const MANIFEST: &str = r#"
kind: File
name: conf
spec: { path: /etc/conf, mode: "0644", content: "good\n" }
"#;

fn behind(script: &str) -> RemoteHost {
    let process = Process(["sh", "-c", script].map(str::to_owned).to_vec());
    let config = RemoteConfig {
        root: "/".into(),
        ignore: vec![],
        validate_commands: vec![],
        timeout: Duration::from_millis(500),
        lock_wait: None,
        idle: Duration::from_secs(60),
        way_in: None,
        own: vec![],
    };
    RemoteHost::new(TargetName("t".into()), Box::new(process), config)
}

/// Why the one resource could not be evaluated.
fn reason(script: &str) -> String {
    let fixture = Fixture::new();
    let desired = fixture.desired(MANIFEST);
    let host = behind(script);
    let snapshot = block(host.observe(&desired));
    let step = &fixture.look(MANIFEST).plan.groups[0].steps[0];
    let captured = block(host.capture(step, 10));
    assert!(matches!(captured, Err(ActError::Lost(_))), "{captured:?}");
    match &snapshot.observations[&desired[0].id].observed {
        Observed::NotEvaluated(reason) => reason.text.clone(),
        other => panic!("{other:?}"),
    }
}

// Goal: garbage, silence, floods and lies about lengths each end in a sentence that says what it was; none hangs, none
// fills the memory, and control characters of a host never reach a terminal.
#[test]
fn each_ends_in_a_sentence() {
    let said = |script: &str| reason(script).replace("the worker on t failed: ", "");
    insta::assert_snapshot!(
        [
            ("a greeting", "echo 'Welcome to this host'; exec sleep 100"),
            ("nothing", "exec sleep 100"),
            ("an end", "echo 'out of luck\u{1b}[2J' >&2; exit 3"),
            ("a flood", "exec cat /dev/zero"),
            (
                "a length of 4 GB",
                r"printf '\377\377\377\377\0\0\0\0'; exec sleep 100"
            ),
            (
                "a million contents",
                r"printf '\0\0\0\2\377\0\0\0{}'; exec sleep 100"
            ),
            (
                "a drip",
                r"printf '\0\0\1\0\0\0\0\0'; while printf x; do sleep 0.1; done"
            ),
            ("no JSON", r"printf '\0\0\0\4\0\0\0\0gulp'; exec sleep 100"),
            (
                "another answer",
                r#"printf '\0\0\0\10\0\0\0\0"tidied"'; exec sleep 100"#
            ),
        ]
        .map(|(what, script)| format!("{what}: {}", said(script)))
        .join("\n")
    );
}

// Goal: a host that floods its standard error too is read on, and little of it is kept.
#[test]
fn a_flood_of_errors() {
    let text = reason("yes 'all work and no play' | head -c 100000000 >&2; exit 1");
    assert!(text.len() < 1000 && text.contains("all work"), "{text}");
}
