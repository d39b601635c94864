//! Mounts, as far as a root folder goes: it has none of its own.

use super::fixture::Fixture;

// Goal: every wrong entry is named with its place, so that none allows more or less than its writer thinks.
#[test]
fn every_mistake_is_named() {
    let fixture = Fixture::new();
    let cases = [
        ("{}", "`allow` is missing"),
        ("{allow: [x]}", "this is no place of a mount"),
        ("{allow: [\"/[\"]}", "this is no place of a mount"),
        ("{allow: [{type: x}]}", "`path` is missing"),
        (
            "{allow: [{path: /x, options: [\"a,b\"]}]}",
            "an option has no comma: write several as a list",
        ),
        ("{allow: [{path: /x, option: a}]}", "unknown field `option`"),
        ("{allow: [], ignore: []}", "unknown field `ignore`"),
    ];
    for (spec, problem) in cases {
        let document = format!("{{kind: Mounts, name: all, spec: {spec}}}");
        let problems = fixture.problems(&document);
        assert!(problems.starts_with("t/a.yaml:1:"), "{problems}");
        assert!(problems.ends_with(&format!(": {problem}")), "{problems}");
    }
}

// Goal: a folder that is not the machine's own root is never clean of mounts.
#[test]
fn a_folder_has_no_mounts() {
    let manifest = "kind: Mounts\nname: all\nspec: { allow: [\"/**\"] }\n";
    let comparison = Fixture::new().look(manifest).comparison;
    assert_eq!(comparison.not_evaluated.len(), 1, "{comparison:?}");
    assert!(comparison.clean.is_empty() && comparison.drifts.is_empty());
}
