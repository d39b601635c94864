//! Groups of targets: what they share, which values end up in it, and everything that is wrong about that.

use proptest::prelude::*;

use super::super::{Loaded, load, load_project, load_resources, render};
use super::{manifest, source};
use crate::document::YamlValue;
use crate::model::{Problems, TargetName};

const TARGETS: &str = "\
apiVersion: evenkeel.dev/v1
kind: Project
targets:
  - { name: a, provider: host, root: /, labels: { role: web, site: x }, vars: { listen: 10.0.0.1 } }
  - { name: b, provider: host, root: /, labels: { role: web }, vars: { listen: 10.0.0.2, domain: b.example } }
  - { name: c, provider: host, root: /, labels: { role: db } }
";
const GROUPS: &str = "\
groups:
  - { name: web, labels: { role: web }, vars: { domain: example.org, workers: 4 } }
  - { name: x, targets: [a, c], vars: { workers: 4 } }
";

/// A manifest that uses values.
fn vhost(listed: &str, content: &str) -> String {
    format!(
        "{}  content: {content}\nvars: {listed}\n",
        manifest("vhost")
    )
}

fn loaded(groups: &str, files: &[(&str, &str)]) -> Loaded {
    let project = format!("{TARGETS}{groups}");
    let mut all = vec![("evenkeel.yaml", project.as_str())];
    all.extend(files);
    load(&source(&all)).unwrap()
}

fn ids(loaded: &Loaded, target: &str) -> Vec<String> {
    let declared = loaded.declared.get(&TargetName(target.into()));
    declared
        .into_iter()
        .flatten()
        .map(|declared| format!("{} at {}", declared.id, declared.at))
        .collect()
}

fn content(loaded: &Loaded, target: &str) -> YamlValue {
    let declared = &loaded.declared[&TargetName(target.into())][0];
    let mut problems = Problems::default();
    let mut fields = declared.spec.fields(&mut problems).unwrap();
    fields.take("content").unwrap().value.clone()
}

// Goal: what lies in a group's directory is declared once for each of its targets and for no other, in the group's file,
// beside what the targets have themselves.
#[test]
fn groups_share_resources() {
    let loaded = loaded(
        GROUPS,
        &[
            ("web/sub/motd.yaml", &manifest("motd")),
            ("x/hosts.yaml", &manifest("hosts")),
            ("b/own.yaml", &manifest("own")),
        ],
    );
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(
        ids(&loaded, "a"),
        [
            "a/File/motd at web/sub/motd.yaml:1:1",
            "a/File/hosts at x/hosts.yaml:1:1"
        ]
    );
    assert_eq!(
        ids(&loaded, "b"),
        [
            "b/File/own at b/own.yaml:1:1",
            "b/File/motd at web/sub/motd.yaml:1:1"
        ]
    );
    assert_eq!(ids(&loaded, "c"), ["c/File/hosts at x/hosts.yaml:1:1"]);
    assert_eq!(loaded.notices, Vec::<String>::new());
    let motd = &loaded.declared[&TargetName("a".into())][0];
    assert_eq!(motd.directory, "web/sub");
}

// Goal: each target gets its own value, which overrides that of its group; a number alone stays a number.
#[test]
fn values_are_each_targets_own() {
    let text = vhost(
        "[listen, domain]",
        "'${listen} ${domain} ${HOME} $${domain}'",
    );
    let text = loaded(GROUPS, &[("web/a.yaml", &text)]);
    assert_eq!(text.problems.to_string(), "");
    let of = |target| match content(&text, target) {
        YamlValue::Text(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(of("a"), "10.0.0.1 example.org ${HOME} ${domain}");
    assert_eq!(of("b"), "10.0.0.2 b.example ${HOME} ${domain}");
    let number = loaded(GROUPS, &[("web/a.yaml", &vhost("[workers]", "${workers}"))]);
    assert!(matches!(content(&number, "a"), YamlValue::Int(4)));
}

// Goal: a resource that lists no values is left exactly as it is, and takes no memory for each target.
#[test]
fn what_lists_nothing_is_shared() {
    let text = format!("{}  content: '${{listen}} $${{listen}}'\n", manifest("m"));
    let loaded = loaded(GROUPS, &[("web/a.yaml", &text)]);
    assert!(
        matches!(content(&loaded, "a"), YamlValue::Text(text) if text == "${listen} $${listen}")
    );
    let spec = |target: &str| &loaded.declared[&TargetName(target.into())][0].spec;
    assert!(std::sync::Arc::ptr_eq(spec("a"), spec("b")));
}

// Goal: groups and values are those of the trusted configuration, wherever the resources come from.
#[test]
fn groups_follow_the_trusted_project() {
    let trusted = format!("{TARGETS}{GROUPS}");
    let (project, problems) = load_project(&source(&[("evenkeel.yaml", &trusted)])).unwrap();
    assert_eq!(problems.to_string(), "");
    let evil = trusted.replace("role: web }, vars", "role: db }, vars");
    let text = vhost("[listen]", "'${listen}'");
    let other = source(&[("evenkeel.yaml", &evil), ("web/a.yaml", &text)]);
    let loaded = load_resources(&other, &project.unwrap()).unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    assert_eq!(ids(&loaded, "b"), ["b/File/vhost at web/a.yaml:1:1"]);
    assert_eq!(ids(&loaded, "c"), Vec::<String>::new());
    assert!(matches!(content(&loaded, "b"), YamlValue::Text(text) if text == "10.0.0.2"));
}

// Goal: every mistake in groups, labels and values is named at its place in evenkeel.yaml.
#[test]
fn groups_are_checked() {
    for (groups, expected) in [
        ("groups: {}\n", "7:9: expected a list, found a map"),
        (
            "groups: [{name: w}]\n",
            "7:10: the group says not which targets it has",
        ),
        ("groups: [{targets: [a]}]\n", "7:10: `name` is missing"),
        (
            "groups: [{name: W, targets: [a]}]\n",
            "7:17: \"W\" is not a name for a group",
        ),
        (
            "groups: [{name: files, targets: [a]}]\n",
            "7:17: no group can be called `files`",
        ),
        (
            "groups: [{name: a, targets: [b]}]\n",
            "7:17: there is a target `a` already",
        ),
        (
            "groups: [{name: w, targets: [a]}, {name: w, targets: [b]}]\n",
            "7:42: group `w` is listed twice",
        ),
        (
            "groups: [{name: w, targets: [a], labels: {role: web}}]\n",
            "7:29: the group chooses by labels and by name",
        ),
        (
            "groups: [{name: w, targets: [d]}]\n",
            "7:30: there is no target \"d\"",
        ),
        (
            "groups: [{name: w, targets: [a, a]}]\n",
            "7:33: target `a` is listed twice",
        ),
        (
            "groups: [{name: w, targets: []}]\n",
            "7:29: the group has no target",
        ),
        (
            "groups: [{name: w, labels: {}}]\n",
            "7:28: no labels at all would choose every target",
        ),
        (
            "groups: [{name: w, labels: {role: mail}}]\n",
            "7:28: no target has all of these labels",
        ),
        (
            "groups: [{name: w, labels: {role: 1}}]\n",
            "7:35: expected text, found a number",
        ),
        (
            "groups: [{name: w, labels: {'a b': x}}]\n",
            "7:29: \"a b\" is no label",
        ),
        (
            "groups: [{name: w, labels: {role: 'a b'}}]\n",
            "7:35: \"a b\" is no value of a label",
        ),
        (
            "groups: [{name: w, targets: [a], vars: [x]}]\n",
            "7:40: expected a map, found a list",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {a-b: 1}}]\n",
            "7:41: \"a-b\" is no name of a value",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {x: \"a\\nb\"}}]\n",
            "7:44: the text holds a line break or a control character",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {x: \"a\\eb\"}}]\n",
            "7:44: the text holds a line break or a control character",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {x: 1.50}}]\n",
            "7:44: a fraction is no value: 1.50 would come out as 1.5",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {x: [1]}}]\n",
            "7:44: expected text, a whole number or a boolean, found a list",
        ),
        (
            "groups: [{name: w, targets: [a], vars: {x: ~}}]\n",
            "7:44: expected text, a whole number or a boolean, found nothing",
        ),
        (
            "groups: [{name: w, targets: [a, b], vars: {x: 1, listen: 9}}, {name: v, targets: [a, b], vars: {x: 2, listen: 8}}]\n",
            "7:100: groups `w` and `v` give different values of `x` to target a",
        ),
        (
            "groups: [{name: w, target: [a]}]\n",
            "7:20: unknown field `target`\nevenkeel.yaml:7:10: the group says not which targets it has",
        ),
    ] {
        let problems = loaded(groups, &[]).problems.to_string();
        let mut lines: Vec<_> = problems.lines().collect();
        lines.sort();
        let expected = format!("evenkeel.yaml:{expected}");
        let mut wanted: Vec<_> = expected.lines().collect();
        wanted.sort();
        assert_eq!(lines, wanted, "{groups}");
    }
}

// Goal: every mistake in what a resource lists is named once at its place, however many targets share it, with the
// targets that it is about.
#[test]
fn listed_values_are_checked() {
    for (listed, expected) in [
        ("domain", "8:7: expected a list, found text"),
        ("[1]", "8:8: expected text, found a number"),
        ("['${domain}']", "8:8: \"${domain}\" is no name of a value"),
        ("[domain, domain]", "8:16: `domain` is listed twice"),
        ("[domian]", "8:8: `domian` has no value for targets a, b"),
        ("[nothing]", "8:8: `nothing` has no value for targets a, b"),
    ] {
        let problems = loaded(GROUPS, &[("web/a.yaml", &vhost(listed, "'${domain}'"))]).problems;
        assert_eq!(problems.to_string(), format!("web/a.yaml:{expected}"));
    }
    let problems = loaded(GROUPS, &[("x/a.yaml", &vhost("[listen]", "'${listen}'"))]).problems;
    assert_eq!(
        problems.to_string(),
        "x/a.yaml:8:8: `listen` has no value for target c"
    );
}

// Goal: one resource of one target has one place: two groups, or a group and a target, are told both places, once.
#[test]
fn nothing_is_overridden() {
    for (first, second, at) in [
        ("web/m.yaml", "x/m.yaml", "a"),
        ("b/m.yaml", "web/m.yaml", "b"),
        ("web/m.yaml", "web/n.yaml", "a"),
    ] {
        let loaded = loaded(GROUPS, &[(first, &manifest("m")), (second, &manifest("m"))]);
        let [problem] = &loaded.problems.0[..] else {
            panic!("{}", loaded.problems);
        };
        assert_eq!(
            problem.to_string(),
            format!("{second}:1:1: {at}/File/m is declared twice")
        );
        let hint = problem.hint.as_deref().unwrap();
        assert!(
            hint.starts_with(&format!("the first one is at {first}:1:1")),
            "{hint}"
        );
    }
}

// Goal: a mistake in the values does not come back as a mistake of everything that uses them.
#[test]
fn broken_values_are_told_once() {
    let groups = "groups: [{name: web, labels: {role: web}, vars: {domain: [x]}}]\n";
    let loaded = loaded(groups, &[("web/a.yaml", &vhost("[domain]", "'${domain}'"))]);
    assert_eq!(
        loaded.problems.to_string(),
        "evenkeel.yaml:7:58: expected text, a whole number or a boolean, found a list"
    );
}

// Goal: what people see when values are missing or contradict each other is whole: place, line, and what to do.
#[test]
fn mistakes_are_readable() {
    let groups = format!(
        "{GROUPS}  - {{ name: y, targets: [a, b], vars: {{ workers: 8 }} }}\n  - {{ name: c, targets: [a] }}\n"
    );
    let told = loaded(&groups, &[]).problems;
    let told = render(&told, "desired-state", false);
    let vhost = vhost("[listne, domain]", "'${listen}'");
    let files = [
        ("web/a.yaml", vhost.as_str()),
        ("x/b.yaml", &manifest("vhost")),
    ];
    let resources = render(&loaded(GROUPS, &files).problems, "desired-state", false);
    insta::assert_snapshot!(format!("{told}\n{resources}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // Goal: whatever stands in the new parts of a file, loading ends in an answer that can be shown.
    #[test]
    fn near_misses_are_answered(at in 0_usize..600, cut in 0_usize..20, put in "[-\\[\\]{}:$~, \na-z0-9]{0,12}") {
        let mut project = format!("{TARGETS}{GROUPS}").into_bytes();
        let start = at.min(project.len());
        let end = (start + cut).min(project.len());
        project.splice(start..end, put.bytes());
        let text = vhost("[listen, domain]", "'${listen}'");
        let source = super::Source::empty().with("evenkeel.yaml", project).with("web/a.yaml", text);
        let shown = render(&load(&source).unwrap().problems, "", false);
        prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
