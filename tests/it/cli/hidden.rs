//! What is shown of content, and what never is.

use crate::support::{Project, config, file};

const SECRET: &str = "hunter2";

/// A file with a secret, live and in git, and more beside its `content`.
fn with(more: &str) -> Project {
    let manifest =
        file("it", "/it", &format!("{SECRET}-git\n")).replace(", mode:", &format!("{more}, mode:"));
    let project = Project::new(&config("enforce", ""), &manifest);
    std::fs::write(project.path("it"), format!("{SECRET}-live\n")).unwrap();
    project
}

/// Everything that a plan and a run say, on every way that they say it.
fn all_that_is_said(project: &Project) -> String {
    let mut said = String::new();
    for command in ["plan", "reconcile"] {
        let reports = "sarif=s,junit=j,markdown=m,json=o";
        for args in [&["--report", reports, "-vvv"][..], &["--format", "json"]] {
            let args: Vec<_> = [command].iter().chain(args).copied().collect();
            let mut command = project.command(&args);
            command.env("GITHUB_ACTIONS", "true");
            said += &crate::support::Ran::of(&mut command).all();
        }
        for name in ["s", "j", "m", "o"] {
            said += &std::fs::read_to_string(project.repo.join(name)).unwrap();
        }
        std::fs::write(project.path("it"), format!("{SECRET}-live\n")).unwrap();
    }
    said += &project.run(&["journal", "show"]).all();
    said + &project.run(&["journal", "show", "--format", "json"]).all()
}

// Goal: content that nobody disclosed is in no text, JSON, report, annotation, trace or record; `disclose` shows it, and
// a person may ask for it.
#[test]
fn content_is_shown_only_where_it_is_disclosed() {
    let project = with("");
    let said = all_that_is_said(&project);
    assert!(said.contains("File/it") && !said.contains(SECRET), "{said}");
    let asked = project.expect(2, &["plan", "--show-content"]).stdout;
    assert!(asked.contains("hunter2-live"), "{asked}");

    let open = with("");
    let text = std::fs::read_to_string(open.repo.join("desired-state/host/all.yaml")).unwrap();
    let text = text.replace("name: it }", "name: it }\ndisclose: true");
    open.write("desired-state/host/all.yaml", &text);
    open.commit("disclosed");
    let plan = open.plan(2)["drifts"].to_string();
    assert!(
        plan.contains("hunter2-live") && plan.contains("hunter2-git"),
        "{plan}"
    );
    assert!(open.expect(2, &["plan"]).stdout.contains("hunter2-live"));
}

// Goal: what is sensitive is shown to nobody who asks in whatever way, nor is its size or digest.
#[test]
fn sensitive_content_is_never_shown() {
    let project = with(", sensitive: true");
    let text = std::fs::read_to_string(project.repo.join("desired-state/host/all.yaml")).unwrap();
    let text = text.replace("name: it }", "name: it }\ndisclose: true");
    project.write("desired-state/host/all.yaml", &text);
    project.commit("disclosed all the same");
    let asked = project.expect(2, &["plan", "--show-content", "-v"]).stdout;
    let said = all_that_is_said(&project) + &asked;
    assert!(said.contains("File/it") && !said.contains(SECRET), "{said}");
    let field = project.plan(2)["drifts"][0]["fields"][0].clone();
    assert_eq!(field["path"], "content");
    let redacted = serde_json::json!({"type": "content", "redacted": true});
    assert_eq!(
        (&field["expected"], &field["actual"]),
        (&redacted, &redacted)
    );
}

/// The same, with a `validate` command that is a shell script.
fn validated(more: &str, script: &str) -> Project {
    let project = with(&format!(
        "{more}, validate: [/bin/sh, \"-c\", {script:?}, sh, \"{{}}\"]"
    ));
    let guard = "guard: { validate_commands: [/bin/sh] }\n";
    project.write("desired-state/evenkeel.yaml", &config("enforce", guard));
    project.commit("validated");
    project
}

// Goal: a new file that its command refuses never takes the old one's place; what the command says is told, but not of a
// sensitive file, which it may quote.
#[test]
fn a_refused_file_changes_nothing_and_quotes_no_secret() {
    let project = validated("", "echo line 7 is wrong; exit 3");
    let ran = project.expect(1, &["reconcile"]);
    assert!(ran.stdout.contains("line 7 is wrong"), "{}", ran.all());
    let sensitive = validated(", sensitive: true", "cat \"$1\"; exit 3");
    let said = all_that_is_said(&sensitive);
    assert!(said.contains("refused the new content"), "{said}");
    assert!(!said.contains(SECRET), "{said}");
    for project in [project, sensitive] {
        let live = std::fs::read_to_string(project.path("it")).unwrap();
        assert_eq!(live, "hunter2-live\n");
        let left: Vec<_> = std::fs::read_dir(&project.root).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}

// Goal: the same file passes when its command agrees, so that the refusal above came from the command.
#[test]
fn an_accepted_file_is_put() {
    let project = validated("", "grep -q hunter2-git \"$1\"");
    project.reconcile(0);
    let live = std::fs::read_to_string(project.path("it")).unwrap();
    assert_eq!(live, "hunter2-git\n");
}
