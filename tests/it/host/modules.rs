//! Modules of a kernel, as far as a root folder goes: it has none.

use super::fixture::Fixture;

// Goal: every wrong list is named with its place, so that none allows more or less than its writer thinks.
#[test]
fn every_mistake_is_named() {
    let fixture = Fixture::new();
    let cases = [
        ("{}", "1:40: `allow` is missing"),
        ("{allow: [../x]}", "1:48: \"../x\" is no name of a module"),
        ("{allow: [\"a b\"]}", "1:48: \"a b\" is no name of a module"),
        (
            "{allow: [\"[\"]}",
            "1:48: \"[\" is no glob: unclosed character class; missing ']'",
        ),
        (
            "{allow: [], taint: [o]}",
            "1:59: \"o\" is no flag of a kernel",
        ),
        (
            "{allow: [], taint: [OE]}",
            "1:59: \"OE\" is no flag of a kernel",
        ),
        ("{allow: [], unload: true}", "1:52: unknown field `unload`"),
    ];
    for (spec, problem) in cases {
        let document = format!("{{kind: KernelModules, name: all, spec: {spec}}}");
        let problems = fixture.problems(&document);
        assert_eq!(problems, format!("t/a.yaml:{problem}"), "{spec}");
    }
}

// Goal: a folder that is not the machine's own root says nothing of the kernel that happens to run, and is never clean.
#[test]
fn a_folder_has_no_kernel() {
    let manifest = "kind: KernelModules\nname: all\nspec: { allow: [\"*\"], taint: [O, E] }\n";
    let comparison = Fixture::new().look(manifest).comparison;
    assert_eq!(comparison.not_evaluated.len(), 1, "{comparison:?}");
    assert!(comparison.clean.is_empty() && comparison.drifts.is_empty());
}
