use super::sample::Sample;
use super::*;

fn problems(sample: &Sample) -> Vec<String> {
    let dir = sample.write();
    match Scenario::load(dir.path()) {
        Ok(_) => Vec::new(),
        Err(ScenarioError::Problems { problems, .. }) => {
            problems.0.iter().map(ToString::to_string).collect()
        }
        Err(error) => vec![error.to_string()],
    }
}

// Goal: a well-written scenario arrives as it was meant.
#[test]
fn a_scenario_arrives() {
    let dir = Sample::new().write();
    let scenario = Scenario::load(dir.path()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.title, "A file is changed");
    assert_eq!(scenario.attack, ["T1565.001"]);
    assert_eq!(scenario.mode, Mode::Enforce);
    assert_eq!(offset_text(scenario.start, scenario.end), "+20m");
    assert_eq!(scenario.cycle_every.as_secs(), 300);
    assert!(scenario.live.seeded);
    let words: Vec<_> = scenario
        .expectations
        .iter()
        .map(|one| one.words(scenario.start))
        .collect();
    assert_eq!(
        words,
        [
            "must: restored File/motd, within 5m",
            "must not: changed /srv/**"
        ]
    );
    let [line] = &scenario.timeline[..] else {
        panic!("one line was written");
    };
    assert_eq!(offset_text(scenario.start, line.at), "+2m");
    assert!(
        matches!(&line.what, What::Deed(deed) if deed.to_string() == "writes 4 bytes to /etc/motd")
    );
    assert_eq!(scenario.expected, None);
}

// Goal: every mistake in scenario.yaml is named at its place, so that a drill never runs on something half understood.
// Method: one mistake at a time.
#[test]
fn mistakes_in_the_header_have_places() {
    let header = |piece: &str, by: &str| Sample::new().replace("scenario.yaml", piece, by);
    for (sample, expected) in [
        (
            header("kind: Scenario", "kind: Project"),
            "scenario.yaml:2:7: `kind` is Scenario here, not \"Project\"",
        ),
        (
            header("title: A file is changed", "title: \"a\\nb\""),
            "scenario.yaml:3:8: expected one line of 1 to 120 characters, without control characters",
        ),
        (
            header("[T1565.001]", "[T1565.1]"),
            "scenario.yaml:5:10: \"T1565.1\" is no ATT&CK technique",
        ),
        (
            header("target: web", "target: wep"),
            "scenario.yaml:6:9: \"wep\" is no target of the baseline",
        ),
        (
            header("mode: enforce", "mode: force"),
            "scenario.yaml:7:7: \"force\" is not known here",
        ),
        (
            header("2026-11-24T02:00:00Z", "yesterday"),
            "scenario.yaml:8:8: \"yesterday\" is no instant",
        ),
        (
            header("cycle_every: 5m", "cycle_every: 5"),
            "scenario.yaml:9:14: expected text, found a number",
        ),
        (
            header("cycle_every: 5m", "cycle_every: 0s"),
            "scenario.yaml:9:14: \"0s\" is no duration here",
        ),
        (
            header("duration: 20m", "duration: 300d"),
            "scenario.yaml:10:11: this makes more than 10000 cycles",
        ),
        (
            header("duration: 20m", "duration: 20m\nlength: 1"),
            "scenario.yaml:11:1: unknown field `length`",
        ),
        (
            header(
                "musts:\n  - { restored: File/motd, within: 5m }\n",
                "musts: []\n",
            ),
            "scenario.yaml:11:8: at least one is needed: a drill has to show what it does, and what it leaves alone",
        ),
        (
            Sample::new().must("{ restored: File/modt }"),
            "scenario.yaml:12:17: \"File/modt\" is no resource of web",
        ),
        (
            Sample::new().must("{ restored: etc/motd }"),
            "scenario.yaml:12:17: \"etc/motd\" is no resource of web",
        ),
        (
            Sample::new().must("{ within: 5m }"),
            "scenario.yaml:12:5: exactly one of drifted, restored, held, acted, changed, present, absent, clean, exit is needed",
        ),
        (
            Sample::new().must("{ drifted: any, acted: any }"),
            "scenario.yaml:12:5: exactly one of drifted, restored, held, acted, changed, present, absent, clean, exit is needed",
        ),
        (
            Sample::new().must("{ drifted: any, because: mode }"),
            "scenario.yaml:12:21: unknown field `because`",
        ),
        (
            Sample::new().must("{ held: any, because: blast }"),
            "scenario.yaml:12:27: \"blast\" is not known here",
        ),
        (
            Sample::new().must("{ exit: 7 }"),
            "scenario.yaml:12:13: 7 is out of range, which is 0 to 6",
        ),
        (
            Sample::new().must("{ exit: 0, at: +1h }"),
            "scenario.yaml:12:20: \"+1h\" is no time of this drill",
        ),
        (
            Sample::new().must("{ absent: etc }"),
            "scenario.yaml:12:15: the path is not absolute",
        ),
        (
            Sample::new().must_not("{ changed: \"srv/**\" }"),
            "scenario.yaml:14:16: a glob starts at the root, with /",
        ),
        (
            Sample::new().must_not("{ changed: \"/srv/[\" }"),
            "scenario.yaml:14:16: this is no glob: unclosed character class; missing ']'",
        ),
        (
            Sample::new().must_not("{ drifted: any, within: 5m }"),
            "scenario.yaml:14:5: `within` and `times` have no meaning in a must_not",
        ),
    ] {
        assert_eq!(problems(&sample), [expected]);
    }
}

// Goal: the same for the world at the start.
#[test]
fn mistakes_in_the_world_have_places() {
    let live = |item: &str| Sample::new().with("live.yaml", format!("files:\n  - {item}\n"));
    for (sample, expected) in [
        (
            live("{ path: srv }"),
            "live.yaml:2:13: the path is not absolute",
        ),
        (
            live("{ path: /../etc }"),
            "live.yaml:2:13: the path has a part that is . or ..",
        ),
        (live("{ content: x }"), "live.yaml:2:5: `path` is missing"),
        (
            live("{ path: /a, mode: 0999 }"),
            "live.yaml:2:23: \"0999\" is no mode",
        ),
        (
            live("{ path: /a, type: pipe }"),
            "live.yaml:2:23: \"pipe\" is not known here",
        ),
        (
            live("{ path: /a, type: symlink }"),
            "live.yaml:2:5: `target` is missing",
        ),
        (
            live("{ path: /a, type: directory, content: x }"),
            "live.yaml:2:34: unknown field `content`",
        ),
        (
            live("{ path: /a, owner: -1 }"),
            "live.yaml:2:24: -1 is out of range, which is 0 to 4294967294",
        ),
        (
            live("{ path: /a, type: char_device, device: x }"),
            "live.yaml:2:44: \"x\" is no device",
        ),
        (
            Sample::new().with("live.yaml", "seed: git\n"),
            "live.yaml:1:7: \"git\" is not known here",
        ),
        (
            Sample::new().with("live.yaml", ""),
            "live.yaml:1:1: the file is empty",
        ),
    ] {
        assert_eq!(problems(&sample), [expected]);
    }
}

// Goal: what only shows when the world is made has its place too.
#[test]
fn a_world_that_cannot_be_made_has_places() {
    let text = "files:\n  - { path: /a, owner: nobody }\n  - { path: /a/b }\n";
    let dir = Sample::new().with("live.yaml", text).write();
    let scenario = Scenario::load(dir.path()).unwrap_or_else(|error| panic!("{error}"));
    let problems = scenario
        .live
        .fill(&crate::sim::World::default())
        .unwrap_err();
    let told: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "live.yaml:2:24: /etc/passwd of this world has no nobody",
            "live.yaml:3:5: /a does not exist",
            "live.yaml:3:5: /a/b does not exist",
        ]
    );
}

// Goal: the same for the timeline, whose lines are JSON.
#[test]
fn mistakes_in_the_timeline_have_places() {
    let line = |line: &str| {
        let before =
            r#"{"at": "+1m", "actor": "a", "truth": "benign", "do": {"remove": {"path": "/x"}}}"#;
        Sample::new().with("timeline.jsonl", format!("{before}\n\n{line}\n"))
    };
    let done = |at: &str, deed: &str| {
        line(&format!(
            r#"{{"at": "{at}", "actor": "a", "truth": "benign", "do": {deed}}}"#
        ))
    };
    for (sample, expected) in [
        (line("{"), "timeline.jsonl:3:1: EOF while parsing an object"),
        (line("{}"), "timeline.jsonl:3:2: missing field `at`"),
        (
            done("+1m", r#"{"explode": {}}"#),
            "timeline.jsonl:3:63: unknown variant `explode`, expected one of `write`, `append`, `make`, `symlink`, `hard_link`, `rename`, `remove`, `chmod`, `chown`, `chattr`, `setcap`, `mass`, `event`",
        ),
        (
            done(
                "+1m",
                r#"{"chmod": {"path": "/x", "mode": "0644", "uid": 1}}"#,
            ),
            "timeline.jsonl:3:99: unknown field `uid`, expected `path` or `mode`",
        ),
        (
            done("+1m", r#"{"chmod": {"path": "/x", "mode": "rw"}}"#),
            "timeline.jsonl:3:1: \"rw\" is no mode; write three or four octal digits",
        ),
        (
            done("+1m", r#"{"chown": {"path": "/x"}}"#),
            "timeline.jsonl:3:1: this changes nothing",
        ),
        (
            done("+1m", r#"{"remove": {"path": "x"}}"#),
            "timeline.jsonl:3:1: the path is not absolute (paths start at the target's root, with /)",
        ),
        (
            done("soon", r#"{"remove": {"path": "/x"}}"#),
            "timeline.jsonl:3:1: \"soon\" is no time; write +90s after the start, or RFC 3339",
        ),
        (
            done("+59s", r#"{"remove": {"path": "/x"}}"#),
            "timeline.jsonl:3:1: this is earlier than what stands before it",
        ),
        (
            done("+21m", r#"{"remove": {"path": "/x"}}"#),
            "timeline.jsonl:3:1: this is after the end of the drill",
        ),
        (
            done(
                "+1m",
                r#"{"mass": {"matching": "/**", "at_most": 100001, "each": {"remove": {}}}}"#,
            ),
            "timeline.jsonl:3:1: all mass changes together touch at most 100000 files",
        ),
    ] {
        assert_eq!(problems(&sample), [expected]);
    }
}

// Goal: a mistake in the baseline is named from the scenario's folder, and all files' mistakes come in one go.
#[test]
fn all_mistakes_come_at_once() {
    let sample = Sample::new()
        .replace("scenario.yaml", "mode: enforce", "mode: force")
        .replace("baseline/web/all.yaml", "name: motd", "nam: motd")
        .with("timeline.jsonl", "[]\n");
    let found = problems(&sample);
    assert_eq!(found[0], "baseline/web/all.yaml:3:11: `name` is missing");
    assert!(
        found
            .iter()
            .any(|one| one.starts_with("scenario.yaml:7:7: ")),
        "{found:?}"
    );
}

// Goal: no link in a scenario's folder leads anywhere, and a missing file is an error.
#[test]
fn links_and_gaps_are_errors() {
    let dir = Sample::new().write();
    let live = dir.path().join(LIVE);
    std::fs::remove_file(&live).unwrap();
    let told = |dir: &Path| match Scenario::load(dir) {
        Err(ScenarioError::Problems { problems, .. }) => problems.to_string(),
        _ => panic!("it must not load"),
    };
    assert_eq!(told(dir.path()), "live.yaml:1:1: the file does not exist");
    std::os::unix::fs::symlink("/etc/passwd", &live).unwrap();
    assert_eq!(
        told(dir.path()),
        "live.yaml:1:1: the file is a symbolic link, and none is followed"
    );
}

// Goal: durations are read as they are written, in the shortest form, and nothing else is a duration.
#[test]
fn durations_round_trip() {
    for text in ["0s", "90ms", "1m30s", "5m", "1h", "2d3h4m5s6ms"] {
        let duration = terms::parse_duration(text).unwrap();
        assert_eq!(duration_text(duration), text);
    }
    for text in [
        "",
        "5",
        "m",
        "5 m",
        "-5m",
        "5w",
        "1.5h",
        "400d",
        "99999999999999999999s",
    ] {
        assert_eq!(terms::parse_duration(text), None, "{text}");
    }
    assert_eq!(
        duration_text(terms::parse_duration("90s").unwrap()),
        "1m30s"
    );
}
