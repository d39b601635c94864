//! Each way of writing it wrong, with the place that is named.

use super::super::load;
use super::{PROJECT, manifest, source};

/// All problems of a baseline that has [`PROJECT`] and one more file, which replaces it where it has its name.
fn problems(path: &str, text: &str) -> Vec<String> {
    let loaded = load(&source(&[("evenkeel.yaml", PROJECT), (path, text)])).unwrap();
    let problems = loaded.problems.0.iter();
    problems.map(ToString::to_string).collect()
}

/// A broken `evenkeel.yaml`: what is added to a minimal one after its six lines.
fn project(added: &str) -> Vec<String> {
    let minimal = "apiVersion: evenkeel.dev/v1\nkind: Project\ntargets:\n  - name: web\n    provider: host\n    root: /\n";
    problems("evenkeel.yaml", &format!("{minimal}{added}"))
}

// Goal: every mistake in evenkeel.yaml is named at its line and column, in words that say what is wrong.
#[test]
fn settings_are_checked() {
    for (added, expected) in [
        ("gaurd: {}\n", "7:1: unknown field `gaurd`"),
        (
            "guard:\n  max_change: 1\n",
            "8:3: unknown field `max_change`",
        ),
        (
            "guard:\n  max_changes: -1\n",
            "8:16: -1 is out of range, which is 0 to 1000000",
        ),
        (
            "guard:\n  max_changes: many\n",
            "8:16: expected a whole number, found text",
        ),
        (
            "guard:\n  max_changed_percent: 101\n",
            "8:24: 101 is out of range, which is 0 to 100",
        ),
        (
            "guard:\n  max_changed_percent: 10%\n",
            "8:24: expected a whole number, found text",
        ),
        (
            "detect:\n  severity: [{ indicator: unlisted-kye, level: low }]\n",
            "8:27: \"unlisted-kye\" is no indicator",
        ),
        (
            "detect:\n  severity: [{ indicator: unlisted-key, level: off }]\n",
            "8:48: \"off\" is not known here",
        ),
        (
            "detect:\n  severity: [{ indicator: unlisted-key, level: low, labels: { env: prod } }]\n",
            "8:61: no target has all of these labels",
        ),
        (
            "detect:\n  severity: [{ indicator: unlisted-key, level: low, where: { risk: high } }]\n",
            "8:60: the level of a finding cannot depend on a risk",
        ),
        ("detect:\n  rules: []\n", "8:3: unknown field `rules`"),
        ("guard: []\n", "7:8: expected a map, found a list"),
        ("guard:\n  suspend_after_undo: 24\n", "8:23: 24 has no unit"),
        (
            "guard:\n  suspend_after_undo: soon\n",
            "8:23: \"soon\" is no duration",
        ),
        (
            "guard:\n  suspend_after_undo: 9999w\n",
            "8:23: the duration is longer than ten years",
        ),
        (
            "guard:\n  protected: [File]\n",
            "8:15: \"File\" is not a selector",
        ),
        (
            "guard:\n  protected: [File/]\n",
            "8:15: \"File/\" is not a selector",
        ),
        (
            "guard:\n  protected: [{}]\n",
            "8:15: an empty selector would choose every resource",
        ),
        (
            "guard:\n  protected: [{nmae: x}]\n",
            "8:16: unknown field `nmae`",
        ),
        (
            "guard:\n  protected: [1]\n",
            "8:15: expected a selector, found a number",
        ),
        (
            "guard:\n  protected: ['/etc/[a']\n",
            "8:15: \"/etc/[a\" is not a glob: unclosed character class; missing ']'",
        ),
        (
            "guard:\n  protected: [{path: etc/x}]\n",
            "8:22: a glob of paths starts with /",
        ),
        (
            "guard:\n  require_approval: [{risk: hihg}]\n",
            "8:29: \"hihg\" is not known here",
        ),
        (
            "guard:\n  kill_switch: stop\n",
            "8:16: the path is not absolute",
        ),
        (
            "guard:\n  validate_commands: [/usr/bin/../x]\n",
            "8:23: the path is not plain",
        ),
        ("forge: {}\n", "7:8: `repository` is missing"),
        (
            "forge:\n  repository: acme\n",
            "8:15: \"acme\" is not a repository",
        ),
        (
            "forge:\n  repository: a/b\n  kind: gitlab\n",
            "9:9: \"gitlab\" is not known here",
        ),
        (
            "forge:\n  repository: a/b\n  base: a..b\n",
            "9:9: \"a..b\" is not a branch",
        ),
        (
            "forge:\n  repository: a/b\n  api_url: http://ghe.example.com\n",
            "9:12: the token would travel unencrypted",
        ),
        (
            "forge:\n  repository: a/b\n  api_url: http://localhost@evil.example\n",
            "9:12: the address holds more than a host and a path",
        ),
        (
            "forge:\n  repository: a/b\n  api_url: ghe.example.com\n",
            "9:12: the address is not of the form https://HOST",
        ),
        (
            "forge:\n  repository: a/b\n  token_env: ghp-123\n",
            "9:14: the name of an environment variable is expected here",
        ),
        (
            "trust:\n  allowed_signers: ../keys\n",
            "8:20: the path does not lie below the baseline's directory",
        ),
        (
            "trust:\n  require_signed: yes\n",
            "8:19: expected true or false, found text",
        ),
        ("ignore: [tmp/*]\n", "7:10: a glob of paths starts with /"),
        (
            "---\nkind: Project\n",
            "8:1: only one document is expected here",
        ),
    ] {
        assert_eq!(
            project(added),
            [format!("evenkeel.yaml:{expected}")],
            "{added}"
        );
    }
}

// Goal: every mistake in a target is named; what comes in a later version is told apart from what is unknown.
#[test]
fn targets_are_checked() {
    for (targets, expected) in [
        ("", "1:1: `targets` is missing"),
        (
            "targets: []\n",
            "3:10: there is no target, so nothing would ever be looked at",
        ),
        (
            "targets: [{provider: host, root: /}]\n",
            "3:11: `name` is missing",
        ),
        (
            "targets: [{name: Web, provider: host, root: /}]\n",
            "3:18: \"Web\" is not a name for a target",
        ),
        (
            "targets: [{name: ../x, provider: host, root: /}]\n",
            "3:18: \"../x\" is not a name for a target",
        ),
        (
            "targets: [{name: rules, provider: host, root: /}]\n",
            "3:18: no target can be called `rules`",
        ),
        (
            "targets: [{name: a, root: /}]\n",
            "3:11: `provider` is missing",
        ),
        (
            "targets: [{name: a, provider: hots, root: /}]\n",
            "3:31: \"hots\" is no provider",
        ),
        (
            "targets: [{name: a, provider: aws}]\n",
            "3:31: provider `aws` is not there yet, it comes later",
        ),
        (
            "targets: [{name: a, provider: host}]\n",
            "3:11: a host target needs `root`",
        ),
        (
            "targets: [{name: a, provider: ssh, ssh: {host: x}}]\n",
            "3:31: provider `ssh` is not there yet, it comes later",
        ),
        (
            "targets: [{name: a, provider: host, root: /, mode: enforced}]\n",
            "3:52: \"enforced\" is not known here",
        ),
        (
            "targets: [{name: a, provider: host, root: /, port: 1}]\n",
            "3:46: unknown field `port`",
        ),
        (
            "targets: [{name: a, provider: host, root: /}, {name: a, provider: host, root: /}]\n",
            "3:54: target `a` is listed twice",
        ),
    ] {
        let text = format!("apiVersion: evenkeel.dev/v1\nkind: Project\n{targets}");
        assert_eq!(
            problems("evenkeel.yaml", &text),
            [format!("evenkeel.yaml:{expected}")],
            "{targets}"
        );
    }
}

// Goal: every mistake in the common part of a manifest is named at its place.
#[test]
fn manifests_are_checked() {
    let good = manifest("motd");
    for (from, to, expected) in [
        (
            "apiVersion: host.evenkeel.dev/v1\n",
            "",
            "1:1: `apiVersion` is missing",
        ),
        (
            "host.evenkeel.dev/v1",
            "v1",
            "1:13: `apiVersion` is \"v1\" here",
        ),
        (
            "host.evenkeel.dev/v1",
            "evenkeel.dev/v1",
            "1:13: `apiVersion` is \"evenkeel.dev/v1\" here",
        ),
        ("kind: File\n", "", "1:1: `kind` is missing"),
        ("kind: File", "kind: a/b", "2:7: \"a/b\" is not a kind"),
        (
            "kind: File",
            "kind: 7",
            "2:7: expected text, found a number",
        ),
        (
            "metadata:\n  name: motd\n",
            "",
            "1:1: `metadata` is missing",
        ),
        (
            "  name: motd\n",
            "  labels: {}\n  name: motd\n",
            "4:3: unknown field `labels`",
        ),
        (
            "name: motd",
            "name: /etc/motd",
            "4:9: \"/etc/motd\" is not a name",
        ),
        (
            "name: motd",
            "name: \"a\\nb\"",
            "4:9: \"a\\nb\" is not a name",
        ),
        ("name: motd", "name: ''", "4:9: \"\" is not a name"),
        ("spec:\n  path: /etc/motd\n", "", "1:1: `spec` is missing"),
        (
            "spec:\n  path: /etc/motd\n",
            "spec: [1]\n",
            "5:7: expected a map, found a list",
        ),
        ("spec:", "specs: 1\nspec:", "5:1: unknown field `specs`"),
        (
            "spec:",
            "disclose: 1\nspec:",
            "5:11: expected true or false, found a number",
        ),
        (
            "spec:",
            "controls: [1]\nspec:",
            "5:12: expected text, found a number",
        ),
        (
            "spec:",
            "kind: File\nspec:",
            "5:1: duplicate mapping key: kind",
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good);
        assert_eq!(
            problems("web/a.yaml", &text),
            [format!("web/a.yaml:{expected}")],
            "{text}"
        );
    }
    let long = good.replace("name: motd", &format!("name: {}", "x".repeat(254)));
    assert_eq!(problems("web/a.yaml", &long).len(), 1);
    assert_eq!(
        problems("web/a.yaml", "- 1\n"),
        ["web/a.yaml:1:1: expected a map, found a list"]
    );
}

// Goal: an exemption without an end, an owner or a clear choice is refused.
#[test]
fn exemptions_are_checked() {
    let good = "- id: a\n  selector: File/motd\n  reason: r\n  owner: o\n  expires: 2027-01-31\n";
    assert_eq!(problems("exemptions.yaml", good), Vec::<String>::new());
    for (from, to, expected) in [
        ("  expires: 2027-01-31\n", "", "1:3: `expires` is missing"),
        (
            "2027-01-31",
            "2027-02-30",
            "5:12: \"2027-02-30\" is no date and no time",
        ),
        (
            "2027-01-31",
            "next week",
            "5:12: \"next week\" is no date and no time",
        ),
        ("owner: o", "owner: ' '", "4:10: the text is empty"),
        ("reason: r", "reason: ''", "3:11: the text is empty"),
        (
            "File/motd",
            "{risk: low}",
            "2:13: an exemption cannot choose by risk",
        ),
        (
            "  owner: o\n",
            "  owner: o\n  until: x\n",
            "5:3: unknown field `until`",
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_eq!(
            problems("exemptions.yaml", &text),
            [format!("exemptions.yaml:{expected}")],
            "{text}"
        );
    }
    let twice = format!("{good}{good}");
    assert_eq!(
        problems("exemptions.yaml", &twice),
        ["exemptions.yaml:6:3: exemption `a` is listed twice"]
    );
    assert_eq!(
        problems("exemptions.yaml", "id: a\n"),
        ["exemptions.yaml:1:1: expected a list, found a map"]
    );
}

// Goal: an approval says what its name says, and a damaged one is an error instead of being passed over.
#[test]
fn approvals_are_checked() {
    let hash = "ab".repeat(32);
    let path = format!("approvals/{hash}.yaml");
    let good = format!(
        "apiVersion: evenkeel.dev/v1\nkind: Approval\ngroup: {hash}\nfingerprint: \"0123456789abcdef\"\nexpires: 2027-01-31T00:00:00Z\nreason: drift\nsteps:\n  - put web/File/motd\n  - {{ any: thing }}\n"
    );
    assert_eq!(problems(&path, &good), Vec::<String>::new());
    for (from, to, expected) in [
        (
            "kind: Approval",
            "kind: Project",
            "2:7: `kind` is \"Project\" here",
        ),
        (
            "group: ab",
            "group: zz",
            "3:8: the hash of a group is 64 lower-case hexadecimal digits",
        ),
        (
            "group: ab",
            "group: AB",
            "3:8: the hash of a group is 64 lower-case hexadecimal digits",
        ),
        (
            "group: ab",
            "group: cd",
            "3:8: the file's name is not the hash of the group that it approves",
        ),
        (
            "0123456789abcdef",
            "../../x",
            "4:14: a fingerprint is 16 lower-case hexadecimal digits",
        ),
        (
            "expires: 2027",
            "expires: 27",
            "5:10: \"27-01-31T00:00:00Z\" is no date and no time",
        ),
        ("reason: drift\n", "by: me\n", "6:1: unknown field `by`"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_eq!(
            problems(&path, &text),
            [format!("{path}:{expected}")],
            "{text}"
        );
    }
    assert_eq!(
        problems(&path, "# nothing\n"),
        [format!("{path}:1:1: the file is empty")]
    );
    assert_eq!(
        problems("approvals/x.yaml", &good),
        ["approvals/x.yaml:3:8: the file's name is not the hash of the group that it approves"]
    );
}

// Goal: files that lie where nothing reads them are named, with one problem for each directory.
#[test]
fn misplaced_files_are_named() {
    let manifest = manifest("motd");
    for (path, expected) in [
        (
            "evenkeel.yml",
            "evenkeel.yml:1:1: this file is nothing that a baseline has at its top",
        ),
        (
            "motd.yaml",
            "motd.yaml:1:1: this file is nothing that a baseline has at its top",
        ),
        (
            "wbe/motd.yaml",
            "wbe/motd.yaml:1:1: the directory wbe/ belongs to no target and no group of evenkeel.yaml",
        ),
    ] {
        assert_eq!(problems(path, &manifest), [expected]);
    }
    let loaded = load(&source(&[("web/a.yaml", &manifest)])).unwrap();
    assert_eq!(loaded.problems.to_string(), "evenkeel.yaml is missing");
}

// Goal: mistakes in different files and documents are all told in one go, in the order of file and line.
#[test]
fn all_problems_come_at_once() {
    let two = format!(
        "{}---\n{}",
        manifest("a b"),
        manifest("ok").replace("spec", "spce")
    );
    let loaded = load(&source(&[
        ("evenkeel.yaml", &PROJECT.replace("enforce", "enforced")),
        ("web/a.yaml", &two),
        ("web/b.yaml", "a: [\n"),
        (
            "db/c.yaml",
            &manifest("x").replace("kind: File", "kind: []"),
        ),
    ]))
    .unwrap();
    let text = loaded.problems.to_string();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "db/c.yaml:2:7",
            "evenkeel.yaml:5:54",
            "web/a.yaml:4:9",
            "web/a.yaml:8:1",
            "web/a.yaml:12:1",
            "web/b.yaml:1:4"
        ],
        "{text}"
    );
}
