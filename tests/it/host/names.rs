//! `Hosts` and `Resolver` on a root folder.

use super::fixture::Fixture;

const MANIFEST: &str = "---\nkind: Hosts\nname: h\nspec: { entries: { 127.0.0.1: [localhost], \"::1\": [ip6-localhost, localhost] } }\n---\nkind: Resolver\nname: r\nspec: { nameservers: [10.0.0.1, 10.0.0.2], search: [example.invalid] }\n";
const HOSTS: &str =
    "# of the installer\n::1  localhost IP6-localhost # six\n127.0.0.1\tlocalhost\n";
const RESOLVER: &str = "search example.invalid\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n";

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("etc/hosts", HOSTS, 0o644);
    fixture.write("etc/resolv.conf", RESOLVER, 0o640);
    fixture
}

fn read(fixture: &Fixture, name: &str) -> String {
    std::fs::read_to_string(fixture.path(&format!("etc/{name}"))).unwrap()
}

// Goal: comments and layout are no drift; an address that was added is, is taken out without a change of the file's mode, and
// comes back to the letter, comments included.
#[test]
fn what_they_say_is_put_right_and_back() {
    let fixture = fixture();
    assert!(fixture.look(MANIFEST).comparison.drifts.is_empty());
    let evil = format!("{HOSTS}198.18.77.66 deb.example.invalid\n");
    fixture.write("etc/hosts", &evil, 0o644);
    let swapped = "nameserver 10.0.0.2\nnameserver 10.0.0.1\nsearch example.invalid\n";
    fixture.write("etc/resolv.conf", swapped, 0o640);
    let looked = fixture.look(MANIFEST);
    let ids: Vec<_> = looked
        .comparison
        .drifts
        .iter()
        .map(|one| one.resource.short())
        .collect();
    assert_eq!(ids, ["Hosts/h", "Resolver/r"]);
    let undo = fixture.reconcile(MANIFEST);
    assert!(fixture.look(MANIFEST).comparison.drifts.is_empty());
    assert_eq!(
        read(&fixture, "hosts"),
        "127.0.0.1\tlocalhost\n::1\tip6-localhost localhost\n"
    );
    let mode = std::fs::metadata(fixture.path("etc/resolv.conf")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o640
    );

    fixture.undo(&undo);
    assert_eq!(read(&fixture, "hosts"), evil);
    assert_eq!(read(&fixture, "resolv.conf"), swapped);
}

// Goal: a link in the place of one of them is never followed and never clean, and a line that is no entry is drift.
#[test]
fn what_is_not_understood_is_told() {
    let fixture = fixture();
    fixture.write("etc/hosts", format!("{HOSTS}nonsense\n"), 0o644);
    std::fs::remove_file(fixture.path("etc/resolv.conf")).unwrap();
    fixture.write("etc/other", RESOLVER, 0o644);
    std::os::unix::fs::symlink("other", fixture.path("etc/resolv.conf")).unwrap();
    let comparison = fixture.look(MANIFEST).comparison;
    assert_eq!(comparison.drifts.len(), 1, "{comparison:?}");
    assert_eq!(comparison.drifts[0].fields[0].path, "unread");
    assert_eq!(comparison.not_evaluated.len(), 1, "{comparison:?}");
}

// Goal: what no file could say is a mistake with its place, and so is a `File` of the same path.
#[test]
fn mistakes_are_named() {
    let fixture = fixture();
    let cases = [
        ("Hosts, name: a, spec: {}", "`entries` is missing"),
        (
            "Hosts, name: a, spec: {entries: {x: [y]}}",
            "this is no address of a host",
        ),
        (
            "Hosts, name: a, spec: {entries: {127.0.0.1: [\"a b\"]}}",
            "/etc/hosts cannot say this",
        ),
        (
            "Hosts, name: a, spec: {entries: {\"0::1\": [a]}}",
            "/etc/hosts cannot say this",
        ),
        (
            "Resolver, name: a, spec: {nameservers: [\"1\\nsearch x\"]}",
            "/etc/resolv.conf cannot say this",
        ),
    ];
    for (document, problem) in cases {
        let problems = fixture.problems(&format!("{{kind: {document}}}"));
        assert!(problems.contains(problem), "{document}: {problems}");
    }
    let both = format!("{MANIFEST}---\nkind: File\nname: f\nspec: {{ path: /etc/hosts }}\n");
    let problems = fixture.problems(&both);
    assert!(
        problems.contains("/etc/hosts is held by Hosts/h already"),
        "{problems}"
    );
}
