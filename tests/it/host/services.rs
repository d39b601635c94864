//! `Service` on a root folder: manifests, and that nothing is said of units where no systemd runs.
//!
//! Acting needs systemd; `hosts::services` has that.

use super::fixture::Fixture;

fn service(name: &str, spec: &str) -> String {
    format!("---\nkind: Service\nname: {name}\nspec: {spec}\n")
}

// Goal: no name is a path or an option, no drop-in lies where evenkeel must not remove one, and what contradicts itself is said.
#[test]
fn manifests_are_checked() {
    let yaml: String = [
        ("a", "{ name: ../ssh, running: true }"),
        ("b", "{ name: --root=x }"),
        ("c", "{ name: getty@.service }"),
        ("d", "{ masked: true, running: true }"),
        ("e", "{ dropIns: [/etc/passwd] }"),
        ("f", "{ dropIns: [/etc/systemd/system/../../x.conf] }"),
        ("g", "{ enabled: maybe }"),
        ("h", "{ dropins: [] }"),
    ]
    .iter()
    .map(|(name, spec)| service(name, spec))
    .collect();
    insta::assert_snapshot!(Fixture::new().problems(&yaml));
}

// Goal: a root that is not `/` has no systemd, and its units must not pass for those of this machine.
#[test]
fn a_folder_has_no_units() {
    let looked = Fixture::new().look(&service("ssh", "{ running: true }"));
    assert_eq!(looked.drifts(), Vec::<String>::new());
    let [one] = &looked.comparison.not_evaluated[..] else {
        panic!("it was evaluated");
    };
    assert!(one.reason.text.contains("root is /"), "{}", one.reason.text);
}
