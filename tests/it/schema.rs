//! `evenkeel schema` against what the decoders take: an editor neither marks what is right nor offers what is not.

use std::collections::BTreeSet;

use evenkeel::schema;
use serde_json::Value as Json;

use crate::support::{Project, config};

/// A word that is no field anywhere, and near to none.
const NONE: &str = "zzzzzzzzzzzzzzzzzzzzzzzz";

/// The smallest sound `spec` of each kind.
const SMALLEST: [(&str, &str); 21] = [
    ("Accounts", "login: []"),
    ("AuthorizedKeys", "user: root, keys: []"),
    ("Cron", "allow: []"),
    ("Directory", "path: /d"),
    ("File", "path: /f"),
    ("FileTree", "path: /t, against: dpkg"),
    ("Firewall", "table: { family: inet, name: x }, rules: ''"),
    ("Group", "gid: 1"),
    ("Hosts", "entries: {}"),
    ("KernelModules", "allow: []"),
    ("Listeners", "allow: []"),
    ("Mounts", "allow: []"),
    ("Package", "name: dpkg"),
    ("Preload", "libraries: []"),
    ("PrivilegedFiles", "paths: [/usr]"),
    ("Processes", "required: []"),
    ("Resolver", "nameservers: []"),
    ("Service", "name: ssh"),
    ("Symlink", "path: /s, target: x"),
    ("Sysctl", "key: a.b, value: '1', live: false"),
    ("User", "uid: 1"),
];

fn document(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: host.evenkeel.dev/v1\nkind: {kind}\nmetadata: {{ name: x }}\nspec: {{ {spec} }}\n"
    )
}

/// What `check` says of a file of the baseline.
fn checked(project: &Project, path: &str, text: &str) -> String {
    project.write(path, text);
    project.run(&["check", "--worktree"]).all()
}

/// The fields that are known where a field is that is not.
fn known(said: &str) -> Vec<BTreeSet<String>> {
    let lists = said.split("known here: ").skip(1);
    lists
        .map(|rest| {
            let line = rest.lines().next().unwrap();
            line.split(", ").map(str::to_owned).collect()
        })
        .collect()
}

fn properties(schema: &Json) -> BTreeSet<String> {
    let properties = schema["properties"].as_object();
    properties.unwrap().keys().cloned().collect()
}

// Goal: a field that a decoder gains or loses is gained or lost by the schema in the same change, for each kind there is.
#[test]
fn kinds_have_the_fields_that_are_taken() {
    let schema = schema::manifest().unwrap();
    let project = Project::new(&config("observe", ""), "");
    let path = "desired-state/host/all.yaml";
    let unknown = checked(&project, path, &document(NONE, "a: 1"));
    let [kinds] = &known(&unknown)[..] else {
        panic!("{unknown}")
    };
    // Those of listings, which no manifest declares.
    let listed = |kind: &&String| ["Listener", "Process"].contains(&kind.as_str());
    let kinds: BTreeSet<_> = kinds.iter().filter(|kind| !listed(kind)).collect();
    let named: BTreeSet<_> = SMALLEST
        .iter()
        .map(|(kind, _)| (*kind).to_owned())
        .collect();
    assert_eq!(kinds, named.iter().collect());
    let listed = schema["properties"]["kind"]["enum"].as_array().unwrap();
    let listed: BTreeSet<_> = listed.iter().map(|kind| kind.as_str().unwrap()).collect();
    assert_eq!(listed, named.iter().map(String::as_str).collect());
    for (kind, spec) in SMALLEST {
        let said = checked(
            &project,
            path,
            &document(kind, &format!("{spec}, {NONE}: 1")),
        );
        let [taken] = &known(&said)[..] else {
            panic!("{kind}: {said}")
        };
        assert_eq!(properties(&schema["$defs"][kind]), *taken, "{kind}");
        for required in schema["$defs"][kind]["required"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let required = required.as_str().unwrap();
            assert!(
                spec.contains(&format!("{required}: ")),
                "{kind}: {required}"
            );
        }
    }
    let whole = format!("{}{NONE}: 1\n", document("File", "path: /f"));
    let said = checked(&project, path, &whole);
    assert_eq!(vec![properties(&schema)], known(&said), "{said}");
}

// Goal: the same for `evenkeel.yaml`, at each place where it has fields.
#[test]
fn the_project_has_the_fields_that_are_taken() {
    let schema = schema::project().unwrap();
    let text = format!(
        "apiVersion: evenkeel.dev/v1
kind: Project
metadata: {{ name: x, {NONE}: 1 }}
targets:
  - {{ name: host, provider: host, labels: {{ a: b }}, ssh: {{ host: x, {NONE}: 1 }}, {NONE}: 1 }}
groups:
  - {{ name: g, labels: {{ a: b }}, {NONE}: 1 }}
guard: {{ {NONE}: 1 }}
forge: {{ repository: a/b, {NONE}: 1 }}
trust: {{ {NONE}: 1 }}
detect: {{ heuristics: {{ rate: {{ {NONE}: 1 }}, impossible_travel: {{ {NONE}: 1 }}, {NONE}: 1 }}, {NONE}: 1 }}
{NONE}: 1
"
    );
    let project = Project::new(&config("observe", ""), "");
    let said = checked(&project, "desired-state/evenkeel.yaml", &text);
    let taken: BTreeSet<_> = known(&said).into_iter().collect();
    let of = |names: &[&str]| {
        let at = names.iter().fold(&schema, |at, name| {
            let inner = &at["properties"][name];
            if inner["items"].is_object() {
                &inner["items"]
            } else {
                inner
            }
        });
        properties(at)
    };
    let places: [&[&str]; 11] = [
        &[],
        &["metadata"],
        &["targets"],
        &["targets", "ssh"],
        &["groups"],
        &["guard"],
        &["forge"],
        &["trust"],
        &["detect"],
        &["detect", "heuristics"],
        &["detect", "heuristics", "impossible_travel"],
    ];
    let mut held: BTreeSet<_> = places.iter().map(|place| of(place)).collect();
    held.insert(properties(&schema["$defs"]["heuristic"]));
    assert_eq!(held, taken, "{said}");
}

// Goal: the same for `suppressions.yaml`.
#[test]
fn suppressions_have_the_fields_that_are_taken() {
    let schema = schema::suppressions().unwrap();
    let project = Project::new(&config("observe", ""), "");
    let path = "desired-state/suppressions.yaml";
    let said = checked(
        &project,
        path,
        &format!("- {{ selector: {{ {NONE}: 1 }}, {NONE}: 1 }}\n"),
    );
    let taken: BTreeSet<_> = known(&said).into_iter().collect();
    let one = &schema["items"];
    let held = BTreeSet::from([properties(one), properties(&one["properties"]["selector"])]);
    assert_eq!(held, taken, "{said}");
    let required = one["required"].as_array().unwrap();
    for field in required.iter().map(|it| it.as_str().unwrap()) {
        assert!(
            said.contains(&format!("`{field}`")) || field == "selector",
            "{field}: {said}"
        );
    }
}

// Goal: every reference in a schema leads somewhere, and all are printed.
#[test]
fn schemas_are_whole() {
    let project = Project::new(&config("observe", ""), "");
    for of in ["manifest", "project", "suppressions"] {
        let schema = project.expect(0, &["schema", of]).json();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let text = schema.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(schema.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
