//! Drifts that are indicators of compromise, through the program: told, graded by the team, answered, kept.

use serde_json::Value as Json;

use crate::support::{Project, Ran, config, directory};

/// Three folders in which git lists everything: nothing.
fn project(more: &str) -> Project {
    let labelled = config("enforce", more).replace(
        "provider: host,",
        "provider: host, labels: { env: production },",
    );
    let manifests = ["etc", "etc/cron.d", "etc/sudoers.d", "srv"].map(|path| {
        let exclusive = match path {
            "etc" => "",
            _ => ", exclusive: true",
        };
        directory(&path.replace('/', "-"), &format!("/{path}"), exclusive)
    });
    let project = Project::new(&labelled, &manifests.concat());
    assert_eq!(project.run(&["reconcile"]).code, 0);
    project
}

fn drop_file(project: &Project, path: &str) {
    std::fs::write(project.path(path), "* * * * * root /tmp/.x\n").unwrap();
}

/// Level and indicator of each finding, with the resource.
fn told(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |it: &Json, key: &str| it[key].as_str().unwrap().to_owned();
    findings
        .map(|it| {
            let target = it["targets"][0].as_str().unwrap();
            format!("{} {} {target}", text(it, "level"), text(it, "indicator"))
        })
        .collect()
}

const PLAN: [&str; 3] = ["plan", "--format", "json"];

// Goal: what an intruder leaves is a finding and what anybody does is none; only a grave one is a compromise by itself, in the
// run that puts it right too and in no later one; no exemption hides it, nobody adopts it, and taking the answer back has to
// be meant.
#[test]
fn what_an_intruder_leaves() {
    let project = project("");
    drop_file(&project, "srv/notes");
    let noted = project.run(&PLAN);
    assert_eq!((noted.code, told(&noted)), (2, vec![]));

    drop_file(&project, "etc/cron.d/x");
    let job = "medium scheduled-job host/File//etc/cron.d/x";
    let medium = project.run(&PLAN);
    assert_eq!((medium.code, told(&medium)), (2, vec![job.to_owned()]));
    let stricter = ["plan", "--fail-on", "medium"];
    assert_eq!(project.run(&stricter).code, 3);

    drop_file(&project, "etc/sudoers.d/x");
    let right = "high sudo-right host/File//etc/sudoers.d/x";
    let high = project.run(&PLAN);
    let both = vec![right.to_owned(), job.to_owned()];
    assert_eq!((high.code, told(&high)), (3, both.clone()));

    project.write(
        "desired-state/exemptions.yaml",
        "- { id: all, selector: { path: \"/etc/**\" }, reason: no, owner: me, expires: 2999-01-01 }\n",
    );
    project.commit("exempted");
    let exempted = project.run(&PLAN);
    assert_eq!((exempted.code, told(&exempted)), (3, both.clone()));
    let adopted = project.run(&["adopt", "--print", "File//etc/cron.d/x"]);
    assert_eq!(adopted.code, 1);
    assert!(
        adopted
            .stderr
            .contains("open indicator of compromise (scheduled-job"),
        "{adopted:?}"
    );
    std::fs::remove_file(project.repo.join("desired-state/exemptions.yaml")).unwrap();
    project.commit("no longer");

    let answered = project.run(&["reconcile", "--format", "json"]);
    assert_eq!((answered.code, told(&answered)), (3, both));
    assert!(!project.path("etc/sudoers.d/x").exists());
    let steps = answered.json()["plan"]["groups"].as_array().unwrap().len();
    assert_eq!(steps, 3);
    let after = project.run(&PLAN);
    assert_eq!((after.code, told(&after)), (0, vec![]));

    let run = answered.json()["run"].as_str().unwrap().to_owned();
    let refused = project.run(&["undo", &run]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("--reopen"), "{refused:?}");
    assert!(!project.path("etc/sudoers.d/x").exists());
    assert_eq!(project.run(&["undo", "--reopen", &run]).code, 0);
    assert!(project.path("etc/sudoers.d/x").exists());
}

// Goal: a team grades findings by name, place and label, in evenkeel.yaml and nowhere else; none is made to vanish.
#[test]
fn a_team_grades_them() {
    let severity = "detect:
  severity:
    - { indicator: sudo-right, where: \"/etc/sudoers.d/known\", level: informational }
    - { indicator: scheduled-job, labels: { env: production }, level: critical }
";
    let project = project(severity);
    drop_file(&project, "etc/sudoers.d/known");
    let lowered = project.run(&PLAN);
    assert_eq!(lowered.code, 2);
    assert_eq!(
        told(&lowered),
        ["informational sudo-right host/File//etc/sudoers.d/known"]
    );
    drop_file(&project, "etc/cron.d/x");
    let raised = project.run(&PLAN);
    assert_eq!(raised.code, 3);
    assert_eq!(
        told(&raised)[0],
        "critical scheduled-job host/File//etc/cron.d/x"
    );
}
