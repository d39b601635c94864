//! Tests of editing manifests in place.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::manifest::{is, meanings};
use super::*;
use crate::model::{
    Address, Blob, FieldDrift, Fields, Observed, ResourceId, Risk, Span, State, TargetName,
};

const MANIFEST: &str = r#"# What everybody sees.
apiVersion: host.evenkeel.dev/v1   # the host's
kind: File
metadata: { name: motd }
disclose: true
spec:
  path: /etc/motd # where
  mode: "0644"    # not more
  content: |
    hello
      indented

    world
  # who
  owner: root
---
# The second document.
apiVersion: host.evenkeel.dev/v1
kind: File
metadata:
  name: hosts
spec: {path: /etc/hosts, mode: '0644', contentFrom: "files/hosts"} # flow
--- # the third
apiVersion: host.evenkeel.dev/v1
kind: Directory
metadata: { name: motd }
spec: { path: /etc, mode: "0755" }
"#;

fn edit(field: &str, to: Option<Scalar>) -> Edit {
    Edit {
        field: field.into(),
        to,
    }
}

fn text(text: &str) -> Option<Scalar> {
    Some(Scalar::Text(text.into()))
}

fn edited(name: &str, edits: &[Edit]) -> Result<String, AdoptError> {
    edit_manifest("web-1/etc.yaml", MANIFEST, "File", name, edits)
}

fn drift(name: &str, path: &str, actual: Value) -> Drift {
    Drift {
        resource: ResourceId::new(&TargetName("web-1".into()), "File", name),
        address: Address("/etc/x".into()),
        change: Change::Changed,
        fields: vec![FieldDrift {
            path: path.into(),
            expected: None,
            actual: Some(actual),
        }],
        before: Observed::Present(State::default()),
        after: Some(State::default()),
        origin: Span {
            file: "web-1/etc.yaml".into(),
            line: 1,
            column: 1,
        },
        found_in: None,
        risk: Risk::default(),
        disclose: true,
        sensitive: false,
        controls: Vec::new(),
        depends_on: Vec::new(),
        options: Fields::new(),
        one_way: None,
        by_hand: None,
    }
}

// Goal: a block document keeps every comment and all that was not meant, down to the kind of quotes.
#[test]
fn comments_and_layout_stay() {
    let edits = [
        edit("mode", text("0600")),
        edit("content", text("one\n  two # no comment\n")),
        edit("owner", Some(Scalar::Int(1000))),
    ];
    insta::assert_snapshot!(edited("motd", &edits).unwrap());
}

// Goal: a flow mapping on one line stays one, and what is taken out leaves nothing behind.
#[test]
fn flow_mappings_stay() {
    let edits = [
        edit("mode", text("0600")),
        edit("contentFrom", None),
        edit("immutable", Some(Scalar::Bool(true))),
    ];
    insta::assert_snapshot!(edited("hosts", &edits).unwrap());
}

// Goal: a file that is gone is adopted as absent, without what an absent file may not say.
#[test]
fn a_missing_file_becomes_absent() {
    let mut gone = drift("motd", "x", Value::Int(0));
    (gone.change, gone.before) = (Change::Missing, Observed::Absent);
    let changes = changes(&gone, &Contents::default(), MANIFEST).unwrap();
    insta::assert_snapshot!(String::from_utf8(changes[0].content.clone().unwrap()).unwrap());
}

// Goal: content that lies in a file beside the manifest is changed there, and the manifest is left alone.
#[test]
fn content_beside_is_changed_there() {
    let mut contents = Contents::default();
    contents.keep(&b"127.0.0.1 x\n"[..]);
    let changed = drift("hosts", "content", Blob::of(b"127.0.0.1 x\n").into());
    let changes = changes(&changed, &contents, MANIFEST).unwrap();
    assert_eq!(
        changes,
        [FileChange {
            path: "web-1/files/hosts".into(),
            content: Some(b"127.0.0.1 x\n".to_vec()),
        }]
    );
}

// Goal: live content is not put into git unless disclosed, and what no manifest can ask for is refused by name.
#[test]
fn what_may_not_or_cannot_be_adopted() {
    let mut contents = Contents::default();
    contents.keep(&b"secret"[..]);
    contents.keep(&b"\xff"[..]);
    let refusal = |drift: &Drift| changes(drift, &contents, MANIFEST).unwrap_err();
    let mut secret = drift("motd", "content", Blob::of(b"secret").into());
    secret.sensitive = true;
    assert!(matches!(refusal(&secret), AdoptError::Sensitive { .. }));
    (secret.sensitive, secret.disclose) = (false, false);
    assert!(matches!(refusal(&secret), AdoptError::Undisclosed { .. }));
    let binary = drift("motd", "content", Blob::of(b"\xff").into());
    assert!(matches!(refusal(&binary), AdoptError::Content { .. }));
    let link = drift("motd", "type", "symlink".into());
    assert!(matches!(refusal(&link), AdoptError::Type { .. }));
    let linked = drift("motd", "links", Value::Int(2));
    assert!(matches!(refusal(&linked), AdoptError::Field { field, .. } if field == "links"));
    let mut extra = drift("/etc/cron.d/x", "type", "file".into());
    extra.change = Change::Extra;
    assert!(matches!(refusal(&extra), AdoptError::Absent { .. }));
    extra.found_in = Some(extra.resource.clone());
    assert!(matches!(refusal(&extra), AdoptError::NotListed { .. }));
    let mut other = drift("motd", "mode", "0700".into());
    other.resource.kind.0 = "AuthorizedKeys".into();
    assert!(matches!(refusal(&other), AdoptError::Kind { .. }));
    other.resource = ResourceId::new(&TargetName("web-1".into()), "Directory", "ops/.ssh");
    assert!(matches!(refusal(&other), AdoptError::Implied { .. }));
    (other.resource.name, other.change) = ("motd".into(), Change::Missing);
    assert!(matches!(refusal(&other), AdoptError::Gone { .. }));
}

// Goal: without exactly one such document nothing is edited.
#[test]
fn the_document_has_to_be_there_once() {
    let edits = [edit("mode", text("0600"))];
    assert!(matches!(
        edited("nobody", &edits),
        Err(AdoptError::NotFound { .. })
    ));
    let twice = format!("{MANIFEST}---\nkind: File\nmetadata: {{name: motd}}\nspec: {{}}\n");
    let found = edit_manifest("f", &twice, "File", "motd", &edits);
    assert!(matches!(found, Err(AdoptError::NotFound { .. })));
    let broken = edit_manifest("f", "a: [", "File", "motd", &edits);
    assert!(matches!(broken, Err(AdoptError::Unreadable { .. })));
}

// Goal: directories and links are edited in the fields that they have, and the target of a link, which whoever made it
// chose, goes into git only where it is disclosed.
#[test]
fn directories_and_links() {
    let manifest = "kind: Directory\nmetadata: { name: etc }\nspec: { path: /etc, mode: \"0755\" } # all\n\
        ---\nkind: Symlink\nmetadata: { name: now }\nspec:\n  path: /now\n  target: a # first\n  owner: 0\n";
    let text_of = |drift: &Drift| {
        let all = changes(drift, &Contents::default(), manifest)?;
        Ok::<_, AdoptError>(String::from_utf8(all[0].content.clone().unwrap()).unwrap())
    };
    let mut dir = drift("etc", "mode", "0700".into());
    dir.resource.kind.0 = DIRECTORY.into();
    assert_eq!(text_of(&dir), Ok(manifest.replace("0755", "0700")));
    let mut link = drift("now", "target", "b".into());
    link.resource.kind.0 = SYMLINK.into();
    assert_eq!(
        text_of(&link),
        Ok(manifest.replace("a # first", "b # first"))
    );
    link.disclose = false;
    assert!(
        matches!(text_of(&link), Err(AdoptError::Undisclosed { field, .. }) if field == "target")
    );
    link.change = Change::Missing;
    let absent = text_of(&link).unwrap();
    assert!(
        absent.contains("state: absent") && !absent.contains("target"),
        "{absent}"
    );
}

proptest! {
    // Goal: whatever text a live file holds, the edited manifest means exactly that text, or is refused; never
    // something else, and never a panic. Method: read the result with the baseline's reader.
    #[test]
    fn any_content_survives(content in any_content(), name in prop_oneof![Just("motd"), Just("hosts")]) {
        let edits = [edit("content", text(&content)), edit("contentFrom", None)];
        if let Ok(result) = edited(name, &edits) {
            let documents = meanings("f", &result).unwrap();
            let found = documents.iter().find(|one| is(one, "File", name)).unwrap();
            prop_assert_eq!(found.pointer("/spec/content").unwrap(), &Json::from(content));
            prop_assert!(result.contains("# The second document.") && result.contains("# where"));
        }
    }

    // Goal: ordinary text is not only safe but adopted: refusing is for the odd.
    #[test]
    fn ordinary_content_is_adopted(lines in prop::collection::vec("[ -~]{0,20}", 0..6)) {
        let content: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let result = edited("motd", &[edit("content", text(&content))]);
        prop_assert!(result.is_ok(), "{content:?}: {result:?}");
    }
}

fn any_content() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "\n", "\r\n", "\t", "  ", ": ", "# ", "- ", "---\n", "...\n", "\"", "'", "\\", "|", ">",
        "%", "@", "`", "{", "}", "\u{85}", "\u{2028}", "\u{feff}", "\u{0}", "\u{1b}", "é", "null",
        "~", "&a", "*a", "!x", "0644",
    ]);
    prop_oneof![
        prop::collection::vec(odd, 0..12).prop_map(|parts| parts.concat()),
        "\\PC{0,40}",
    ]
}

// Goal: what is live on one target never becomes what all targets of a group are to be, and no edit takes the place of
// a value that differs by target.
#[test]
fn what_targets_share_is_not_adopted() {
    let mode = || Value::Text("0600".into());
    let shared = Drift {
        origin: Span {
            file: "web/etc.yaml".into(),
            line: 1,
            column: 1,
        },
        ..drift("motd", "mode", mode())
    };
    let contents = Contents::default();
    let file = "web/etc.yaml".to_owned();
    assert_eq!(
        changes(&shared, &contents, MANIFEST),
        Err(AdoptError::Shared { file })
    );
    let with_vars =
        "kind: File\nmetadata: { name: motd }\nvars: [m]\nspec: { path: /x, mode: '${m}' }\n";
    let resource = "web-1/File/motd".to_owned();
    assert_eq!(
        changes(&drift("motd", "mode", mode()), &contents, with_vars),
        Err(AdoptError::HasVars { resource })
    );
    let without = with_vars.replace("vars: [m]\n", "").replace("${m}", "0644");
    assert!(changes(&drift("motd", "mode", mode()), &contents, &without).is_ok());
}
