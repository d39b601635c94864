//! Manifests of hosts: what is wrong with them is said with place and hint, all in one go.

use super::fixture::Fixture;

// Goal: every way to write a spec wrongly is a problem of its own with its place. Method: one document a line.
#[test]
fn every_mistake_is_named() {
    let fixture = Fixture::new();
    let cases = [
        (
            "{kind: File, name: a, spec: {content: x}}",
            "1:29: `path` is missing",
        ),
        (
            "{kind: File, name: a, spec: {path: etc/x}}",
            "1:36: the path is not absolute",
        ),
        (
            "{kind: File, name: a, spec: {path: /etc/../x}}",
            "1:36: the path has a part that is . or ..",
        ),
        (
            "{kind: File, name: a, spec: {path: \"/a\\nb\"}}",
            "1:36: the path has a control character",
        ),
        (
            "{kind: File, name: a, spec: {path: /}}",
            "1:36: the root is no file",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, mode: 644}}",
            "1:46: expected a mode, found a number",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, mode: \"0888\"}}",
            "1:46: \"0888\" is no mode",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, mode: \"17777\"}}",
            "1:46: \"17777\" is no mode",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, owner: \"a:b\"}}",
            "1:47: \"a:b\" is not a user",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, owner: -1}}",
            "1:47: -1 is not a user",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, group: 4294967295}}",
            "1:47: 4294967295 is not a group",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, content: 1}}",
            "1:49: expected text, found a number",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, content: a, contentFrom: b}}",
            "1:65: content is given twice",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, contentFrom: ../../b}}",
            "1:53: the path leaves the baseline's directory",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, contentFrom: b}}",
            "1:53: there is no file t/b",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, state: absent, content: b}}",
            "1:64: a file that is absent has no such thing",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, state: gone}}",
            "1:47: \"gone\" is not known here",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, capabilities: cap_fly=ep}}",
            "1:54: \"cap_fly\" is no capability",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, validate: [/bin/sh, -c, id]}}",
            "1:50: `/bin/sh` is no allowed validate command",
        ),
        (
            "{kind: File, name: a, spec: {path: /x, mod: \"0644\"}}",
            "1:40: unknown field `mod`",
        ),
        (
            "{kind: Directory, name: a, spec: {path: /x, ignore: [a]}}",
            "1:53: `ignore` without `exclusive: true` has no effect",
        ),
        (
            "{kind: Directory, name: a, spec: {path: /x, exclusive: true, ignore: [a, \"[\"]}}",
            "1:74: this is no glob: unclosed character class; missing ']'",
        ),
        (
            "{kind: Fil, name: a, spec: {path: /x}}",
            "1:8: a host has no kind `Fil`",
        ),
    ];
    for (document, problem) in cases {
        assert_eq!(
            fixture.problems(document),
            format!("t/a.yaml:{problem}"),
            "{document}"
        );
    }
}

// Goal: two resources that would fight over a path are named with both their places, absent ones too; so is a file
// that could only exist if another were a directory.
#[test]
fn collisions_name_both_places() {
    let fixture = Fixture::new();
    let documents = [
        "{kind: File, name: a, spec: {path: /x}}",
        "{kind: File, name: b, spec: {path: /x, state: absent}}",
        "{kind: Directory, name: d, spec: {path: /y}}",
        "{kind: File, name: c, spec: {path: /y/z}}",
        "{kind: File, name: e, spec: {path: /x/below}}",
        "{kind: File, name: f, spec: {path: /x/gone, state: absent}}",
    ];
    assert_eq!(
        fixture.problems(&documents.join("\n---\n")),
        "t/a.yaml:3:36: /x is managed by File/a already\n\
         t/a.yaml:9:36: /x/below lies below /x, which File/a says is no directory"
    );
}

// Goal: an owner whom the target does not know leaves that one resource unevaluated, with its name, and its file is not
// taken for an unlisted one; a passwd that says root is somebody else is not believed.
#[test]
fn unknown_owners_are_not_evaluated() {
    let fixture = Fixture::new();
    fixture.write(
        "etc/passwd",
        "root:x:1000:1000::/root:/bin/sh\nwww:x:33:33::/:/bin/sh\n",
        0o644,
    );
    fixture.write("d/x", "x", 0o644);
    let manifest = r#"
{kind: Directory, name: d, spec: {path: /d, exclusive: true}}
---
{kind: File, name: x, spec: {path: /d/x, owner: nobody-here}}
---
{kind: File, name: y, spec: {path: /y, owner: www}}
---
{kind: File, name: z, spec: {path: /z, owner: root}}
"#;
    let looked = fixture.look(manifest);
    assert_eq!(looked.unseen(), ["Unresolved /d/x"]);
    assert_eq!(looked.drifts(), ["Missing File /y", "Missing File /z"]);
    let uids: Vec<_> = looked
        .comparison
        .drifts
        .iter()
        .map(|drift| drift.after.as_ref().unwrap().fields["uid"].as_int())
        .collect();
    assert_eq!(uids, [Some(33), Some(0)]);
    std::fs::remove_file(fixture.path("etc/passwd")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", fixture.path("etc/passwd")).unwrap();
    assert_eq!(
        fixture.look(manifest).unseen(),
        ["Unresolved /d/x", "Unresolved /y"]
    );
}

// Goal: each resource waits for the nearest managed directory above it.
#[test]
fn resources_depend_on_their_directory() {
    let fixture = Fixture::new();
    let looked = fixture.look(
        "{kind: Directory, name: top, spec: {path: /a}}\n---\n{kind: Directory, name: in, spec: {path: /a/b}}\n---\n{kind: File, name: f, spec: {path: /a/b/c/d}}",
    );
    let depends: Vec<_> = looked
        .desired
        .iter()
        .map(|one| {
            one.depends_on
                .iter()
                .map(|id| id.name.as_str())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(depends, [vec![], vec!["top"], vec!["in"]]);
}
