//! `detect` with heuristics: turned on by the baseline or by a file, with a state that is learned, kept, pinned and held.

use serde_json::{Value as Json, json};

use crate::support::{Project, config};

/// Calls of one key every hour, on some days; on the last one also from elsewhere, for something else.
fn trail(days: std::ops::Range<u32>, stolen: bool) -> String {
    let call = |day: u32, hour: u32, name: &str, address: &str| {
        let event = json!({
            "eventVersion": "1.08", "eventTime": format!("2026-03-{:02}T{hour:02}:00:00Z", 1 + day), "awsRegion": "eu-central-1",
            "eventID": format!("{:08}-0000-4000-8000-{hour:012}", day * 100 + hour + u32::from(name == "CreateUser") * 50),
            "eventSource": "iam.amazonaws.com", "eventName": name, "sourceIPAddress": address,
            "recipientAccountId": "111122223333",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ci", "userName": "ci"}
        });
        format!("{event}\n")
    };
    let mut lines = String::new();
    for day in days.clone() {
        lines.extend((0..24).map(|hour| call(day, hour, "GetUser", "192.0.2.7")));
    }
    if stolen {
        lines.push_str(&call(days.end, 3, "CreateUser", "198.51.100.9"));
    }
    lines
}

fn read(project: &Project, path: &str) -> String {
    std::fs::read_to_string(project.repo.join(path)).unwrap()
}

const ON: &str = "learn: 7d\nfirst_seen: { budget: 2 }\n";

fn sources(report: &Json) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|it| {
            (
                it["source"].as_str().unwrap(),
                it["indicator"].as_str().unwrap(),
            )
        })
        .collect()
}

// Goal: catches a state that is not kept between runs, findings that a format leaves out, and a run that is not told that it
// only learns. Method: a week is learned by one run, the theft is read by the next.
#[test]
fn what_one_run_learned_the_next_one_knows() {
    let project = Project::new(&config("observe", ""), "");
    project.write("h.yaml", ON);
    project.write("week.jsonl", &trail(0..7, false));
    project.write("theft.jsonl", &trail(7..8, true));
    let run = |code, events: &str, more: &[&str]| {
        let events = format!("cloudtrail={events}");
        let mut args = vec![
            "detect",
            "--worktree",
            "--heuristics",
            "h.yaml",
            "--learned",
            "state",
            "--events",
            &events,
        ];
        args.extend(more);
        project.expect(code, &args)
    };
    let week = run(0, "week.jsonl", &["--format", "json"]).json();
    assert_eq!(sources(&week), []);
    assert_eq!(
        week["notices"],
        json!(["heuristics: first_seen tells nothing yet; it learned on 7 of 7 days"])
    );
    let state = read(&project, "state");
    let theft = run(
        3,
        "theft.jsonl",
        &[
            "--format",
            "json",
            "--fail-on",
            "low",
            "--report",
            "sarif=a.sarif,ocsf=a.ocsf",
        ],
    )
    .json();
    assert_eq!(sources(&theft), [("heuristic", "first-seen")]);
    let finding = &theft["findings"][0];
    assert_eq!(
        finding["actor"]["name"],
        "arn:aws:iam::111122223333:user/ci"
    );
    assert_eq!(finding["addresses"], json!(["198.51.100.9"]));
    assert_eq!(finding["confidence"], "low");
    for report in ["a.sarif", "a.ocsf"] {
        assert!(read(&project, report).contains("first-seen"), "{report}");
    }
    project.write("state", &state);
    let said = run(3, "theft.jsonl", &["--fail-on", "low"]).stdout;
    assert!(
        said.contains("first-seen") && said.contains("was never met"),
        "{said}"
    );
    // The state is whole, or it is not used.
    project.write("state", &state.replacen("\"active\":1", "\"active\":2", 1));
    let said = run(1, "theft.jsonl", &[]).all();
    assert!(
        said.contains("it was changed or cut off since it was written"),
        "{said}"
    );
    assert!(said.contains("learn anew"), "{said}");
}

// Goal: catches settings of the baseline that are passed over, a pinned state that is written to, and heuristics that are on
// although nobody named them.
#[test]
fn a_baseline_turns_them_on() {
    let project = Project::new(&config("observe", ""), "");
    project.write("week.jsonl", &trail(0..7, false));
    project.write("theft.jsonl", &trail(7..8, true));
    project.write("h.yaml", ON);
    project.write("desired-state/learned/README", "What heuristics learned.");
    project.expect(
        0,
        &[
            "detect",
            "--heuristics",
            "h.yaml",
            "--worktree",
            "--events",
            "cloudtrail=week.jsonl",
            "--learned",
            "desired-state/learned/ci",
        ],
    );
    let pinned = read(&project, "desired-state/learned/ci");
    let detect = [
        "detect",
        "--events",
        "cloudtrail=theft.jsonl",
        "--fail-on",
        "low",
        "--format",
        "json",
    ];
    // Nothing is on yet, and there is no rule either.
    let said = project.expect(1, &detect).all();
    assert!(said.contains("there are no rules"), "{said}");
    let settings = ON.replace('\n', "\n    ");
    let on = format!(
        "{}detect:\n  heuristics:\n    learned: learned/ci\n    {settings}\n",
        config("observe", "")
    );
    project.write("desired-state/evenkeel.yaml", &on);
    project.commit("heuristics");
    let report = project.expect(3, &detect).json();
    assert_eq!(sources(&report), [("heuristic", "first-seen")]);
    assert_eq!(read(&project, "desired-state/learned/ci"), pinned);
    let args: Vec<_> = detect
        .iter()
        .chain(&["--learned", "next"])
        .copied()
        .collect();
    project.expect(3, &args);
    assert_ne!(read(&project, "next"), pinned);
}

// Goal: catches a setting that is wrong and taken for its default, and a wish that is not told to be none.
#[test]
fn what_is_wrong_is_told() {
    let project = Project::new(&config("observe", ""), "");
    project.write("week.jsonl", &trail(0..1, false));
    for (settings, words) in [
        ("learn: 36h\nrate: {}\n", "learning takes whole days"),
        ("rate: { budget: 0 }\n", "budget"),
        ("rates: {}\n", "unknown field"),
        ("learn: 1d\n", "turns no heuristic on"),
        (
            "impossible_travel: { locations: no.csv }\n",
            "failed to read",
        ),
        (
            "impossible_travel: { locations: ../x }\n",
            "does not lie below",
        ),
        (
            "rate: {}\nlearned: week.jsonl\n",
            "it is no learned state of evenkeel",
        ),
    ] {
        project.write("h.yaml", settings);
        let said = project
            .expect(
                1,
                &[
                    "detect",
                    "--worktree",
                    "--heuristics",
                    "h.yaml",
                    "--events",
                    "week.jsonl",
                ],
            )
            .all();
        assert!(said.contains(words), "{settings}: {said}");
    }
}
