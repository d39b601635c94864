//! `evenkeel adopt` through the program: the edit as a patch, every refusal, and the whole way at a forge.

use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::{Project, Ran, chmod, config, directory, file};

/// Written by a person, with comments in every place.
const MANIFEST: &str = "\
# What everybody sees.
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: motd } # the message
disclose: true
spec:
  path: /motd    # where
  mode: \"0644\"   # not more
  content: |
    hello
---
# Nobody else's business.
apiVersion: host.evenkeel.dev/v1
kind: File
metadata: { name: secret }
spec: { path: /secret, mode: '0600', contentFrom: files/secret } # beside
---
apiVersion: host.evenkeel.dev/v1
kind: Directory
metadata: { name: conf } # all of it
spec: { path: /conf, mode: \"0755\", exclusive: true }
---
apiVersion: host.evenkeel.dev/v1
kind: Symlink
metadata: { name: now }
disclose: true
spec: { path: /now, target: one } # which
";

fn project(mode: &str, more: &str) -> Project {
    let project = Project::new(&config(mode, more), MANIFEST);
    project.write("desired-state/host/files/secret", "committed\n");
    project.commit("beside");
    settle(&project);
    project
}

/// Makes the root as the baseline says.
fn settle(project: &Project) {
    std::fs::write(project.path("motd"), "hello\n").unwrap();
    std::fs::write(project.path("secret"), "committed\n").unwrap();
    std::fs::create_dir(project.path("conf")).unwrap();
    std::os::unix::fs::symlink("one", project.path("now")).unwrap();
    chmod(&project.path("motd"), 0o644);
    chmod(&project.path("secret"), 0o600);
    chmod(&project.path("conf"), 0o755);
}

fn git(dir: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env_remove("GIT_DIR");
    Ran::of(&mut command)
}

// Goal: several resources of one file, of every kind that is adopted, become one patch that keeps all a person wrote; git
// applies it, and after the commit nothing differs any more. Nothing is written before.
#[test]
fn the_patch_is_the_baseline() {
    let project = project("observe", "");
    std::fs::write(project.path("motd"), "bye\n").unwrap();
    chmod(&project.path("conf"), 0o700);
    std::fs::remove_file(project.path("now")).unwrap();
    chmod(&project.path("secret"), 0o400);
    project.plan(2);
    let args = [
        "adopt",
        "--print",
        "motd",
        "Directory/conf",
        "host/Symlink/now",
        "File/secret",
    ];
    let printed = project.expect(0, &args);
    assert!(!project.repo.join(".evenkeel").exists());
    std::fs::write(project.temp.path().join("a.patch"), &printed.stdout).unwrap();
    git(&project.repo, &["apply", "../a.patch"]).expect(0);
    let edited = std::fs::read_to_string(project.repo.join("desired-state/host/all.yaml")).unwrap();
    insta::assert_snapshot!(edited);
    project.commit("adopted");
    assert_eq!(project.plan(0)["drifts"], json!([]));
}

// Goal: content beside the manifest is changed there; as files lie works as well as a commit.
#[test]
fn content_beside_and_a_work_tree() {
    let project = project("observe", "");
    let manifest = MANIFEST.replace("{ name: secret }\n", "{ name: secret }\ndisclose: true\n");
    project.write("desired-state/host/all.yaml", &manifest);
    std::fs::write(project.path("secret"), "one\r\ntwo\u{1b}[31m").unwrap();
    let refused = project.expect(1, &["adopt", "--print", "secret"]);
    assert!(
        refused.stderr.contains("set `disclose: true`"),
        "{refused:?}"
    );
    let printed = project.expect(0, &["adopt", "--print", "--worktree", "secret"]);
    assert!(
        printed
            .stdout
            .starts_with("--- a/desired-state/host/files/secret\n")
    );
    std::fs::write(project.temp.path().join("a.patch"), &printed.stdout).unwrap();
    git(
        &project.repo,
        &["apply", "--whitespace=nowarn", "../a.patch"],
    )
    .expect(0);
    project.expect(0, &["plan", "--worktree"]);
}

// Goal: each thing that cannot be adopted is refused with its reason, all in one go, with exit code 1, and what is live
// and undisclosed is in no output.
#[test]
fn refusals() {
    let extra = format!(
        "{}{}{}",
        file("gone", "/gone", "x"),
        "---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: { name: never }\nspec: { path: /never, state: absent }\n",
        "---\napiVersion: host.evenkeel.dev/v1\nkind: AuthorizedKeys\nmetadata: { name: keys }\nspec: { user: 0, path: /keys, keys: [] }\n",
    );
    let project = project("observe", "");
    project.write(
        "desired-state/host/more.yaml",
        &format!("{extra}{}", directory("lost", "/lost", "")),
    );
    project.commit("more");
    for (path, content) in [
        ("secret", "LIVE-SECRET"),
        ("conf/new", "LIVE-SECRET"),
        ("never", "x"),
        ("gone", "\u{0}x"),
    ] {
        std::fs::write(project.path(path), content).unwrap();
    }
    std::fs::remove_file(project.path("now")).unwrap();
    std::fs::create_dir(project.path("now")).unwrap();
    let named = [
        "secret",
        "/conf/new",
        "never",
        "lost",
        "now",
        "keys",
        "motd",
        "motdd",
        "File/no-such-thing",
    ];
    let args: Vec<_> = ["adopt", "--print"].into_iter().chain(named).collect();
    let text = project.expect(1, &args);
    let json = project.expect(1, &[&args[..], &["--format", "json"]].concat());
    assert_eq!(text.stdout, "");
    for said in [&text.stderr, &json.stdout] {
        assert!(!said.contains("LIVE-SECRET"), "{said}");
    }
    let all: Vec<_> = json.json()["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(say)
        .collect();
    insta::assert_snapshot!(all.join("\n"));
    let alone = project.expect(1, &["adopt", "--print", "secret"]);
    assert!(
        alone
            .stderr
            .contains("error: nothing was adopted: the live content of host/File/secret")
    );
}

fn say(problem: &Json) -> String {
    format!(
        "{} ({})",
        problem["message"].as_str().unwrap(),
        problem["hint"]
    )
}

// Goal: what two resources share is not changed for the other behind its back.
#[test]
fn what_is_shared_changes_for_both_or_not() {
    let share = |name: &str| {
        format!(
            "---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: {name} }}\ndisclose: true\nspec: {{ path: /{name}, contentFrom: files/both }}\n"
        )
    };
    let project = Project::new(
        &config("observe", ""),
        &format!("{}{}", share("a"), share("b")),
    );
    project.write("desired-state/host/files/both", "old\n");
    project.commit("both");
    std::fs::write(project.path("a"), "new\n").unwrap();
    std::fs::write(project.path("b"), "old\n").unwrap();
    let refused = project.expect(1, &["adopt", "--print", "a"]);
    assert!(
        refused
            .stderr
            .contains("the edit would also change what host/File/b means"),
        "{refused:?}"
    );
    std::fs::write(project.path("b"), "other\n").unwrap();
    let refused = project.expect(1, &["adopt", "--print", "a", "b"]);
    assert!(
        refused
            .stderr
            .contains("another content of host/files/both"),
        "{refused:?}"
    );
    std::fs::write(project.path("b"), "new\n").unwrap();
    project.expect(0, &["adopt", "--print", "a", "b"]);
}

// Goal: without a way to open a pull request the way on is named, and a pull request is made of HEAD alone.
#[test]
fn without_a_forge() {
    let forged = project("observe", "forge: { repository: o/r }\n");
    let bare = project("observe", "");
    chmod(&forged.path("motd"), 0o600);
    for (project, args, why) in [
        (&bare, &["adopt", "motd"][..], "names no forge"),
        (
            &forged,
            &["adopt", "motd"],
            "no token for the forge in GITHUB_TOKEN",
        ),
        (
            &forged,
            &["adopt", "motd", "--worktree"],
            "the commit that is checked out",
        ),
        (
            &forged,
            &["adopt", "motd", "--rev", "last-good"],
            "the commit that is checked out",
        ),
    ] {
        let refused = project.expect(1, args);
        assert!(
            refused.stderr.contains(why) && refused.stderr.contains("--print"),
            "{refused:?}"
        );
    }
    forged.expect(1, &["adopt"]);
}
