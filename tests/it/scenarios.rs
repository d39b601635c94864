//! Each folder below `scenarios/` is one test.

use std::path::{Path, PathBuf};

use evenkeel::sim::drill::{DrillResult, Golden, find, run_all};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// Runs one drill, which has to be able to run.
fn drill(dir: &Path, seed: u64) -> DrillResult {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime can be made");
    let mut drills = runtime.block_on(run_all(&[dir.to_owned()], seed, false));
    if let Some(error) = drills.errors.first() {
        panic!("{}", error.render(false));
    }
    drills.results.remove(0)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("a scenario can be listed") {
        let entry = entry.expect("a scenario can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// The drill passes with the golden transcript, and another run elsewhere with another seed gives the same bytes.
fn check(name: &str) {
    let dir = folder().join(name);
    let result = drill(&dir, 0);
    let failed = evenkeel::sim::drill::text(std::slice::from_ref(&result), false);
    assert!(result.passed(), "{failed}");
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let elsewhere = temporary.path().join(name);
    copy(&dir, &elsewhere);
    assert_eq!(drill(&elsewhere, 42).transcript, result.transcript);
}

// Goal: a key and a cron job are undone by the next cycle, twice, and the application's data is left alone.
#[test]
fn ssh_key_and_cron() {
    check("ssh-key-and-cron");
}

// Goal: a tampered sshd_config is put back and a setuid shell loses its power, while a person's own changes stay.
#[test]
fn sshd_config_and_setuid_shell() {
    check("sshd-config-and-setuid-shell");
}

// Goal: the guard refuses a mass change and nothing at all is touched.
#[test]
fn mass_change() {
    check("mass-change");
}

// Goal: no scenario that is shipped is left untested.
#[test]
fn every_folder_has_its_test() {
    let found = find(&folder(), &[]).expect("there are scenarios");
    let names: Vec<_> = found
        .iter()
        .filter_map(|dir| dir.file_name())
        .map(|name| name.to_string_lossy())
        .collect();
    assert_eq!(
        names,
        [
            "mass-change",
            "ssh-key-and-cron",
            "sshd-config-and-setuid-shell"
        ]
    );
}

// Goal: the drill notices when the defence is weaker than promised. Method: a scenario that is shipped, with the guard
// taken out of its baseline; and one whose cycles come too late.
#[test]
fn a_weaker_defence_fails() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let edit = |name: &str, file: &str, piece: &str, by: &str| {
        let dir = temporary.path().join(name);
        copy(&folder().join(name), &dir);
        let path = dir.join(file);
        let text = std::fs::read_to_string(&path).expect("the file is there");
        assert!(text.contains(piece), "{file} has no {piece}");
        std::fs::write(&path, text.replace(piece, by)).expect("the file can be written");
        drill(&dir, 0)
    };
    let unguarded = edit(
        "mass-change",
        "baseline/evenkeel.yaml",
        "max_changed_percent: 25",
        "max_changed_percent: 100",
    );
    let failed = |result: &DrillResult, expected: &str| {
        let mut checks = result.checks.iter();
        let check = checks
            .find(|check| check.expected == expected)
            .expect("the scenario expects it");
        assert!(!check.ok, "{check:?}");
        check.seen.clone()
    };
    assert_eq!(
        failed(&unguarded, "must not: acted any"),
        "put File/app-01 at +15m"
    );
    assert_eq!(
        failed(&unguarded, "must: exit 5, at the end"),
        "cycle 4 ended with 0 at +45m"
    );
    let late = edit(
        "ssh-key-and-cron",
        "scenario.yaml",
        "cycle_every: 5m",
        "cycle_every: 20m",
    );
    let seen = failed(
        &late,
        "must: restored AuthorizedKeys/root, within 5m, 2 times",
    );
    assert!(
        seen.contains("was put right at +20m, after 12m50s"),
        "{seen}"
    );
    assert!(matches!(late.golden, Golden::Differs(_)));
}
