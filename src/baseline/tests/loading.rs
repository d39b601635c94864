//! What well-written files become.

use std::time::Duration;

use super::super::{load, load_project, load_resources};
use super::{PROJECT, manifest, source};
use crate::model::{Mode, ProviderKind, Selector, TargetName};

// Goal: every setting arrives where the engine looks for it, and what is not given has its documented default.
#[test]
fn settings_arrive() {
    let text = format!(
        "{PROJECT}{}",
        r#"
metadata: { name: acme }
guard:
  max_changes: 7
  max_changed_percent: 12
  protected: [File/passwd, web/File/*, "/etc/ssh/**", { kind: File, path: "**/shadow", risk: high }]
  require_approval: [{ risk: irreversible }]
  undo_max_bytes: 1024
  kill_switch: /etc/evenkeel.stop
  validate_commands: [/usr/sbin/sshd]
  suspend_after_undo: 2d
forge:
  repository: acme/servers
  api_url: https://ghe.example.com/api/v3/
trust:
  require_signed: true
  allowed_signers: allowed_signers
ignore: ["/**/*.swp"]
"#
    );
    let (project, problems) = load_project(&source(&[("evenkeel.yaml", &text)])).unwrap();
    assert_eq!(problems.to_string(), "");
    let project = project.unwrap();
    assert_eq!(project.targets.len(), 2);
    assert_eq!(project.targets[0].mode, Mode::Observe);
    assert_eq!(project.targets[1].mode, Mode::Enforce);
    let ProviderKind::Host { root, .. } = &project.targets[1].provider;
    assert_eq!(root, "/srv/db");
    let guard = &project.guard;
    assert_eq!(
        (guard.max_changes, guard.max_changed_percent),
        (7, Some(12))
    );
    assert_eq!(guard.undo_max_bytes, 1024);
    assert_eq!(guard.suspend_after_undo, Duration::from_secs(172_800));
    assert_eq!(guard.kill_switch.as_deref(), Some("/etc/evenkeel.stop"));
    assert_eq!(guard.validate_commands, ["/usr/sbin/sshd"]);
    let selector = |parts: [Option<&str>; 5]| {
        let [target, kind, name, path, risk] = parts.map(|part| part.map(str::to_owned));
        Selector {
            target,
            kind,
            name,
            path,
            risk,
        }
    };
    assert_eq!(
        guard.protected,
        [
            selector([None, Some("File"), Some("passwd"), None, None]),
            selector([Some("web"), Some("File"), Some("*"), None, None]),
            selector([None, None, None, Some("/etc/ssh/**"), None]),
            selector([None, Some("File"), None, Some("**/shadow"), Some("high")]),
        ]
    );
    let forge = project.forge.unwrap();
    assert_eq!(forge.api_url, "https://ghe.example.com/api/v3");
    assert_eq!(
        (forge.base.as_str(), forge.token_env.as_str()),
        ("main", "GITHUB_TOKEN")
    );
    assert_eq!(
        (
            forge.reopen_after_days,
            forge.approval_valid_days,
            forge.max_open
        ),
        (7, 7, 10)
    );
    assert!(project.trust.require_signed);
    assert_eq!(project.ignore, ["/**/*.swp"]);
}

// Goal: a configuration with a mistake can no longer act, even in the hands of a caller who ignores the mistake.
#[test]
fn a_broken_project_is_disarmed() {
    let text = PROJECT.replace("targets:", "gaurd: {max_changes: 1}\ntargets:");
    let (project, problems) = load_project(&source(&[("evenkeel.yaml", &text)])).unwrap();
    assert!(!problems.is_empty());
    let project = project.unwrap();
    assert_eq!(project.guard.max_changes, 0);
    assert!(
        project
            .targets
            .iter()
            .all(|target| target.mode == Mode::Observe)
    );
}

// Goal: documents become resources of the target whose directory they lie in, and know where paths beside them start.
#[test]
fn manifests_arrive() {
    let two = format!(
        "# a comment\n{}controls: [CIS-1.7.1]\ndisclose: true\n---\n---\n{}",
        manifest("a"),
        manifest("b")
    );
    let loaded = load(&source(&[
        ("evenkeel.yaml", PROJECT),
        ("web/sub/two.yml", &two),
        ("web/files/data.yaml", "{{ not: yaml"),
        ("web/notes.txt", "x"),
        ("playbooks/later.yaml", "kind: Playbook"),
    ]))
    .unwrap();
    assert_eq!(loaded.problems.to_string(), "");
    let web = &loaded.declared[&TargetName("web".into())];
    assert_eq!(web[0].id.to_string(), "web/File/a");
    assert_eq!(web[0].controls, ["CIS-1.7.1"]);
    assert!(web[0].disclose && !web[1].disclose);
    assert_eq!(web[0].directory, "web/sub");
    assert_eq!(web[1].at.to_string(), "web/sub/two.yml:12:1");
    assert_eq!(
        loaded.notices,
        ["target db has no resources in this baseline, so nothing of it is looked at"]
    );
}

// Goal: the same resource twice is one mistake that names both places; another kind or target is another resource.
#[test]
fn a_resource_is_declared_once() {
    let loaded = load(&source(&[
        ("evenkeel.yaml", PROJECT),
        ("db/a.yaml", &manifest("a")),
        ("web/a.yaml", &manifest("a")),
        (
            "web/b.yaml",
            &manifest("a").replace("kind: File", "kind: Directory"),
        ),
        ("web/c.yaml", &manifest("a")),
    ]))
    .unwrap();
    let [problem] = &loaded.problems.0[..] else {
        panic!("{}", loaded.problems);
    };
    assert_eq!(
        problem.to_string(),
        "web/c.yaml:1:1: web/File/a is declared twice"
    );
    assert_eq!(
        problem.hint.as_deref(),
        Some("the first one is at web/a.yaml:1:1")
    );
}

// Goal: a hidden manifest is not loaded, and that is said.
#[test]
fn hidden_manifests_are_named() {
    let loaded = load(&source(&[
        ("evenkeel.yaml", PROJECT),
        ("web/.a.yaml", &manifest("a")),
        ("db/a.yaml", &manifest("a")),
    ]))
    .unwrap();
    assert_eq!(
        loaded.notices[0],
        "web/.a.yaml is hidden by its dot and is not read as a manifest"
    );
    assert!(!loaded.declared.contains_key(&TargetName("web".into())));
}

// Goal: resources can be judged by a configuration from another commit: its targets count, not their own.
#[test]
fn resources_follow_the_trusted_project() {
    let trusted = source(&[("evenkeel.yaml", PROJECT)]);
    let (project, _) = load_project(&trusted).unwrap();
    let other = source(&[
        ("evenkeel.yaml", &PROJECT.replace("name: web", "name: evil")),
        ("evil/a.yaml", &manifest("a")),
        ("db/a.yaml", &manifest("a")),
    ]);
    let loaded = load_resources(&other, &project.unwrap()).unwrap();
    assert_eq!(
        loaded.problems.to_string(),
        "evil/a.yaml:1:1: the directory evil/ belongs to no target and no group of evenkeel.yaml"
    );
    assert_eq!(loaded.declared.len(), 1);
}

// Goal: side files are found from their path, dots and all, and nothing outside can be named.
#[test]
fn side_files_stay_inside() {
    let loaded = load(&source(&[
        ("evenkeel.yaml", PROJECT),
        ("web/files/motd", "hello"),
        ("shared/motd", "hi"),
    ]))
    .unwrap();
    let read = |path: &str| loaded.files.read(path).map(|bytes| bytes.to_vec());
    assert_eq!(read("web/files/motd"), Ok(b"hello".to_vec()));
    assert_eq!(read("web/../shared/./motd"), Ok(b"hi".to_vec()));
    for (path, why) in [
        (
            "../secret",
            "../secret leads out of the baseline's directory",
        ),
        (
            "web/../../x",
            "web/../../x leads out of the baseline's directory",
        ),
        (
            "/etc/shadow",
            "/etc/shadow is an absolute path; write it relative to the manifest",
        ),
        ("web/files", "web/files is a directory"),
        ("web/", "web/ is a directory"),
        ("", " is a directory"),
        ("web/nothing", "web/nothing does not exist"),
        ("web/\u{1b}[2J", "web/\\u{1b}[2J does not exist"),
    ] {
        assert_eq!(read(path), Err(why.to_owned()));
    }
}
