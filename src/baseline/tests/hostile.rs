//! Input that nobody writes by accident.

use proptest::prelude::*;

use super::super::{Source, load, render};
use super::{PROJECT, manifest, source};

// Goal: thousands of mistakes take no more than seconds and a bounded answer.
#[test]
fn many_mistakes_are_bounded() {
    let docs = "kind: 1\n---\n".repeat(50_000);
    let loaded = load(&source(&[
        ("evenkeel.yaml", PROJECT),
        ("web/a.yaml", &docs),
    ]))
    .unwrap();
    assert_eq!(loaded.problems.0.len(), 1_001);
    assert!(render(&loaded.problems, "", false).len() < 100_000);
}

// Goal: everything read counts towards one bound, manifests and side files alike, and each file once.
#[test]
fn the_total_is_bounded() {
    let chunk = vec![b'x'; 16 << 20];
    let mut source = Source::empty().with("evenkeel.yaml", PROJECT);
    for i in 0..17 {
        source = source.with(&format!("web/files/{i}"), chunk.clone());
    }
    for i in 0..16 {
        for _ in 0..3 {
            source.read(&format!("web/files/{i}")).unwrap();
        }
    }
    let why = source.read("web/files/16").unwrap_err();
    assert!(why.contains("more than 256 MiB"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // Goal: whatever bytes a file holds, loading ends in an answer whose problems can be shown.
    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0_usize..4) {
        let path = ["evenkeel.yaml", "web/a.yaml", "exemptions.yaml", "approvals/a.yaml"][which];
        let loaded = load(&Source::empty().with("evenkeel.yaml", PROJECT).with(path, bytes)).unwrap();
        let shown = render(&loaded.problems, "desired-state", false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }

    // Goal: the same for text that is nearly right: one good file with a piece cut out, doubled or replaced.
    #[test]
    fn near_misses_are_answered(
        which in 0_usize..3,
        at in 0_usize..200,
        cut in 0_usize..20,
        put in "[-\\[\\]{}:#&*!|>'\"%@` \n\ta-z0-9\u{7f}\u{202e}é]{0,12}",
    ) {
        let hash = "ab".repeat(32);
        let approval = format!("approvals/{hash}.yaml");
        let (path, good) = [
            ("evenkeel.yaml", format!("{PROJECT}guard:\n  protected: [File/x, '/etc/**']\n  suspend_after_undo: 1d\n")),
            ("web/a.yaml", manifest("a")),
            (approval.as_str(), format!("apiVersion: evenkeel.dev/v1\nkind: Approval\ngroup: {hash}\nfingerprint: 'aa'\nexpires: 2027-01-01\n")),
        ][which].clone();
        let mut text = good.into_bytes();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.splice(start..end, put.bytes());
        let loaded = load(&Source::empty().with("evenkeel.yaml", PROJECT).with(path, text)).unwrap();
        for problem in &loaded.problems.0 {
            if let Some(at) = &problem.at {
                prop_assert!(at.line >= 1 && at.column >= 1, "{problem}");
            }
        }
        let shown = render(&loaded.problems, "", false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
