//! A tree against dpkg's database: what packages own, what nobody owns, and databases that somebody damaged.
//!
//! Putting a package right needs apt and a running machine; `hosts::trees` has that.

use std::os::unix::fs::symlink;

use super::fixture::Fixture;
use super::packages::{install, root};

const TREE: &str =
    "---\nkind: FileTree\nname: usr\nspec: { path: /usr, against: dpkg, ignore: [\"local/**\"] }\n";
const NONE: [&str; 0] = [];

/// What a test says of a system, and what it does to it.
type Damage<'a> = (&'a str, &'a dyn Fn(&Fixture));

fn append(fixture: &Fixture, path: &str, text: &str) {
    let old = std::fs::read_to_string(fixture.path(path)).unwrap_or_default();
    fixture.write(path, old + text, 0o644);
}

fn remove(fixture: &Fixture, path: &str) {
    std::fs::remove_file(fixture.path(path)).unwrap();
}

/// A merged system with two packages, a diversion, a configuration file, links and an alternative.
fn system() -> Fixture {
    let fixture = root(&[
        ("tool", "install ok installed", "1"),
        ("wrap", "install ok installed", "1"),
    ]);
    std::fs::create_dir_all(fixture.path("/usr/bin")).unwrap();
    symlink("usr/bin", fixture.path("/bin")).unwrap();
    let files = [
        ("/bin/tool", "t"),
        ("/usr/lib/d/one.so", "1"),
        ("/opt/x", "x"),
    ];
    install(&fixture, "tool", &files);
    // Moved aside for the other package's.
    install(&fixture, "wrap", &[("/usr/bin/echo", "wrapped")]);
    let info = "/var/lib/dpkg/info/tool";
    append(
        &fixture,
        &format!("{info}.list"),
        "/usr/bin/echo\n/usr/lib/d/so\n/usr/lib/empty\n/usr/share/tool.conf\n",
    );
    append(
        &fixture,
        &format!("{info}.md5sums"),
        "4a8a08f09d37b73795649038408b5f33  usr/bin/echo\n",
    );
    fixture.write("/usr/bin/echo.real", "c", 0o755);
    fixture.write(
        "/var/lib/dpkg/diversions",
        "/usr/bin/echo\n/usr/bin/echo.real\nwrap\n",
        0o644,
    );
    symlink("one.so", fixture.path("/usr/lib/d/so")).unwrap();
    std::fs::create_dir_all(fixture.path("/usr/lib/empty")).unwrap();
    let status = std::fs::read_to_string(fixture.path("/var/lib/dpkg/status")).unwrap();
    let conffile =
        "Conffiles:\n /usr/share/tool.conf d41d8cd98f00b204e9800998ecf8427e\nDescription";
    let status = status.replacen("Description", conffile, 1);
    fixture.write("/var/lib/dpkg/status", status, 0o644);
    fixture.write("/usr/share/tool.conf", "changed by a person", 0o644);
    fixture.write(
        "/var/lib/dpkg/alternatives/pager",
        "auto\n/usr/bin/pager\n\n/usr/bin/tool\n1\n\n",
        0o644,
    );
    symlink("/etc/alternatives/pager", fixture.path("/usr/bin/pager")).unwrap();
    fixture.write("/usr/local/bin/own", "own", 0o755);
    fixture
}

fn drifts(fixture: &Fixture) -> Vec<String> {
    let looked = fixture.look(TREE);
    assert_eq!(looked.unseen(), Vec::<String>::new());
    looked.drifts()
}

// Goal: a system as dpkg has it is clean: not one owned path, alias of a merged directory, diverted file, link, empty
// directory, alternative or changed configuration file passes for changed or for nobody's, which would remove it.
#[test]
fn a_system_as_installed_is_clean() {
    assert_eq!(drifts(&system()), NONE);
}

// Goal: each thing that an attacker does to a tree is found: owned files changed or gone, by the package that brings them
// back, with what else of it differs; a link or a whole directory that is something else; what nobody owns, also in the
// place of an alternative's link. A tree with `exclusive: false` says nothing of what nobody owns.
#[test]
fn tampering_is_found() {
    let of = |script: &dyn Fn(&Fixture)| {
        let fixture = system();
        script(&fixture);
        drifts(&fixture)
    };
    let tool = |files: &str| vec![format!("Changed Package //package/tool: {files}")];
    let changed = "files./usr/bin/tool found./usr/bin/tool";
    assert_eq!(
        of(&|f| drop(f.write("/usr/bin/tool", "evil", 0o755))),
        tool(changed)
    );
    assert_eq!(
        of(&|f| remove(f, "/usr/lib/d/one.so")),
        tool("files./usr/lib/d/one.so")
    );
    assert_eq!(
        of(&|f| remove(f, "/usr/lib/d/so")),
        tool("files./usr/lib/d/so")
    );
    let aside = "files./usr/bin/echo found./usr/bin/echo";
    assert_eq!(
        of(&|f| drop(f.write("/usr/bin/echo.real", "evil", 0o755))),
        tool(aside)
    );
    let empty = of(&|f| std::fs::remove_dir(f.path("/usr/lib/empty")).unwrap());
    assert_eq!(empty, tool("files./usr/lib/empty"));
    let replaced = of(&|f| {
        remove(f, "/usr/lib/d/so");
        f.write("/usr/lib/d/so", "evil", 0o644);
    });
    assert_eq!(replaced, tool("files./usr/lib/d/so found./usr/lib/d/so"));
    // What lies elsewhere is no drift, but a reinstallation would replace it, and so it is kept.
    assert_eq!(of(&|f| drop(f.write("/opt/x", "evil", 0o644))), NONE);
    let both = of(&|f| {
        f.write("/opt/x", "evil", 0o644);
        f.write("/usr/bin/tool", "evil", 0o755);
    });
    assert_eq!(
        both,
        tool("files./opt/x files./usr/bin/tool found./opt/x found./usr/bin/tool")
    );

    let extra = |kind: &str, path: &str| vec![format!("Extra {kind} {path}")];
    assert_eq!(
        of(&|f| drop(f.write("/usr/bin/.w", "evil", 0o755))),
        extra("File", "/usr/bin/.w")
    );
    assert_eq!(
        of(&|f| drop(f.write("/usr/lib/empty/new/x", "x", 0o644))),
        extra("Directory", "/usr/lib/empty/new")
    );
    let pager = of(&|f| {
        remove(f, "/usr/bin/pager");
        f.write("/usr/bin/pager", "evil", 0o755);
    });
    assert_eq!(pager, extra("File", "/usr/bin/pager"));
    assert_eq!(of(&|f| remove(f, "/usr/bin/pager")), NONE);
    let fixture = system();
    fixture.write("/usr/bin/.w", "evil", 0o755);
    let open = TREE.replace("against: dpkg,", "against: dpkg, exclusive: false,");
    assert_eq!(fixture.look(&open).drifts(), NONE);
}

// Goal: what dpkg would not put right is for a person and no step; what another resource says is left to it, also when
// nothing else of its package differs.
#[test]
fn people_and_others_come_first() {
    let fixture = system();
    std::fs::rename(fixture.path("/usr/lib/d"), fixture.path("/usr/local/d")).unwrap();
    symlink("../local/d", fixture.path("/usr/lib/d")).unwrap();
    let looked = fixture.look(TREE);
    assert!(looked.plan.groups.is_empty());
    let [drift] = &looked.comparison.drifts[..] else {
        panic!("{:?}", looked.drifts())
    };
    assert!(drift.by_hand.clone().unwrap().contains("the link"));

    let fixture = system();
    fixture.write("/usr/bin/tool", "mine", 0o755);
    let own = "---\nkind: File\nname: tool\nspec: { path: /usr/bin/tool, content: mine, mode: \"0755\" }\n";
    assert_eq!(fixture.look(&format!("{TREE}{own}")).drifts(), NONE);
    fixture.write("/usr/bin/tool", "evil", 0o755);
    let named = ["Changed File /usr/bin/tool: content"];
    assert_eq!(fixture.look(&format!("{TREE}{own}")).drifts(), named);
}

// Goal: whoever damages dpkg's database, or meets it at work, makes no owned file pass for nobody's: nothing is removed
// then, and it is said why; what is changed is still found.
#[test]
fn a_damaged_database_removes_nothing() {
    let info = "/var/lib/dpkg/info";
    let damages: [Damage<'_>; 5] = [
        ("wrap.list", &|f| remove(f, &format!("{info}/wrap.list"))),
        ("wrap", &|f| {
            append(f, &format!("{info}/wrap.list"), "/half")
        }),
        ("wrap.md5sums", &|f| {
            remove(f, &format!("{info}/wrap.md5sums"))
        }),
        ("forgot.list", &|f| {
            drop(f.write(&format!("{info}/forgot.list"), "/.\n", 0o644))
        }),
        ("at work", &|f| {
            let update =
                "Package: wrap\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\n\n";
            f.write("/var/lib/dpkg/updates/0001", update, 0o644);
        }),
    ];
    for (said, damage) in damages {
        let fixture = system();
        fixture.write("/usr/bin/.w", "evil", 0o755);
        fixture.write("/usr/bin/tool", "evil", 0o755);
        damage(&fixture);
        let looked = fixture.look(TREE);
        let found = looked.drifts();
        assert!(
            !found.iter().any(|one| one.starts_with("Extra")),
            "{said}: {found:?}"
        );
        assert!(
            found.iter().any(|one| one.contains("/usr/bin/tool")),
            "{said}: {found:?}"
        );
        let reasons: Vec<_> = looked
            .comparison
            .not_evaluated
            .iter()
            .map(|one| one.reason.text.clone())
            .collect();
        assert!(
            reasons.iter().any(|reason| reason.contains(said)),
            "{said}: {reasons:?}"
        );
    }
    let fixture = system();
    remove(&fixture, "/var/lib/dpkg/status");
    assert_eq!(fixture.look(TREE).unseen(), ["Unsupported //file-tree/usr"]);
}

// Goal: a manifest and dpkg do not both decide, and a word for anything else is refused.
#[test]
fn one_of_both_decides() {
    let fixture = system();
    for (spec, said) in [
        ("{ path: /usr }", "`manifest` or `against` is missing"),
        ("{ path: /usr, against: rpm }", "nothing that knows a tree"),
        ("{ path: /usr, against: dpkg, manifest: m }", "not both"),
        ("{ path: /usr, against: dpkg, store: s }", "not both"),
    ] {
        let yaml = format!("---\nkind: FileTree\nname: usr\nspec: {spec}\n");
        let problems = fixture.problems(&yaml);
        assert!(problems.contains(said), "{problems}");
    }
}
