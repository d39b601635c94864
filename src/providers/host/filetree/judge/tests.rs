//! What is made of a look, and of what a host says.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{Address, Kind, Reason, ReasonCode};
use crate::providers::host::filetree::manifest::{FIRST_LINE, Manifest};
use crate::providers::host::glob::Globs;
use crate::providers::host::state::state_of;

fn baseline(lines: &str) -> Baseline {
    let text = format!("{FIRST_LINE}\nd 0755 0 0 .\n{lines}");
    Baseline {
        manifest: Manifest::parse(Arc::from(text.into_bytes())).unwrap(),
        stored: vec![Digest::of(b"stored")],
        store: Some("t/store".into()),
    }
}

fn terms(baseline: &Baseline, exclusive: bool) -> Terms<'_> {
    Terms {
        bounds: Bounds {
            within: HostPath(vec![b"usr".to_vec()]),
            ignore: Globs::new(&["tmp/**".into()]).unwrap(),
            ..Bounds::default()
        },
        exclusive,
        baseline: Some(baseline),
    }
}

fn member(address: &str, kind: &str, observed: Observed) -> Member {
    Member {
        address: Address(address.into()),
        kind: Kind(kind.into()),
        observed,
        remedy: Some(State::default()),
        by_hand: Some("a host's own words".into()),
    }
}

fn file(content: &[u8]) -> Node {
    Node {
        node_type: NodeType::File,
        mode: 0o755,
        uid: 0,
        gid: 0,
        links: 1,
        size: content.len() as u64,
        device: None,
        target: None,
        content: Some(Blob::of(content)),
        capabilities: None,
        acl: None,
        default_acl: None,
        xattrs: vec![],
        immutable: false,
        append_only: false,
        file_system: 1,
        inode: 1,
    }
}

fn line(path: &str, content: &[u8]) -> String {
    format!(
        "f 0755 0 0 {} {} {path}\n",
        content.len(),
        Digest::of(content)
    )
}

// Goal: a host cannot have anything done but what the manifest says: it proposes no remedy, names no place outside of the
// tree or where it is ignored, no entry under a wrong kind, and nothing that is as listed.
#[test]
fn a_host_proposes_nothing() {
    let baseline = baseline(&(line("a", b"stored") + &line("b", b"lost")));
    let terms = terms(&baseline, true);
    let present = |content: &[u8]| Observed::Present(state_of(&file(content), None));
    let judged = |address: &str, kind: &str, observed: Observed| {
        let mut member = member(address, kind, observed);
        judge(&terms, &mut member).then_some(member)
    };
    assert_eq!(judged("/usr/a", "File", present(b"stored")), None);
    assert_eq!(judged("/usr/a", "Directory", present(b"evil")), None);
    assert_eq!(judged("/usr/tmp/x", "File", present(b"evil")), None);
    assert_eq!(judged("/etc/a", "File", present(b"evil")), None);
    assert_eq!(judged("/usr/x", "File", Observed::Absent), None);
    assert_eq!(judged("no path", "File", present(b"evil")), None);
    let changed = judged("/usr/a", "File", present(b"evil")).unwrap();
    let remedy = changed.remedy.unwrap();
    assert_eq!(
        remedy.get("content"),
        Some(&Value::Blob(Blob::of(b"stored")))
    );
    assert_eq!(changed.by_hand, None);
    let lost = judged("/usr/b", "File", Observed::Absent).unwrap();
    assert!(lost.by_hand.unwrap().contains("t/store"));
    let extra = judged("/usr/x", "File", present(b"evil")).unwrap();
    assert_eq!((extra.remedy, extra.by_hand), (None, None));
    let unseen = Observed::NotEvaluated(Reason::new(ReasonCode::Io, "broken"));
    assert_eq!(judged("/usr/a", "File", unseen).unwrap().remedy, None);
}

// Goal: a tree that is not exclusive lists nothing that the manifest does not.
#[test]
fn an_open_tree_has_no_extras() {
    let baseline = baseline("");
    let state = state_of(&file(b""), None);
    let mut extra = member("/usr/x", "File", Observed::Present(state));
    assert!(!judge(&terms(&baseline, false), &mut extra));
    assert!(judge(&terms(&baseline, true), &mut extra));
}

fn nodes() -> impl Strategy<Value = Node> {
    let kinds = prop::sample::select(vec![
        NodeType::File,
        NodeType::Directory,
        NodeType::Symlink,
        NodeType::Fifo,
    ]);
    let lists = || prop::option::weighted(0.2, prop::sample::select(vec![vec![1], vec![2, 3]]));
    let words = prop::option::weighted(
        0.2,
        prop::sample::select(vec!["cap_net_raw=ep".to_owned(), "hex:00".to_owned()]),
    );
    let numbers = (0_u32..2, 0_u32..2, 0_u32..2, 1_u64..4);
    let texts = prop::sample::select(vec![&b"a"[..], b"b\\", b"\xff"]);
    (
        kinds,
        numbers,
        texts,
        words,
        lists(),
        lists(),
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(node_type, (mode, uid, gid, links), text, words, acl, default_acl, (one, two))| {
                let is = |wanted| node_type == wanted;
                Node {
                    node_type,
                    mode: if is(NodeType::Symlink) {
                        0o777
                    } else {
                        0o4755 + mode
                    },
                    uid,
                    gid,
                    links,
                    capabilities: words.filter(|_| is(NodeType::File)),
                    target: is(NodeType::Symlink).then(|| text.to_vec()),
                    content: is(NodeType::File).then(|| Blob::of(text)),
                    size: if is(NodeType::File) {
                        text.len() as u64
                    } else {
                        0
                    },
                    acl,
                    default_acl: default_acl.filter(|_| is(NodeType::Directory)),
                    immutable: one,
                    append_only: two,
                    ..file(b"")
                }
            },
        )
}

proptest! {
    // Goal: the quick way and the one that makes steps agree on every look, so that nothing is passed over that differs,
    // and nothing is found twice; putting the remedy leaves what is as listed.
    #[test]
    fn both_judgements_agree(listed in nodes(), found in nodes()) {
        prop_assume!(listed.node_type != NodeType::Fifo);
        let text = super::super::make::line("x", &listed) + "\n";
        let baseline = baseline(&text);
        let terms = terms(&baseline, true);
        let entry = baseline.manifest.entry(1);
        prop_assert!(is_as_listed(&entry, &listed));
        let state = state_of(&found, None);
        let mut one = member("/usr/x", kind_of(listed.node_type), Observed::Present(state));
        let differs = judge(&terms, &mut one);
        prop_assert_eq!(differs, !is_as_listed(&entry, &found));
        if let Some(remedy) = one.remedy.filter(|_| differs) {
            let mut again = member("/usr/x", kind_of(listed.node_type), Observed::Present(remedy));
            prop_assert!(!judge(&terms, &mut again));
        }
    }
}

// Goal: a host that says its file is a kept tree, or has other fields that nobody asked for, has none of them put; its labels
// stay.
#[test]
fn only_labels_are_taken_from_a_host() {
    let baseline = baseline(&line("a", b"stored"));
    let terms = terms(&baseline, true);
    let mut state = state_of(&file(b"evil"), None);
    let tree = Value::Blob(Blob::of(b"somebody else's"));
    state.fields.insert("tree".into(), tree);
    state
        .fields
        .insert("xattrs".into(), Value::Map(Fields::new()));
    let mut member = member("/usr/a", "File", Observed::Present(state));
    assert!(judge(&terms, &mut member));
    let remedy = member.remedy.unwrap();
    assert!(remedy.get("tree").is_none() && remedy.get("xattrs").is_some());
}

// Goal: of packages a host decides nothing either: only those with a file that is the tree's to judge, under the name of a
// package, where dpkg is what counts; what is done is what the package has.
#[test]
fn a_host_proposes_no_package() {
    let files = |path: &str| {
        let files = Fields::from([(path.to_owned(), "changed".into())]);
        let found = Fields::from([(path.to_owned(), Value::Map(Fields::new()))]);
        let map = |fields| Value::Map(fields);
        Observed::Present(State::of(Fields::from([
            ("status".to_owned(), "installed".into()),
            ("held".to_owned(), Value::Bool(false)),
            ("files".to_owned(), map(files)),
            ("found".to_owned(), map(found)),
        ])))
    };
    let manifest = baseline("");
    let of_dpkg = Terms {
        baseline: None,
        ..terms(&manifest, true)
    };
    let judged = |terms: &Terms<'_>, address: &str, kind: &str, path: &str| {
        let mut member = member(address, kind, files(path));
        judge(terms, &mut member).then_some(member)
    };
    let tool = "//package/tool";
    let good = judged(&of_dpkg, tool, "Package", "/usr/bin/tool").unwrap();
    let none = Some(&Value::Map(Fields::new()));
    let remedy = good.remedy.unwrap();
    assert_eq!((remedy.get("files"), remedy.get("found")), (none, none));
    assert_eq!(good.by_hand, None);
    let as_listed = terms(&manifest, true);
    for (terms, address, kind, path) in [
        (&of_dpkg, tool, "Package", "/etc/passwd"),
        (&of_dpkg, tool, "Package", "/usr/tmp/x"),
        (&of_dpkg, tool, "Package", "no path"),
        (&of_dpkg, tool, "User", "/usr/bin/tool"),
        (&of_dpkg, "//package/-y", "Package", "/usr/bin/tool"),
        (&of_dpkg, "//user/tool", "Package", "/usr/bin/tool"),
        (&of_dpkg, "/usr/bin/tool", "Package", "/usr/bin/tool"),
        (&as_listed, tool, "Package", "/usr/bin/tool"),
    ] {
        assert_eq!(
            judged(terms, address, kind, path),
            None,
            "{address} {kind} {path}"
        );
    }
}
