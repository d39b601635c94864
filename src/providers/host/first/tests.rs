use super::*;

// Goal: whatever a host calls its files, users or packages, the name of a resource is one.
#[test]
fn names_are_plain() {
    assert_eq!(plain("/etc/ssh/sshd_config"), "etc-ssh-sshd-config");
    assert_eq!(plain("//"), "unnamed");
    let long = "a/".repeat(500);
    for text in ["/etc/.x/../\n: {}", "G++:amd64", "\u{e9}", "-.-", &long] {
        let name = plain(text);
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '-');
        assert!(name.chars().all(is_plain) && (1..=80).contains(&name.len()));
        assert!(!name.starts_with(['.', '-']) && !name.ends_with(['.', '-']));
    }
}

// Goal: two things with one plain name stay two resources.
#[test]
fn names_are_unique() {
    let mut draft = Draft::default();
    for _ in 0..3 {
        let name = draft.name("File", "/etc/a");
        let manifest = Manifest {
            kind: "File",
            name,
            spec: Vec::new(),
            comment: None,
        };
        draft.add("files", manifest);
    }
    let names: Vec<_> = draft.manifests["files"]
        .iter()
        .map(|one| &one.name)
        .collect();
    assert_eq!(names, ["etc-a", "etc-a-2", "etc-a-3"]);
}

// Goal: a text of the host cannot end its value and become a field or a document of its own.
#[test]
fn texts_stay_values() {
    let hostile = "/etc/x\n---\nkind: File\nspec: {}\n# \u{1}";
    let manifest = Manifest {
        kind: "File",
        name: "x".to_owned(),
        spec: vec![("path", hostile.into()), ("mode", "0644".into())],
        comment: Some("why"),
    };
    let text = manifest.text().unwrap();
    let parsed: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
    assert_eq!(parsed["spec"]["path"].as_str(), Some(hostile));
    assert_eq!(parsed["spec"]["mode"].as_str(), Some("0644"));
}

// Goal: a user whose line is no user's, or whose home is no place for keys, is asked nothing for; one home is asked for once.
#[test]
fn users_are_read() {
    let status =
        b"Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";
    let passwd = b"root:x:0:0::/root:/bin/sh\nsysd:x:0:0::/root/:/bin/sh\na b:x:1:1::/a:/x\nc:x:1:1::/:/x\nd:x:nine:1::/d:/x\ne:x:1:1::e:/x\nf:x:5:5::/home/f:/x\n";
    let known = Known::read(status, passwd).unwrap();
    let homes: Vec<_> = known.with_own_home().map(|(_, user)| &*user.name).collect();
    assert_eq!(homes, ["root", "f"]);
    assert_eq!((known.name_of(0), known.name_of(5)), (None, Some("f")));
}
