use std::path::Path;

use super::*;
use crate::sim::scenario::sample::Sample;

async fn drill_in(dir: &Path, seed: u64) -> DrillResult {
    let loaded = Scenario::load(dir).unwrap_or_else(|error| panic!("{}", error.render(false)));
    let result = run(&loaded, seed).await;
    result.unwrap_or_else(|error| panic!("{}", error.render(false)))
}

async fn drill(sample: &Sample) -> DrillResult {
    drill_in(sample.write().path(), 0).await
}

/// What failed: expected and seen.
fn failures(result: &DrillResult) -> Vec<(&str, &str)> {
    let failed = result.checks.iter().filter(|check| !check.ok);
    failed
        .map(|check| (check.expected.as_str(), check.seen.as_str()))
        .collect()
}

// Goal: the sample's attack is reported and put right by the next cycle, and its times are measured from the attack on.
#[tokio::test]
async fn an_attack_is_put_right() {
    let result = drill(&Sample::new()).await;
    assert_eq!(failures(&result), []);
    assert_eq!((result.cycles, result.exit), (5, 0));
    let three = Some(Duration::from_secs(180));
    assert_eq!((result.detect, result.restore), (three, three));
    assert_eq!(result.checks.len(), 5);
}

// Goal: each condition can fail, as a must and as a must-not, and then says what was seen and at which time; no
// condition holds for want of something to look at.
#[tokio::test]
async fn broken_expectations_fail_with_what_was_seen() {
    let must = |item: &str| Sample::new().must(item);
    let must_not = |item: &str| Sample::new().must_not(item);
    let restored = "File/motd differed from +2m on and was put right at +5m, after 3m";
    let reported = "File/motd differed from +2m on and was reported at +5m, after 3m";
    for (sample, expected, seen) in [
        (
            must("{ restored: File/motd, within: 2m }"),
            "must: restored File/motd, within 2m",
            restored,
        ),
        (
            must("{ restored: File/motd, times: 2 }"),
            "must: restored File/motd, 2 times",
            &format!("once: {restored}"),
        ),
        (
            must("{ drifted: File/motd, within: 2m59s }"),
            "must: drifted File/motd, within 2m59s",
            reported,
        ),
        (
            must("{ drifted: File/motd, change: missing }"),
            "must: drifted File/motd, as missing",
            "it never differed",
        ),
        (
            must("{ drifted: /srv/data }"),
            "must: drifted /srv/data",
            "it never differed",
        ),
        (
            must("{ held: any }"),
            "must: held any",
            "the guard held nothing of it",
        ),
        (
            must("{ acted: /srv/data }"),
            "must: acted /srv/data",
            "nothing was done to it",
        ),
        (
            must("{ changed: \"/srv/*\" }"),
            "must: changed /srv/*",
            "evenkeel changed nothing there",
        ),
        (
            must("{ present: /etc/mot }"),
            "must: present /etc/mot, at the end",
            "nothing is there at +20m",
        ),
        (
            must("{ absent: /etc/motd }"),
            "must: absent /etc/motd, at the end",
            "something stands there at +20m",
        ),
        (
            must("{ clean: any, at: +2m }"),
            "must: clean any, at +2m",
            "File/motd differs at +2m",
        ),
        (
            must("{ exit: 5, at: +7m }"),
            "must: exit 5, at +7m",
            "cycle 2 ended with 0 at +5m",
        ),
        (
            must("{ exit: 5, at: ever }"),
            "must: exit 5, ever",
            "no cycle ended with 5",
        ),
        (
            must_not("{ restored: any }"),
            "must not: restored any",
            restored,
        ),
        (
            must_not("{ drifted: motd }"),
            "must not: drifted motd",
            reported,
        ),
        (
            must_not("{ drifted: /etc/motd }"),
            "must not: drifted /etc/motd",
            reported,
        ),
        (
            must_not("{ acted: any }"),
            "must not: acted any",
            "put File/motd at +5m",
        ),
        (
            must_not("{ changed: \"/etc/**\" }"),
            "must not: changed /etc/**",
            "/etc/motd at +5m",
        ),
        (
            must_not("{ clean: any }"),
            "must not: clean any, at the end",
            "nothing differs at +20m",
        ),
        (
            must_not("{ present: /etc/motd, at: ever }"),
            "must not: present /etc/motd, ever",
            "something stands there at +0s",
        ),
        (
            must_not("{ exit: 0 }"),
            "must not: exit 0, at the end",
            "cycle 5 ended with 0 at +20m",
        ),
        // Words that mean nothing in this world.
        (
            must_not("{ changed: \"/srv/dta/**\" }"),
            "must not: changed /srv/dta/**",
            "no such path ever existed in this world, so nothing could change there",
        ),
        (
            must_not("{ acted: /etc/mod }"),
            "must not: acted /etc/mod",
            "nothing ever stood at /etc/mod in this world",
        ),
        (
            must_not("{ held: File//etc/mod }"),
            "must not: held File//etc/mod",
            "nothing ever stood at /etc/mod in this world",
        ),
        (
            must("{ absent: /etc/cron.d/evli }"),
            "must: absent /etc/cron.d/evli, at the end",
            "nothing ever stood there in this world",
        ),
    ] {
        let result = drill(&sample).await;
        assert_eq!(failures(&result), [(expected, seen)]);
        assert!(!result.passed());
        assert_eq!(exit_code(&[result]), FAILED);
    }
}

// Goal: what the guard holds is told with its reason, and a must for another reason fails.
#[tokio::test]
async fn holding_is_told() {
    let held = Sample::new()
        .replace("scenario.yaml", "mode: enforce", "mode: propose")
        .must("{ held: File/motd, because: mode }");
    let result = drill(&held).await;
    assert_eq!(failures(&result), []);
    assert_eq!((result.exit, result.restore), (2, None));
    let other = Sample::new()
        .replace("scenario.yaml", "mode: enforce", "mode: propose")
        .must("{ held: File/motd, because: blast_radius }");
    let seen = "held at +5m (mode): the target's mode is propose";
    let result = drill(&other).await;
    assert_eq!(
        failures(&result),
        [("must: held File/motd, because blast_radius", seen)]
    );
}

// Goal: what begins too late to be judged by the end of the drill breaks no promise about time, and without such a
// promise it does.
#[tokio::test]
async fn an_attack_at_the_end_is_not_late() {
    let late = |item: &str| {
        Sample::new().must(item).replace(
            "timeline.jsonl",
            "\"}}}\n",
            "\"}}}\n{\"at\": \"+20m\", \"actor\": \"m\", \"truth\": \"malicious\", \"do\": {\"remove\": {\"path\": \"/etc/motd\"}}}\n",
        )
    };
    // The cycle at +20m comes after what happens at +20m; a shorter drill leaves it no time.
    let cut = |sample: Sample| {
        sample
            .replace("scenario.yaml", "duration: 20m", "duration: 21m")
            .replace("timeline.jsonl", "\"+20m\"", "\"+20m30s\"")
    };
    let result = drill(&late("{ restored: File/motd, within: 5m, times: 2 }")).await;
    assert_eq!(failures(&result), []);
    let result = drill(&cut(late("{ restored: File/motd, within: 5m }"))).await;
    assert_eq!(failures(&result), []);
    let result = drill(&cut(late("{ restored: File/motd }"))).await;
    let seen = "File/motd differed from +2m on and was put right at +5m, after 3m; File/motd differed from +20m30s on and was not put right by +21m";
    assert_eq!(failures(&result), [("must: restored File/motd", seen)]);
}

// Goal: a deed that makes no sense any more is told and stops nothing.
#[tokio::test]
async fn a_deed_without_effect_is_told() {
    let sample = Sample::new().with(
        "timeline.jsonl",
        "{\"at\": \"+2m\", \"actor\": \"m\", \"truth\": \"malicious\", \"do\": {\"remove\": {\"path\": \"/nothing\"}}}\n",
    );
    let result = drill(&sample).await;
    assert!(
        result.transcript.contains(
            "m (malicious) removes /nothing\n             without effect: /nothing does not exist\n"
        ),
        "{}",
        result.transcript
    );
    assert_eq!(
        failures(&result),
        [("must: restored File/motd, within 5m", "it never differed")]
    );
}

// Goal: the transcript is the same bytes from another folder and with another seed, and is nowhere near the real machine.
#[tokio::test]
async fn transcripts_are_the_same_everywhere() {
    let one = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let deep = other.path().join("somewhere/else");
    Sample::new().write_to(one.path());
    Sample::new().write_to(&deep);
    let first = drill_in(one.path(), 0).await;
    let second = drill_in(&deep, 7).await;
    assert_eq!(first.transcript, second.transcript);
    let folder = one.path().display().to_string();
    assert!(!first.transcript.contains(&folder));
}

// Goal: a golden transcript is written when everything holds, once, and never while an expectation fails; a transcript
// that differs fails the drill and shows where.
#[tokio::test]
async fn blessing_needs_every_expectation() {
    let dir = Sample::new().write();
    let dirs = [dir.path().to_owned()];
    let plain = run_all(&dirs, 0, false).await;
    assert_eq!(plain.results[0].golden, Golden::Missing);
    assert_eq!(plain.exit_code(), FAILED);
    let blessed = run_all(&dirs, 0, true).await;
    assert_eq!((blessed.blessed.len(), blessed.exit_code()), (1, 0));
    let again = run_all(&dirs, 0, true).await;
    assert_eq!((again.blessed.len(), again.exit_code()), (0, 0));

    let golden = dir.path().join("expected.txt");
    let text = std::fs::read_to_string(&golden).unwrap();
    std::fs::write(&golden, text.replace("+5m", "+6m")).unwrap();
    let differs = run_all(&dirs, 0, false).await;
    let Golden::Differs(diff) = &differs.results[0].golden else {
        panic!("the golden transcript was changed");
    };
    assert!(
        diff.contains("\n-+6m        cycle 2") && diff.contains("\n++5m        cycle 2"),
        "{diff}"
    );
    assert_eq!(differs.exit_code(), FAILED);

    Sample::new()
        .must("{ restored: File/motd, within: 1m }")
        .write_to(dir.path());
    let before = std::fs::read(&golden).unwrap();
    let refused = run_all(&dirs, 0, true).await;
    let (_, error) = &refused.not_blessed[0];
    assert_eq!(
        error.to_string(),
        "1 of its expectations fail, so its transcript is nothing to go by"
    );
    assert_eq!(refused.exit_code(), FAILED);
    assert_eq!(std::fs::read(&golden).unwrap(), before);
}

// Goal: a scenario that cannot run is an error (1), besides those that can.
#[tokio::test]
async fn a_broken_scenario_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
    Sample::new().write_to(&good);
    let unreachable = "seed: baseline\nfiles:\n  - { path: /etc, type: fifo }\n";
    Sample::new().with("live.yaml", unreachable).write_to(&bad);
    assert_eq!(find(dir.path(), &[]).unwrap(), [bad.clone(), good.clone()]);
    assert_eq!(find(dir.path(), &["good".into()]).unwrap(), [good]);
    assert!(
        find(dir.path(), &["none".into()])
            .unwrap_err()
            .contains("there are bad, good")
    );
    let drills = run_all(&find(dir.path(), &[]).unwrap(), 0, false).await;
    assert_eq!((drills.results.len(), drills.exit_code()), (1, 1));
    let told = drills.errors[0].render(false);
    assert!(told.contains("baseline cannot be put in place"), "{told}");
}

// Goal: every form of output has the failure with what was seen, and the counts agree. Method: the forms read back.
#[tokio::test]
async fn every_output_has_the_failure() {
    let results = [
        drill(&Sample::new().must("{ restored: File/motd, within: 2m }")).await,
        drill(&Sample::new()).await,
    ];
    let seen = "File/motd differed from +2m on and was put right at +5m, after 3m";
    let text = text(&results, false);
    assert!(
        text.contains("  expected  must: restored File/motd, within 2m"),
        "{text}"
    );
    assert!(text.contains(&format!("  seen      {seen}\n")), "{text}");
    assert!(text.ends_with("2 of 2 drills failed\n"), "{text}");

    let xml = junit(&results);
    let read = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((read.tests, read.failures), (12, 3));
    assert!(xml.contains("line=\"12\"") && xml.contains(seen), "{xml}");

    let json: serde_json::Value = serde_json::from_str(&json(&results)).unwrap();
    assert_eq!(
        (json["schema"].as_str(), json["exit_code"].as_u64()),
        (Some(SCHEMA), Some(6))
    );
    let check = &json["drills"][0]["checks"][0];
    assert_eq!(
        (check["ok"].as_bool(), check["seen"].as_str()),
        (Some(false), Some(seen))
    );
    assert_eq!(json["drills"][1]["time_to_restore_ms"], 180_000);
}
