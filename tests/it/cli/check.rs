//! `check`: every mistake in one go, in a form that helps, and `init`, which makes none.

use crate::support::{Project, Ran, config, file};

// Goal: mistakes in several files are all told at once, each with its place, the line itself and a hint, and make no
// other code than 1; in JSON as well.
#[test]
fn every_mistake_is_told_at_once() {
    let one = file("a", "/a", "x").replace("mode: \"0644\"", "mode: \"0999\"");
    let project = Project::new(&config("enforce", "guard: { max_changed: 3 }\n"), &one);
    let two = file("b", "/b", "x").replace("kind: File", "kind: Fille");
    project.write("desired-state/host/more.yaml", &two);
    project.commit("mistakes");
    let said = project.expect(1, &["check"]).stderr;
    for told in [
        "desired-state/evenkeel.yaml:5:10",
        "did you mean `max_changes`?",
        "desired-state/host/all.yaml:5:",
        "mode: \"0999\"",
        "desired-state/host/more.yaml:3:7",
        "kind: Fille",
        "help: ",
        "3 problems",
    ] {
        assert!(said.contains(told), "{told} is not in {said}");
    }
    let report = project.expect(1, &["check", "--format", "json"]).json();
    let problems = report["problems"].as_array().unwrap();
    assert_eq!((problems.len(), &report["exit_code"]), (3, &1.into()));
    for problem in problems {
        assert!(problem["at"]["line"].is_u64() && problem["at"]["column"].is_u64());
        assert!(
            problem["message"].is_string() && problem["hint"].is_string(),
            "{problem}"
        );
        assert_ne!(problem["source_line"], "");
    }
}

// Goal: a mistake beside or inside a secret is told with its place, and the secret is not, in whatever way it is written
// and whatever is wrong; a neighbour that is not sensitive still gets its line.
#[test]
fn mistakes_quote_no_secret() {
    let spec = |spec: &str| {
        format!(
            "---\napiVersion: host.evenkeel.dev/v1\nkind: File\nmetadata: {{ name: a }}\nspec: {spec}\n"
        )
    };
    for secret in [
        spec("{ path: /a, sensitive: true, content: hunter2, mode: \"0999\" }"),
        spec("{ path: /a, sensitive: true, content: [hunter2] }"),
        spec("{ path: /a, \"sensitive\": true, content: \"x\", hunter2: y }"),
        spec("{ path: /a, sensitive: yes, content: hunter2 }"),
        spec("\n  path: /a\n  sensitive: true\n  content: |\n    a\n  hunter2: x"),
        spec("\n  path: /a\n  sensitive: true\n  content: hunter2: x"),
        spec("\n  path: /a\n  sensitive: true\n  content: \"hunter2"),
        spec("\n  path: /a\n  sensitive: true\n  content: 'a' hunter2"),
        spec("\n  path: /a\n  sensitive: true\n  content: *hunter2"),
        spec("\n  path: /a\n  sensitive: true\n  content: !hunter2 x"),
        spec("\n  path: /a\n  sensitive: true\n  hunter2: a\n  hunter2: b"),
        spec("\n  path: /a\n  sensitive: true\n  content: 99999hunter2\n   b: c"),
    ] {
        let open = file("b", "/b", "x").replace("kind: File", "kind: Shown");
        let project = Project::new(&config("enforce", ""), &(open + &secret));
        for args in [
            &["check"][..],
            &["check", "--format", "json"],
            &["plan"],
            &["check", "--worktree"],
        ] {
            let said = project.expect(1, args).all();
            assert!(!said.contains("hunter2"), "{args:?} of {secret}: {said}");
            let place = if args.len() == 3 {
                "\"line\": "
            } else {
                "host/all.yaml:"
            };
            assert!(said.contains(place), "{said}");
        }
    }
}

// Goal: a mistake in a neighbour of a sensitive resource is still shown with its line.
#[test]
fn a_neighbour_of_a_secret_is_shown() {
    let secret = file("a", "/a", "hunter2").replace(", mode:", ", sensitive: true, mode:");
    let open = file("b", "/b", "x").replace("kind: File", "kind: Fille");
    for manifests in [secret.clone() + &open, open.clone() + &secret] {
        let project = Project::new(&config("enforce", ""), &manifests);
        let said = project.expect(1, &["check"]).stderr;
        assert!(
            said.contains("kind: Fille") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

// Goal: a program that the configuration does not allow is a mistake before anything is run.
#[test]
fn validate_has_to_be_allowed() {
    let manifest =
        file("a", "/a", "x").replace(", mode:", ", validate: [/bin/true, \"{}\"], mode:");
    let project = Project::new(&config("enforce", ""), &manifest);
    let said = project.expect(1, &["check"]).stderr;
    assert!(
        said.contains("/bin/true") && said.contains("validate_commands"),
        "{said}"
    );
    project.expect(1, &["reconcile"]);
    let guard = "guard: { validate_commands: [/bin/true] }\n";
    project.write("desired-state/evenkeel.yaml", &config("enforce", guard));
    project.commit("allowed");
    project.expect(0, &["check"]);
    project.reconcile(0);
}

// Goal: what `init` makes is valid as it is, plans, acts on nothing, and is not made twice.
#[test]
fn a_new_project_is_valid() {
    let project = Project::new("", "");
    let dir = project.temp.path().join("new");
    std::fs::create_dir(&dir).unwrap();
    let repo = git2::Repository::init(&dir).unwrap();
    let run = |args: &[&str]| Ran::of(&mut project.command_in(&dir, args));
    let root = project.root.to_str().unwrap();
    run(&["init", "--target", "web-1", "--root", root]).expect(0);
    let mut index = repo.index().unwrap();
    index
        .add_all(["*"], git2::IndexAddOption::DEFAULT, None)
        .unwrap();
    index.write().unwrap();
    let tree = repo.find_tree(index.write_tree().unwrap()).unwrap();
    let who = git2::Signature::now("Ada", "ada@example.com").unwrap();
    repo.commit(Some("HEAD"), &who, &who, "new", &tree, &[])
        .unwrap();
    std::fs::create_dir_all(project.path("etc")).unwrap();
    for (name, text) in [
        ("passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
    ] {
        std::fs::write(project.path("etc").join(name), text).unwrap();
    }
    let checked = run(&["check"]).expect(0);
    assert!(
        checked.stdout.contains("the baseline is valid"),
        "{}",
        checked.stdout
    );
    let plan = run(&["plan", "--format", "json"]).expect(2).json();
    assert_eq!(plan["targets"][0]["mode"], "observe");
    run(&["reconcile"]).expect(2);
    assert!(!project.path("etc/motd").exists());
    let again = run(&["init", "--target", "web-1"]).expect(1);
    assert!(again.stderr.contains("evenkeel.yaml"), "{}", again.stderr);
}

// Goal: `trust show` says what is checked out, what is trusted and what was good, before and after the first run.
#[test]
fn trust_is_shown() {
    let project = super::one_missing("enforce", "");
    let before = project
        .expect(0, &["trust", "show", "--format", "json"])
        .json();
    assert!(before["last_trusted"].is_null() && before["last_good"].is_null());
    assert!(!project.repo.join(".evenkeel").exists());
    let head = project.reconcile(0)["baseline"]["commit"].clone();
    let after = project
        .expect(0, &["trust", "show", "--format", "json"])
        .json();
    assert_eq!((&after["commit"], &after["last_good"]), (&head, &head));
    let text = project.expect(0, &["trust", "show"]).stdout;
    assert!(text.contains("no signature is asked for"), "{text}");
    project.expect(0, &["trust", "show", "--rev", "last-good"]);
}
