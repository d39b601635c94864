//! Manifests, good and hostile.

use super::*;
use crate::providers::host::filetree::listed::children;

fn digest() -> String {
    "ab".repeat(32)
}

fn good() -> String {
    let digest = digest();
    format!(
        "{FIRST_LINE}\nd 0755 0 0 .\nd 0755 0 0 bin\nf 4755 0 0 12 {digest} bin/a b\t\
         capabilities=cap_net_raw=ep\tflags=immutable\tacl=0200\tlinks=3\n\
         l 0777 1 2 bin/sh\ttarget=da\\x09sh\nf 0644 0 0 0 {digest} bin-2\n\
         f 0644 0 0 0 {digest} bin\\x0a\nd 1777 0 0 caf\u{e9}\tdefault_acl=02\n"
    )
}

fn parse(text: &str) -> Result<Manifest, BadManifest> {
    Manifest::parse(text.as_bytes().into())
}

// Goal: every line that was read is written the same again, every entry is found at its path and with what it holds.
#[test]
fn entries_round_trip() {
    // A newline sorts before a dash.
    let text = good();
    let mut lines: Vec<_> = text.lines().collect();
    lines.swap(5, 6);
    let text = lines.join("\n") + "\n";
    let manifest = parse(&text).unwrap();
    assert_eq!(manifest.len(), 7);
    for (at, line) in text.lines().skip(1).enumerate() {
        let entry = manifest.entry(at);
        assert_eq!(entry.line(), line);
        let names = entry.path.split('/').filter(|name| *name != ".");
        let names: Vec<_> = names.map(|name| raw(name).into_owned()).collect();
        assert_eq!(manifest.find(&names), Some(at), "{line}");
    }
    assert_eq!(children(&manifest, 0).collect::<Vec<_>>(), [1, 4, 5, 6]);
    assert_eq!(children(&manifest, 1).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(manifest.find(&[b"bin".to_vec(), b"x".to_vec()]), None);
    assert_eq!(manifest.entry(2).links, 3);
}

// Goal: nothing is guessed: each way of writing a manifest otherwise, by mistake or by malice, is refused at its line.
#[test]
fn hostile_manifests_are_refused() {
    let digest = digest();
    let top = format!("{FIRST_LINE}\nd 0755 0 0 .\n");
    let long = "a".repeat(256);
    let deep = ["a"; 129].join("/");
    for (line, text) in [
        (1, String::new()),
        (1, "evenkeel manifest v2\n".to_owned()),
        (1, format!("{FIRST_LINE}\n")),
        (1, format!("\u{feff}{top}")),
        (1, format!("{FIRST_LINE}\r\nd 0755 0 0 .\n")),
        (2, format!("{FIRST_LINE}\nd 0755 0 0 .")),
        (2, format!("{FIRST_LINE}\nd 0755 0 0 bin\n")),
        (2, format!("{FIRST_LINE}\nf 0755 0 0 0 {digest} .\n")),
        (3, format!("{top}d 0755 0 0 .\n")),
        (3, format!("{top}\n")),
        (3, format!("{top}d 755 0 0 a\n")),
        (3, format!("{top}d 0855 0 0 a\n")),
        (3, format!("{top}d 0755 -1 0 a\n")),
        (3, format!("{top}d 0755 00 0 a\n")),
        (3, format!("{top}d 0755 0 4294967295 a\n")),
        (3, format!("{top}x 0755 0 0 a\n")),
        (3, format!("{top}f 0755 0 0 a\n")),
        (3, format!("{top}f 0755 0 0 +1 {digest} a\n")),
        (
            3,
            format!("{top}f 0755 0 0 1 {} a\n", digest.to_uppercase()),
        ),
        (3, format!("{top}l 0777 0 0 a\n")),
        (3, format!("{top}l 0777 0 0 a\ttarget=\n")),
        (3, format!("{top}d 0755 0 0 a\ttarget=b\n")),
        (3, format!("{top}d 0755 0 0 a\tlinks=2\n")),
        (3, format!("{top}f 0755 0 0 1 {digest} a\tlinks=1\n")),
        (
            3,
            format!("{top}f 0755 0 0 1 {digest} a\tlinks=2\tacl=00\n"),
        ),
        (3, format!("{top}f 0755 0 0 1 {digest} a\tacl=0\n")),
        (3, format!("{top}f 0755 0 0 1 {digest} a\tflags=none\n")),
        (
            3,
            format!("{top}f 0755 0 0 1 {digest} a\tcapabilities=all\n"),
        ),
        (3, format!("{top}f 0755 0 0 1 {digest} a\tcolour=red\n")),
        (3, format!("{top}d 0755 0 0 a\t\n")),
        (3, format!("{top}d 0755 0 0 /a\n")),
        (3, format!("{top}d 0755 0 0 a/\n")),
        (3, format!("{top}d 0755 0 0 ../a\n")),
        (3, format!("{top}d 0755 0 0 \\x2e\\x2e\n")),
        (3, format!("{top}d 0755 0 0 a\\x2fb\n")),
        (3, format!("{top}d 0755 0 0 a\\x00\n")),
        (3, format!("{top}d 0755 0 0 \\x61\n")),
        (3, format!("{top}d 0755 0 0 a\\q\n")),
        (3, format!("{top}d 0755 0 0 a\u{202e}b\n")),
        (3, format!("{top}d 0755 0 0 {long}\n")),
        (3, format!("{top}d 0755 0 0 {deep}\n")),
        (3, format!("{top}d 0755 0 0 a/b\n")),
        (4, format!("{top}d 0755 0 0 a\nd 0755 0 0 a\n")),
        (4, format!("{top}d 0755 0 0 b\nd 0755 0 0 a\n")),
        (4, format!("{top}f 0755 0 0 1 {digest} a\nd 0755 0 0 a/b\n")),
        (
            5,
            format!("{top}d 0755 0 0 a\nd 0755 0 0 b\nd 0755 0 0 a/b\n"),
        ),
    ] {
        let bad = parse(&text).map(|_| ()).expect_err(&text);
        assert_eq!(bad.line, line, "{text}: {bad}");
    }
    let bad = Manifest::parse([top.as_bytes(), b"d 0755 0 0 \xff\n"].concat().into());
    assert_eq!(bad.map(|_| ()).unwrap_err().line, 3);
}

proptest::proptest! {
    // Goal: no text whatever makes the reader panic, and what it takes it writes the same again.
    #[test]
    fn any_text(lines in proptest::collection::vec("[fdl] 0[0-7]{3} 0 0 [a./\\\\x0-9 \t=links]{0,12}", 0..4)) {
        let text = format!("{FIRST_LINE}\nd 0755 0 0 .\n{}\n", lines.join("\n"));
        if let Ok(manifest) = parse(&text) {
            let again: Vec<_> = (0..manifest.len()).map(|at| manifest.entry(at).line()).collect();
            proptest::prop_assert_eq!(format!("{FIRST_LINE}\n{}\n", again.join("\n")), text);
        }
    }
}
