//! Steps: only on what they were made for, once, after their command has passed, and cleaned up after a crash.

use std::os::unix::fs::symlink;

use evenkeel::model::{Observed, Step};
use evenkeel::ports::{ActContext, ActError, Provider};
use evenkeel::providers::host::LocalFs;

use super::fixture::{Fixture, block, inverse};

const MANIFEST: &str = "{kind: File, name: f, spec: {path: /d/f, content: new}}";

fn drifted() -> (Fixture, Step) {
    let fixture = Fixture::new();
    fixture.write("d/f", "old", 0o644);
    let step = fixture.look(MANIFEST).plan.groups[0].steps[0].clone();
    (fixture, step)
}

fn apply(fixture: &Fixture, step: &Step) -> Result<Vec<String>, ActError> {
    let context = ActContext {
        contents: fixture,
        nonce: "n0nce",
    };
    block(fixture.host().apply(step, &context))
}

// Goal: a step whose place has changed since it was planned does nothing, whatever the change was.
#[test]
fn a_stale_step_does_nothing() {
    for change in ["content", "mode", "gone", "link"] {
        let (fixture, step) = drifted();
        let path = fixture.path("d/f");
        match change {
            "content" => std::fs::write(&path, "other").unwrap(),
            "mode" => super::fixture::chmod(&path, 0o600),
            _ => std::fs::remove_file(&path).unwrap(),
        }
        if change == "link" {
            symlink("/etc/passwd", &path).unwrap();
        }
        let error = apply(&fixture, &step).unwrap_err();
        assert!(matches!(error, ActError::Stale { .. }), "{change}: {error}");
        let is_new = std::fs::read(&path).is_ok_and(|content| content == b"new");
        assert!(!is_new, "{change}");
        assert!(fixture.leftovers().is_empty());
    }
}

// Goal: doing a step twice is the same as doing it once, for every verb.
#[test]
fn twice_is_once() {
    let (fixture, step) = drifted();
    let before = fixture.act(fixture.host().as_ref(), &step).unwrap();
    assert!(apply(&fixture, &step).unwrap().is_empty());
    let back = inverse(&step, &before);
    apply(&fixture, &back).unwrap();
    apply(&fixture, &back).unwrap();
    assert_eq!(std::fs::read(fixture.path("d/f")).unwrap(), b"old");
    let removal = inverse(&step, &Observed::Absent);
    let removal = Step {
        expect: step.expect,
        leaves: Observed::absent_digest(),
        ..removal
    };
    apply(&fixture, &removal).unwrap();
    apply(&fixture, &removal).unwrap();
    assert!(!fixture.path("d/f").exists());
}

// Goal: the command sees the new file before it takes its place and can veto it; it is run in act only, and not when the
// configuration no longer lists it.
#[test]
fn a_command_can_veto() {
    let mut fixture = Fixture::new();
    fixture.config.validate_commands = vec!["/bin/sh".into()];
    fixture.write("f", "old", 0o644);
    let ran = fixture.temp.path().join("ran");
    let manifest = |wanted: &str| {
        format!(
            "{{kind: File, name: f, spec: {{path: /f, content: new, validate: [/bin/sh, -c, 'touch {}; test \"$(cat {{}})\" = {wanted} || {{ echo no good; exit 1; }}']}}}}",
            ran.display()
        )
    };
    let step = fixture.look(&manifest("other")).plan.groups[0].steps[0].clone();
    assert!(!ran.exists(), "looking runs nothing");
    assert_eq!(
        apply(&fixture, &step).unwrap_err().to_string(),
        "/bin/sh refused the new content: no good"
    );
    assert!(ran.exists());
    assert_eq!(std::fs::read(fixture.path("f")).unwrap(), b"old");
    assert!(fixture.leftovers().is_empty());
    let step = fixture.look(&manifest("new")).plan.groups[0].steps[0].clone();
    fixture.config.validate_commands.clear();
    assert!(apply(&fixture, &step).is_err());
    fixture.config.validate_commands = vec!["/bin/sh".into()];
    apply(&fixture, &step).unwrap();
    assert_eq!(std::fs::read(fixture.path("f")).unwrap(), b"new");
}

// Goal: what is larger than may be kept is told in the same terms but kept not at all, rather than in part.
#[test]
fn nothing_is_kept_in_part() {
    let fixture = Fixture::new();
    for i in 0..10 {
        fixture.write(&format!("d/tree/{i}"), [i; 1000], 0o644);
    }
    let manifest = "{kind: Directory, name: d, spec: {path: /d, exclusive: true}}";
    let step = fixture.look(manifest).plan.groups[0].steps[0].clone();
    let host = fixture.host();
    for max_bytes in [0, 5_000, 10_500] {
        let captured = block(host.capture(&step, max_bytes)).unwrap();
        assert_eq!(captured.observed.digest(), Some(step.expect), "{max_bytes}");
        assert_eq!(captured.contents.bytes(), 0, "{max_bytes}");
    }
    let whole = block(host.capture(&step, 1 << 20)).unwrap();
    assert!(whole.contents.bytes() > 10_000);
}

// Goal: once an undo has put a swapped directory back, the files that had been made in its stead are proven gone.
#[test]
fn a_restored_swap_proves_its_files_gone() {
    let fixture = Fixture::new();
    fixture.write("outside/f", "theirs", 0o644);
    symlink("outside", fixture.path("d")).unwrap();
    let manifest = format!("{{kind: Directory, name: d, spec: {{path: /d}}}}\n---\n{MANIFEST}");
    let undo = fixture.reconcile(&manifest);
    assert_eq!(undo.len(), 2);
    fixture.undo(&undo);
    let host = fixture.host();
    for step in &undo {
        let now = block(host.capture(step, 0)).unwrap().observed;
        assert_eq!(now.digest(), Some(step.leaves), "{}", step.address);
    }
    assert_eq!(std::fs::read(fixture.path("outside/f")).unwrap(), b"theirs");
}

// Goal: after a crash a leftover that is the state before, or what was to be put, goes; a directory that was displaced
// with things in it that nobody has seen comes back.
#[test]
fn crashes_are_cleaned_up() {
    let (fixture, step) = drifted();
    fixture.write("d/.evenkeel-n0nce", "old", 0o644);
    fixture.write("d/f", "new", 0o644);
    block(fixture.host().tidy(&step, "n0nce")).unwrap();
    assert_eq!(std::fs::read(fixture.path("d/f")).unwrap(), b"new");
    assert!(fixture.leftovers().is_empty());

    let fixture = Fixture::new();
    std::fs::create_dir(fixture.path("made")).unwrap();
    let manifest = "{kind: Directory, name: made, spec: {path: /made}}";
    std::fs::remove_dir(fixture.path("made")).unwrap();
    let undo = fixture.reconcile(manifest);
    std::fs::rename(fixture.path("made"), fixture.path(".evenkeel-n0nce")).unwrap();
    fixture.write(".evenkeel-n0nce/mine", "x", 0o644);
    block(fixture.host().tidy(&undo[0], "n0nce")).unwrap();
    assert!(fixture.path("made/mine").exists());
    assert!(fixture.leftovers().is_empty());
}

// Goal: what of evenkeel's own lies in the root is named by its address, by whatever way it was configured.
#[test]
fn own_places_are_addresses() {
    let mut fixture = Fixture::new();
    std::fs::create_dir_all(fixture.path("srv/state")).unwrap();
    symlink(fixture.path("srv"), fixture.temp.path().join("alias")).unwrap();
    let own = |path| evenkeel::providers::host::OwnPath {
        path,
        what: "state directory",
    };
    fixture.config.own = vec![
        own(fixture.temp.path().join("alias/state")),
        own(fixture.temp.path().join("elsewhere")),
        own(fixture.temp.path().join("alias/not/there/yet")),
    ];
    let places = fixture
        .host_on(LocalFs::open(&fixture.root).unwrap())
        .own_places();
    let addresses: Vec<_> = places
        .iter()
        .map(|place| place.address.0.as_str())
        .collect();
    assert_eq!(addresses, ["/srv/state", "/srv/not/there/yet"]);
}
