//! The first project.

use std::fs;

use super::super::{BaselineError, Repo, Source, Starter, init, load};
use crate::model::{Mode, TargetName};

// Goal: what `init` writes is understood whole, only observes, and keeps the state out of git.
#[test]
fn a_new_project_loads() {
    let dir = tempfile::tempdir().unwrap();
    git2::Repository::init(dir.path()).unwrap();
    fs::write(dir.path().join(".gitignore"), "target").unwrap();
    let baseline = dir.path().join("deep/desired-state");
    let starter = Starter {
        target: TargetName("web-1".into()),
        root: "/srv/a \"quoted\": root".into(),
    };
    let written = init(&baseline, &starter).unwrap();
    assert_eq!(written.len(), 5);
    let ignored = fs::read_to_string(dir.path().join(".gitignore")).unwrap();
    assert_eq!(ignored, "target\n.evenkeel/\n");

    let loaded = load(&Source::folder(&baseline).unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(loaded.notices, Vec::<String>::new());
    let project = loaded.project.unwrap();
    assert_eq!(project.targets[0].mode, Mode::Observe);
    let crate::model::ProviderKind::Host { root, .. } = &project.targets[0].provider;
    assert_eq!(*root, starter.root);
    assert_eq!(loaded.declared[&starter.target].len(), 2);
    assert_eq!(
        Repo::discover(&baseline).unwrap().prefix(),
        "deep/desired-state"
    );
}

// Goal: nothing is overwritten and nothing half written: what is in the way is listed.
#[test]
fn nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let baseline = dir.path().join("desired-state");
    init(&baseline, &Starter::default()).unwrap();
    let ignored = fs::read_to_string(dir.path().join(".gitignore")).unwrap();
    assert_eq!(ignored, ".evenkeel/\n");
    fs::write(baseline.join("evenkeel.yaml"), "mine").unwrap();
    fs::remove_file(baseline.join("exemptions.yaml")).unwrap();
    let error = init(&baseline, &Starter::default()).unwrap_err();
    let BaselineError::Exists { paths } = &error else {
        panic!("{error}");
    };
    assert_eq!(paths.len(), 3);
    assert_eq!(
        fs::read_to_string(baseline.join("evenkeel.yaml")).unwrap(),
        "mine"
    );
    assert!(!baseline.join("exemptions.yaml").exists());

    let bad = Starter {
        target: TargetName("../x".into()),
        ..Starter::default()
    };
    let error = init(&dir.path().join("other"), &bad).unwrap_err();
    assert!(matches!(error, BaselineError::BadTargetName { .. }));
    assert!(!dir.path().join("other").exists());
}

// Goal: the example that the README runs is understood whole, with nothing in it that is passed over.
#[test]
fn the_example_loads() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("desired-state");
    let loaded = load(&Source::folder(&example).unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(loaded.notices, Vec::<String>::new());
    assert!(!loaded.declared.is_empty());
}
