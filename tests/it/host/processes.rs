//! Processes, as far as a root folder goes: it has none.

use super::fixture::Fixture;

// Goal: every wrong rule is named with its place, so that none forbids more or less than its writer thinks.
#[test]
fn every_mistake_is_named() {
    let fixture = Fixture::new();
    let cases = [
        (
            "{forbidden: [{}]}",
            "one of `program` and `digest` is asked for",
        ),
        (
            "{forbidden: [{program: /x, digest: y}]}",
            "one of `program` and `digest` is asked for",
        ),
        (
            "{forbidden: [{program: x}]}",
            "the program is named by its absolute path",
        ),
        ("{forbidden: [{digest: ab}]}", "this is no digest"),
        ("{required: [{user: root}]}", "`program` is missing"),
        (
            "{required: [{program: /x, name: y}]}",
            "unknown field `name`",
        ),
        ("{deleted: never}", "expected true or false, found text"),
    ];
    for (spec, problem) in cases {
        let document = format!("{{kind: Processes, name: all, spec: {spec}}}");
        let problems = fixture.problems(&document);
        assert!(problems.starts_with("t/a.yaml:1:"), "{problems}");
        assert!(problems.ends_with(&format!(": {problem}")), "{problems}");
    }
}

// Goal: a folder that is not the machine's own root is never clean of processes.
#[test]
fn a_folder_has_no_processes() {
    let manifest = "kind: Processes\nname: all\nspec: { deleted: false }\n";
    let comparison = Fixture::new().look(manifest).comparison;
    assert_eq!(comparison.not_evaluated.len(), 1, "{comparison:?}");
    assert!(comparison.clean.is_empty() && comparison.drifts.is_empty());
}
