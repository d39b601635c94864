//! How problems look.

use super::super::{load, render};
use super::{PROJECT, manifest, source};
use crate::model::{Problem, Problems, Span};

// Goal: the excerpt points at what is wrong and says what to do; kept as a snapshot since people read it.
#[test]
fn excerpts_are_readable() {
    let text = PROJECT.replace("enforce", "enforced");
    let loaded = load(&source(&[
        (
            "evenkeel.yaml",
            &format!("{text}gaurd:\n  max_changes: 1\n"),
        ),
        (
            "web/a.yaml",
            &manifest("motd").replace("name: motd", "name: \"été motd\" # why"),
        ),
        ("web/b.yaml", &manifest("b").replace("spec:", "spce:")),
        ("web/c.yaml", "a: [1, 2\n"),
        ("wbe/d.yaml", &manifest("d")),
    ]))
    .unwrap();
    insta::assert_snapshot!(render(&loaded.problems, "desired-state", false));
}

// Goal: what an attacker wrote into a manifest cannot drive the terminal, and a long line is cut around the place.
#[test]
fn hostile_text_is_tamed() {
    let long = format!("{}bad: 1 {}", " ".repeat(150), "x".repeat(5_000));
    let at = |line, column| {
        Some(Span {
            file: "web/a\u{202e}.yaml".into(),
            line,
            column,
        })
    };
    let problem = |at, source_line: &str| Problem {
        at,
        message: "bad \u{1b}]0;owned\u{7} message".into(),
        source_line: source_line.into(),
        hint: Some("hint\nwith \u{9b}31m".into()),
    };
    let problems = Problems(vec![
        problem(at(3, 5), "a:\t\u{1b}[31mred\u{202e}"),
        problem(at(4, 151), &long.chars().take(240).collect::<String>()),
        problem(at(5, 4_000), &long.chars().take(240).collect::<String>()),
        problem(at(6, 1), ""),
        problem(at(7, 0), "x"),
        problem(None, ""),
    ]);
    let shown = render(&problems, "", false);
    assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(shown.lines().all(|line| line.chars().count() < 160));
    insta::assert_snapshot!(shown);
}

// Goal: colour appears only when asked for, and the machine-readable form has every part of a problem.
#[test]
fn colour_and_json() {
    let loaded = load(&source(&[("evenkeel.yaml", "kind: 1\n")])).unwrap();
    assert!(render(&loaded.problems, "", true).contains('\u{1b}'));
    assert!(!render(&loaded.problems, "", false).contains('\u{1b}'));
    let json = serde_json::to_value(&loaded.problems).unwrap();
    assert_eq!(
        json[2],
        serde_json::json!({
            "at": { "file": "evenkeel.yaml", "line": 1, "column": 7 },
            "message": "expected text, found a number",
            "source_line": "kind: 1",
            "hint": "put it in quotes",
        })
    );
}
