//! What a run leaves for CI: reports, exit codes, annotations; and drills.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::support::{Project, Ran, chmod, config, directory, file};

use super::{motd, one_missing};

// Goal: each report that is asked for is written, whole and in its own form, beside the output as usual.
#[test]
fn every_report_is_written() {
    let project = one_missing("enforce", "");
    std::fs::create_dir(project.repo.join("out")).unwrap();
    let wish = "sarif=out/s,junit=out/j,markdown=out/m,json=out/o";
    let ran = project.expect(2, &["plan", "--report", wish]);
    assert!(ran.stdout.contains("File/motd"), "{}", ran.stdout);
    let read = |name: &str| std::fs::read_to_string(project.repo.join("out").join(name)).unwrap();
    let sarif: serde_json::Value = serde_json::from_str(&read("s")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(
        place["artifactLocation"]["uri"],
        "desired-state/host/all.yaml"
    );
    let json: serde_json::Value = serde_json::from_str(&read("o")).unwrap();
    assert_eq!(json["drifts"][0]["id"], "host/File/motd");
    assert_eq!(json["exit_code"], 2);
    assert!(read("j").starts_with("<?xml") && read("j").contains("<failure"));
    assert!(read("m").contains("File/motd"));
    assert_eq!(
        std::fs::read_dir(project.repo.join("out")).unwrap().count(),
        4
    );
}

// Goal: a report that cannot be written costs the exit code and neither the result of the run nor the other reports.
#[test]
fn an_unwritable_report_hides_no_result() {
    let project = one_missing("enforce", "");
    let wish = "sarif=nowhere/s,junit=j";
    let ran = project.expect(1, &["reconcile", "--report", wish, "--format", "json"]);
    assert_eq!(motd(&project).unwrap(), "good\n");
    let report = ran.json();
    assert_eq!(report["outcomes"][0]["result"], "done");
    assert_eq!(report["exit_code"], 1);
    let error = report["errors"][0].as_str().unwrap();
    assert!(error.contains("failed to write nowhere/s"), "{error}");
    assert!(project.repo.join("j").exists());
    let plan = project.expect(1, &["plan", "--out", "nowhere/plan"]).stdout;
    for told in ["1 clean", "failed to write the plan file", "nowhere/plan"] {
        assert!(plan.contains(told), "{told}: {plan}");
    }
}

// Goal: the code in a JSON report is the one that the program ends with, whatever was asked for.
#[test]
fn a_json_report_tells_the_exit_code() {
    let project = one_missing("observe", "");
    for (more, code) in [
        ("--exit-zero", 0),
        ("--fail-on=drift", 2),
        ("--fail-on=error", 0),
    ] {
        project.expect(code, &["plan", more, "--report", "json=o,sarif=s"]);
        let read = |name| std::fs::read(project.repo.join(name)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&read("o")).unwrap();
        assert_eq!(json["exit_code"], code, "{more}");
        let sarif: serde_json::Value = serde_json::from_slice(&read("s")).unwrap();
        assert_eq!(
            sarif["runs"][0]["invocations"][0]["exitCode"], code,
            "{more}"
        );
    }
}

// Goal: a wish that nobody can fulfil is told before anything is done, and not after.
#[test]
fn a_wrong_wish_is_told_before_acting() {
    for wrong in [
        &["--fail-on", "sometimes"][..],
        &["--fail-on", "drift,drift"],
        &["--report", "pdf=x"],
        &["--report", "sarif"],
        &["--report", "sarif="],
    ] {
        let project = one_missing("enforce", "");
        let args: Vec<_> = ["reconcile"].iter().chain(wrong).copied().collect();
        let ran = project.expect(1, &args);
        assert_eq!(motd(&project), None, "{wrong:?} was told after acting");
        assert!(!ran.stderr.is_empty());
    }
}

// Goal: `--fail-on` lets pass what is milder and nothing graver; `--exit-zero` everything but an error. Method: drift (2),
// something unseen (4), something refused (5) and an error (1), each with every word.
#[test]
fn what_fails_can_be_chosen() {
    let drift = one_missing("observe", "");
    let unseen = Project::new(&config("observe", ""), &file("away", "/away/x", "x"));
    std::os::unix::fs::symlink("/tmp", unseen.path("away")).unwrap();
    let refused = one_missing("enforce", "guard: { protected: [File/motd] }\n");
    let error = one_missing("observe", "");
    error.write(
        "desired-state/exemptions.yaml",
        "- { id: e, selector: File/x, reason: r, owner: o, expires: 2020-01-01 }\n",
    );
    error.commit("expired");
    for (word, codes) in [
        ("drift", [2, 4, 5, 1]),
        ("not-evaluated", [0, 4, 5, 1]),
        ("refused", [0, 0, 5, 1]),
        ("error", [0, 0, 0, 1]),
    ] {
        for (project, code) in [&drift, &unseen, &refused, &error].into_iter().zip(codes) {
            project.expect(code, &["plan", "--fail-on", word]);
        }
    }
    for (project, code) in [(&drift, 0), (&unseen, 0), (&refused, 0), (&error, 1)] {
        let report = project.expect(code, &["plan", "--exit-zero", "--format", "json"]);
        assert_eq!(report.json()["exit_code"], code);
    }
}

// Goal: on GitHub drift is an annotation at the baseline's line, and a file name that holds a command of the runner
// starts none; elsewhere there is none at all.
#[test]
fn annotations_of_hostile_names() {
    let manifests = directory("d", "/d", ", exclusive: true") + &file("motd", "/motd", "x");
    let project = Project::new(&config("observe", ""), &manifests);
    std::fs::create_dir(project.path("d")).unwrap();
    chmod(&project.path("d"), 0o755);
    let name = OsStr::from_bytes(b"a\n::error file=x,line=1::pwned%0A::set-env name=A::b\r");
    std::fs::write(project.path("d").join(name), "x").unwrap();
    let mut command = project.command(&["plan"]);
    command.env("GITHUB_ACTIONS", "true");
    let ran = Ran::of(&mut command).expect(2);
    let commands: Vec<_> = ran
        .stdout
        .split(['\n', '\r'])
        .filter(|line| line.starts_with("::"))
        .collect();
    let at = "::warning file=desired-state/host/all.yaml,line=";
    assert_eq!(
        commands.iter().filter(|line| line.starts_with(at)).count(),
        2,
        "{commands:#?}"
    );
    let own =
        |line: &&&str| !line.starts_with(at) && !line.starts_with("::notice title=evenkeel::");
    assert_eq!(commands.iter().filter(own).count(), 0, "{commands:#?}");
    let hostile = commands.iter().find(|line| line.contains("pwned")).unwrap();
    assert!(
        hostile.contains("pwned%250A") && hostile.contains("%3A%3Aerror"),
        "{hostile}"
    );
    let quiet = project.expect(2, &["plan"]).stdout;
    assert!(!quiet.lines().any(|line| line.starts_with("::")), "{quiet}");
}

/// A project with the shipped scenarios beside it.
fn with_scenarios() -> Project {
    let project = one_missing("observe", "");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/mass-change");
    copy(&shipped, &project.repo.join("scenarios/mass-change"));
    project
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

// Goal: the same drill says the same bytes each time and with each seed, passes, and writes its report.
#[test]
fn drills_are_the_same_each_time() {
    let project = with_scenarios();
    let drill = |seed: &str, file: &str| {
        let report = format!("junit={file}");
        let args = ["drill", "--seed", seed, "-v", "--report", &report];
        let ran = project.expect(0, &args);
        (
            ran.stdout,
            std::fs::read_to_string(project.repo.join(file)).unwrap(),
        )
    };
    let first = drill("7", "a");
    assert_eq!(first, drill("7", "b"));
    assert_eq!(first, drill("8", "c"));
    assert!(first.1.contains("<testsuite") && first.1.contains("mass-change"));
    assert_eq!(
        project.expect(0, &["drill", "mass-change", "-v"]).stdout,
        first.0
    );
    project.expect(1, &["drill", "nothing"]);
}

// Goal: another transcript fails with 6 until it is blessed; while an expectation fails it never is.
#[test]
fn a_transcript_is_blessed_only_when_it_holds() {
    let project = with_scenarios();
    let dir = project.repo.join("scenarios/mass-change");
    let golden = dir.join("expected.txt");
    let right = std::fs::read(&golden).unwrap();
    std::fs::write(&golden, "wrong\n").unwrap();
    project.expect(6, &["drill"]);
    project.expect(0, &["drill", "--bless"]);
    assert_eq!(std::fs::read(&golden).unwrap(), right);
    let config = dir.join("baseline/evenkeel.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let weak = text.replace("max_changed_percent: 25", "max_changed_percent: 100");
    std::fs::write(&config, weak).unwrap();
    let ran = project.expect(6, &["drill", "--bless", "--report", "junit=j"]);
    assert!(ran.stderr.contains("not blessed"), "{}", ran.all());
    assert_eq!(std::fs::read(&golden).unwrap(), right);
    assert!(
        std::fs::read_to_string(project.repo.join("j"))
            .unwrap()
            .contains("<failure")
    );
}
