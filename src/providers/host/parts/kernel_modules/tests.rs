use super::loaded::{disagreement, is_name, letters, read_table};
use super::*;

fn desired(allowed: &[&str], taint: Option<&[&str]>) -> Desired {
    let text = r#"{"id":{"target":"t","kind":"KernelModules","name":"all"},"address":"//kernel-modules/all","presence":{"present":{}},
        "create_with":{},"scope":null,"depends_on":[],"risk":{"level":"low","why":""},"disclose":false,"sensitive":false,
        "controls":[],"options":{}}"#;
    let mut desired: Desired = serde_json::from_str(text).unwrap();
    let list = |texts: &[&str]| Value::List(texts.iter().map(|text| Value::text(*text)).collect());
    desired.options.insert(ALLOWED.into(), list(allowed));
    if let Some(letters) = taint {
        desired.options.insert(TAINT.into(), list(letters));
    }
    desired
}

// Goal: the kernel's own lines are read with their flags; what is not quite one is told with its line and never skipped, with
// nothing of it that a terminal would obey; a second line of a name cannot take the flags of the first away.
#[test]
fn a_line_that_is_none_is_told() {
    let sound = "ext4 1000 2 jbd2,mbcache, Live 0x0000000000000000\n\
                 evil 16 0 - Loading 0xffffffffc0000000 (OE+)\n\
                 kept 16 1 [permanent], Live 0x0\nold 16 - - Live 0x0\nevil 16 0 - Live 0x0\n";
    let mut unread = BTreeSet::new();
    let read = read_table(sound.as_bytes(), &mut unread);
    let pairs: Vec<_> = read
        .iter()
        .map(|(name, it)| (name.as_str(), it.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [("evil", "OE"), ("ext4", ""), ("kept", ""), ("old", "")]
    );
    assert!(unread.is_empty(), "{unread:?}");
    for line in [
        &b"../../x 16 0 - Live 0x0"[..],
        b"a\x1b[2Jb 16 0 - Live 0x0",
        b"\xff\xfe 16 0 - Live 0x0",
        b"x 16 0 - Live",
        b"x 16 0 - Gone 0x0",
        b"x many 0 - Live 0x0",
        b"x 16 0 - Live 0x0 OE",
        b"x 16 0 - Live 0x0 (oe)",
        b"x 16 0 - Live 0x0 (O) more",
        b" ",
    ] {
        let mut unread = BTreeSet::new();
        assert!(read_table(line, &mut unread).is_empty(), "{line:?}");
        let told: Vec<_> = unread.into_iter().collect();
        assert!(
            told.len() == 1 && told[0].starts_with("line 1 of /proc/modules: "),
            "{told:?}"
        );
        assert!(!told[0].chars().any(char::is_control), "{told:?}");
    }
    let long = "x".repeat(65);
    assert!(!is_name(&long) && !is_name("") && !is_name("a/b") && is_name("nf_tables"));
}

// Goal: every flag has its letter, as the kernel documents them, and one that is newer is told by its number.
#[test]
fn flags_are_told() {
    assert_eq!(letters(0), Vec::<String>::new());
    assert_eq!(
        letters(1 << 12 | 1 << 13 | 2 | 1 << 40),
        ["F", "O", "E", "bit-40"]
    );
}

// Goal: which side hides a module is told, and how many more there are.
#[test]
fn a_hidden_module_is_told() {
    let one = |name: &str, in_table| (name.to_owned(), in_table);
    let told = disagreement(&BTreeSet::from([one("a", true), one("b", false)]));
    assert_eq!(
        told,
        "a is hidden from /sys/module; b is hidden from /proc/modules"
    );
    let many = (0..8).map(|at| one(&format!("m{at}"), true)).collect();
    assert!(disagreement(&many).ends_with("; 3 more"));
}

// Goal: the controller judges each module again: by name and, where flags are named, by those too, so that an intruder's
// build of an allowed name is none; what lies elsewhere or is of another kind is no module.
#[test]
fn members_are_judged() {
    let listed = |desired: &Desired, name: &str, letters: &str| {
        let mut member = member(name, letters.to_owned());
        member.remedy = Some(State::default());
        let is_listed = KernelModules.judge(desired, &mut member);
        assert!(!is_listed || (member.remedy.is_none() && member.by_hand.is_some()));
        is_listed
    };
    let any = desired(&["ext4", "nft_*"], None);
    let none_tainted = desired(&["ext4", "nft_*"], Some(&[]));
    let built = desired(&["ext4"], Some(&["O", "E"]));
    for (desired, name, letters, expected) in [
        (&any, "ext4", "OE", false),
        (&any, "nft_ct", "", false),
        (&any, "ext4x", "", true),
        (&none_tainted, "ext4", "", false),
        (&none_tainted, "ext4", "O", true),
        (&built, "ext4", "OE", false),
        (&built, "ext4", "OEF", true),
    ] {
        assert_eq!(listed(desired, name, letters), expected, "{name} {letters}");
    }
    let mut other = member("evil", String::new());
    other.kind = Kind("File".into());
    assert!(!KernelModules.judge(&any, &mut other));
    let mut elsewhere = member("../x", String::new());
    assert!(!KernelModules.judge(&any, &mut elsewhere));
}
