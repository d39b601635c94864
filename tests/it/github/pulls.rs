//! The built program and its pull requests: each test drives runs of it from a clone over HTTP, against the stateful
//! server, while people do at the forge what people do.

use serde_json::{Value, json};

use super::site::{CALM, Site, TOKEN, notes, the_group, the_pull};
use crate::support::Ran;

const OWNED: &str = "owned\n";

/// What holds the one group of a report's plan.
fn held(report: &Value) -> &str {
    report["held"][0]["because"].as_str().unwrap()
}

fn number(pull: &Value) -> u64 {
    pull["number"].as_u64().unwrap()
}

/// The body, which holds the notice when it was closed by evenkeel.
fn body(pull: &Value) -> &str {
    pull["body"].as_str().unwrap()
}

// Goal: one cause is one pull request: opened with what a reviewer needs, left alone, updated in place when the live
// state changes; the commit says that there is drift; and `plan` writes nothing to the forge.
#[tokio::test]
async fn one_cause_is_one_pull_request() {
    let Some(site) = Site::start("once", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let writes = |requests: Vec<Value>| {
        let by_bot = requests
            .into_iter()
            .filter(|one| one["user"] == "evenkeel-bot" && one["method"] != "GET");
        by_bot.count()
    };
    site.report(2, &["plan"]);
    assert_eq!(writes(site.peer.requests().await), 0);

    let report = site.reconcile(2);
    let opened = the_pull(&report, "opened");
    let group = the_group(&report);
    let fingerprint = report["plan"]["groups"][0]["fingerprint"].as_str().unwrap();
    let pulls = site.pulls().await;
    assert_eq!(pulls.len(), 1);
    let head = pulls[0]["head"]["ref"].as_str().unwrap();
    assert_eq!(head, format!("evenkeel/{fingerprint}"));
    assert_eq!(pulls[0]["labels"][0]["name"], "drift");
    assert_eq!(site.files(opened).await, [site.approval(&group)]);
    let title = format!("Restore File/motd on {} (low risk)", site.name);
    assert_eq!(pulls[0]["title"], title);
    let said = body(&pulls[0]);
    for part in [
        "**Merging this approves putting it back**, once",
        "| Reach | 1 of 1 evaluated resource",
        "`evenkeel undo RUN`",
        "### What differs",
        "content, 6 bytes, keyed digest",
        "1. **put** `File/motd` at `/etc/motd`",
        "raised again after 7 days",
        group.as_str(),
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("owned"), "{said}");
    let status = site.status(&site.commit()).await;
    assert_eq!(status, "failure: 1 drifted, 0 not evaluated, 0 clean");
    let record = &site.records("pull-request")[0]["payload"];
    assert_eq!(
        (&record["number"], &record["what"]),
        (&json!(opened), &json!("opened"))
    );

    let before = writes(site.peer.requests().await);
    the_pull(&site.reconcile(2), "unchanged");
    let text = site.run(&["reconcile"]).expect(2).stdout;
    assert!(text.contains(&format!("#{opened} unchanged")), "{text}");
    // The commit's status, once a run.
    assert_eq!(writes(site.peer.requests().await), before + 2);

    site.live("etc/motd", "owned again\n");
    let report = site.reconcile(2);
    assert_eq!(the_pull(&report, "updated"), opened);
    assert_ne!(the_group(&report), group);
    let files = site.files(opened).await;
    assert_eq!(files, [site.approval(&the_group(&report))]);
    assert_eq!(site.pulls().await.len(), 1);
    the_pull(&site.reconcile(2), "unchanged");
    assert_eq!(site.motd(), "owned again\n");
    site.peer.requests_conform().await;
}

// Goal: a merge by somebody else carries the group out once, when the clone holds it: verified, marked as used, told on
// the pull request with run and undo. The same drift coming back is asked for anew.
#[tokio::test]
async fn merged_is_carried_out_once() {
    let Some(site) = Site::start("merged", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let report = site.reconcile(2);
    let (opened, group) = (the_pull(&report, "opened"), the_group(&report));
    site.peer.merge("ALICE", opened).await;
    let late = "unchanged: it is merged, and this baseline is older than the merge (git pull)";
    assert_eq!(the_pull(&site.reconcile(2), late), opened);
    assert_eq!(site.motd(), OWNED);

    site.pull();
    assert_eq!(
        site.report(2, &["plan"])["plan"]["groups"][0]["verdict"],
        "allow"
    );
    assert_eq!(site.motd(), OWNED);
    let report = site.reconcile(0);
    assert_eq!(site.motd(), CALM);
    assert_eq!(the_pull(&report, "carried out"), opened);
    let by = format!("pull request #{opened} merged by alice");
    assert_eq!(report["plan"]["groups"][0]["approved_by"], by);
    let used = &site.records("approval-used")[0]["payload"];
    assert_eq!(used["approval"], format!("{group}:{opened}"));
    let run = report["run"].as_str().unwrap();
    let comments = site.comments(opened).await;
    assert_eq!(comments.len(), 1);
    for part in [
        format!("**Carried out and verified**, in run `{run}`"),
        format!("`evenkeel undo {run}`"),
    ] {
        assert!(comments[0].contains(&part), "{comments:?}");
    }
    let status = site.status(&site.commit()).await;
    assert_eq!(status, "success: the live state matches: 1 resources");
    assert_eq!(notes(&site.reconcile(0)), []);

    site.live("etc/motd", OWNED);
    let report = site.reconcile(2);
    assert_eq!(site.motd(), OWNED);
    assert_eq!(the_group(&report), group);
    assert!(held(&report).contains("used already"), "{}", held(&report));
    let again = the_pull(&report, "opened");
    assert_ne!(again, opened);
    let pulls = site.pulls().await;
    assert!(body(&pulls[1]).contains(&format!("#{opened}, for the same cause")));
    site.peer.merge("ALICE", again).await;
    site.pull();
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), again);
    assert_eq!(
        (site.motd().as_str(), site.comments(opened).await.len()),
        (CALM, 1)
    );
    site.peer.requests_conform().await;
}

// Goal: an approval merged by its author, by a bot or by whoever pushed to its branch moves nothing, the run says whose
// hands were wrong, and asks anew until the right ones merge.
#[tokio::test]
async fn wrong_hands_move_nothing() {
    let Some(site) = Site::start("hands", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let mut open = the_pull(&site.reconcile(2), "opened");
    for (who, why) in [
        ("BOT", "merged by evenkeel-bot, who is its author"),
        ("ROBOT", "merged by robot[bot], which is a bot"),
        ("BOB", "merged by bob, who pushed to its branch"),
    ] {
        if who == "BOB" {
            push_to(&site, open).await;
        }
        site.peer.merge(who, open).await;
        site.pull();
        let report = site.reconcile(2);
        let why = format!("pull request #{open} was {why}");
        assert!(held(&report).contains(&why), "{}", held(&report));
        assert_eq!(
            (site.motd().as_str(), &report["outcomes"]),
            (OWNED, &json!([]))
        );
        let next = the_pull(&report, "opened");
        let text = site.run(&["reconcile"]).expect(2).stdout;
        assert!(text.contains(&why), "{text}");
        assert!(text.contains(&format!("#{next} unchanged")), "{text}");
        open = next;
    }
    site.peer.merge("ALICE", open).await;
    site.pull();
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), open);
    assert_eq!((site.motd().as_str(), site.pulls().await.len()), (CALM, 4));
    site.peer.requests_conform().await;
}

/// Bob adds a line to the approval on a pull request's branch.
async fn push_to(site: &Site, pull: u64) {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let pull = site.peer.look(&format!("pulls/{pull}")).await;
    let branch = pull["head"]["ref"].as_str().unwrap();
    let path = format!("contents/{}", site.files(number(&pull)).await[0]);
    let found = site.peer.look(&format!("{path}?ref={branch}")).await;
    let content = found["content"].as_str().unwrap().replace('\n', "");
    let mut text = STANDARD.decode(content).unwrap();
    text.extend(b"# Looks good.\n");
    let body = json!({
        "message": "A word", "content": STANDARD.encode(text), "branch": branch, "sha": found["sha"],
    });
    site.peer.by_hand("BOB", "PUT", &path, body).await;
}

// Goal: a pull request is closed with a word and without its branch when the drift is seen to be gone, and never because
// nobody could look; what comes back is raised at once.
#[tokio::test]
async fn closed_when_the_drift_is_gone() {
    let Some(site) = Site::start("gone", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let report = site.reconcile(2);
    let opened = the_pull(&report, "opened");
    let fingerprint = report["plan"]["groups"][0]["fingerprint"].as_str().unwrap();
    // No link is followed, so what lies behind one cannot be looked at.
    std::fs::rename(site.path("etc"), site.path("aside")).unwrap();
    std::os::unix::fs::symlink("aside", site.path("etc")).unwrap();
    let unseen = "unchanged: its target was not looked at as a whole";
    assert_eq!(the_pull(&site.reconcile(4), unseen), opened);
    assert_eq!(site.pulls().await[0]["state"], "open");

    std::fs::remove_file(site.path("etc")).unwrap();
    std::fs::rename(site.path("aside"), site.path("etc")).unwrap();
    site.live("etc/motd", CALM);
    assert_eq!(the_pull(&site.reconcile(0), "closed"), opened);
    assert_eq!(site.pulls().await[0]["state"], "closed");
    assert!(!site.has_branch(fingerprint).await);
    let comments = site.comments(opened).await;
    let word = "Closed: the live state is what the baseline says";
    assert!(
        matches!(&comments[..], [one] if one.starts_with(word)),
        "{comments:?}"
    );
    assert_eq!(notes(&site.reconcile(0)), []);
    site.live("etc/motd", OWNED);
    assert_ne!(the_pull(&site.reconcile(2), "opened"), opened);
    assert!(site.has_branch(fingerprint).await);
    site.peer.requests_conform().await;
}

async fn alice_closes(site: &Site, pull: u64) {
    let path = format!("pulls/{pull}");
    let closed = json!({ "state": "closed" });
    site.peer.by_hand("ALICE", "PATCH", &path, closed).await;
}

// Goal: a person's "no" is heard for the time that is said in the report, drift or not, and with none for no time.
#[tokio::test]
async fn a_no_is_heard() {
    let Some(site) = Site::start("no", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let opened = the_pull(&site.reconcile(2), "opened");
    alice_closes(&site, opened).await;
    let report = site.reconcile(2);
    let note = &notes(&report)[0];
    assert_eq!(note.number, opened);
    let until = note.what.strip_prefix("left closed until ").unwrap();
    let until: jiff::Timestamp = until.parse().unwrap();
    let closed: jiff::Timestamp = site.pulls().await[0]["closed_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(until.duration_since(closed).as_secs(), 7 * 24 * 3600);
    assert_eq!((site.pulls().await.len(), site.motd().as_str()), (1, OWNED));
    site.peer.requests_conform().await;
}

// Goal: the same, where a "no" holds for no time.
#[tokio::test]
async fn a_no_for_no_time() {
    let forge = "max_open: 100, reopen_after_days: 0";
    let Some(site) = Site::start_with("again", "propose", forge, "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let opened = the_pull(&site.reconcile(2), "opened");
    assert!(body(&site.pulls().await[0]).contains("raised again by the next run"));
    alice_closes(&site, opened).await;
    assert_ne!(the_pull(&site.reconcile(2), "opened"), opened);
    let pulls = site.pulls().await;
    assert!(body(&pulls[1]).contains(&format!("#{opened}, for the same cause")));
    site.peer.requests_conform().await;
}

// Goal: what is only observed opens nothing and carries nothing out, approved or not; and without a journal a run
// proposes and does not act.
#[tokio::test]
async fn observing_and_forgetting_do_not_act() {
    let Some(site) = Site::start("observe", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let report = site.report(2, &["reconcile", "--mode", "observe"]);
    assert_eq!(notes(&report), []);
    let report = site.report(2, &["reconcile", "--state", "none"]);
    let opened = the_pull(&report, "opened");
    site.peer.merge("ALICE", opened).await;
    site.pull();
    let report = site.report(2, &["reconcile", "--mode", "observe"]);
    assert_eq!(
        (notes(&report), held(&report)),
        (vec![], "the target's mode is observe")
    );
    let report = site.report(5, &["reconcile", "--state", "none"]);
    assert!(
        held(&report).starts_with("there is no journal"),
        "{}",
        held(&report)
    );
    assert_eq!((notes(&report), site.motd().as_str()), (vec![], OWNED));
    assert!(site.records("approval-used").is_empty());
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), opened);
    assert_eq!(site.pulls().await.len(), 1);
    site.peer.requests_conform().await;
}

// Goal: a target that is enforced is put right at once, but for what needs an approval, which is asked for.
#[tokio::test]
async fn enforcing_asks_where_it_has_to() {
    let guard = "guard: { require_approval: [File/motd] }\n";
    let Some(site) = Site::start("enforce", "enforce", guard).await else {
        return;
    };
    let manifest = crate::support::file("issue", "/etc/issue", CALM);
    let path = format!("{}/issue.yaml", site.name);
    site.push(&site.name, &path, &manifest).await;
    site.pull();
    site.live("etc/motd", OWNED);
    site.live("etc/issue", OWNED);
    let report = site.reconcile(2);
    let opened = the_pull(&report, "opened");
    let issue = std::fs::read_to_string(site.path("etc/issue")).unwrap();
    assert_eq!((issue.as_str(), site.motd().as_str()), (CALM, OWNED));
    let pulls = site.pulls().await;
    assert_eq!(pulls.len(), 1);
    assert!(
        body(&pulls[0]).contains("guard\\.require\\_approval names"),
        "{}",
        body(&pulls[0])
    );
    assert!(body(&pulls[0]).contains("1 of 2 evaluated resources"));
    site.peer.merge("ALICE", opened).await;
    site.pull();
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), opened);
    assert_eq!(site.motd(), CALM);
    site.peer.requests_conform().await;
}

// Goal: whichever answer is lost while the program opens, tells or closes, there is one branch, one pull request and
// one comment in the end, and the run ends as if nothing had been.
#[tokio::test]
async fn lost_answers_change_nothing() {
    let Some(site) = Site::start("lost", "propose", "").await else {
        return;
    };
    let lose = async |faults: &[(&str, &str)]| {
        for (method, path) in faults {
            let fault = json!({ "method": method, "path": path });
            site.peer.fault(fault).await;
        }
    };
    site.live("etc/motd", OWNED);
    lose(&[
        ("POST", "git/refs$"),
        ("PUT", "contents/"),
        ("POST", "pulls$"),
    ])
    .await;
    let opened = the_pull(&site.reconcile(2), "opened");
    let commits = site.peer.look(&format!("pulls/{opened}/commits")).await;
    assert_eq!(commits.as_array().unwrap().len(), 1);
    assert_eq!(site.pulls().await.len(), 1);

    site.peer.merge("ALICE", opened).await;
    site.pull();
    lose(&[("POST", "comments$")]).await;
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), opened);
    assert_eq!(site.comments(opened).await.len(), 1);

    site.live("etc/motd", "owned again\n");
    let opened = the_pull(&site.reconcile(2), "opened");
    site.live("etc/motd", CALM);
    let close = [
        ("POST", "comments$"),
        ("PATCH", r"pulls/\d+$"),
        ("DELETE", "git/refs/"),
    ];
    lose(&close).await;
    assert_eq!(the_pull(&site.reconcile(0), "closed"), opened);
    assert_eq!(site.comments(opened).await.len(), 1);
    assert_eq!(site.peer.failed().await, 7);
    site.peer.requests_conform().await;
}

// Goal: with the forge down or closed to evenkeel, a run still looks, plans and reports, says what failed and what to
// do, and acts on no approval, even one that would count; afterwards it is carried out.
#[tokio::test]
async fn without_the_forge_no_approval_counts() {
    let Some(site) = Site::start("down", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let opened = the_pull(&site.reconcile(2), "opened");
    site.peer.merge("ALICE", opened).await;
    site.pull();
    let nothing = |report: &Value, error: &str| {
        let errors = report["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let said = errors[0].as_str().unwrap();
        assert!(
            said.contains("list pull requests") && said.contains(error),
            "{said}"
        );
        assert_eq!(report["summary"]["drifted"], 1);
        assert!(
            held(report).contains("could not be asked who merged it"),
            "{}",
            held(report)
        );
        assert_eq!((notes(report), site.motd().as_str()), (vec![], OWNED));
    };
    let down = json!({
        "method": "GET", "path": r"pulls\?state=open", "when": "before", "status": 503, "times": 5,
    });
    site.peer.fault(down).await;
    nothing(&site.reconcile(1), "503");
    let closed = |command: &str| {
        let mut command = site.command(&[command, "--format", "json"]);
        Ran::of(command.env(TOKEN, "token-of-nobody"))
            .expect(1)
            .json()
    };
    for command in ["plan", "reconcile"] {
        nothing(&closed(command), &format!("check the token in {TOKEN}"));
    }
    let one = json!({
        "method": "GET", "path": format!("pulls/{opened}$"), "when": "before", "status": 403,
    });
    site.peer.fault(one).await;
    let report = site.reconcile(1);
    assert_eq!((notes(&report), site.motd().as_str()), (vec![], OWNED));
    assert_eq!(site.pulls().await.len(), 1);
    assert!(site.records("approval-used").is_empty());
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), opened);
    assert_eq!(site.peer.failed().await, 6);
    site.peer.requests_conform().await;
}

// Goal: a run without a token says so to whoever reads its output, text or JSON, approves nothing, and sends nothing.
#[tokio::test]
async fn without_a_token() {
    let Some(site) = Site::start("token", "propose", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let opened = the_pull(&site.reconcile(2), "opened");
    site.peer.merge("ALICE", opened).await;
    site.pull();
    let before = site.peer.requests().await.len();
    let said = format!("{TOKEN} holds no token for the forge");
    for command in ["plan", "reconcile"] {
        let mut text = site.command(&[command]);
        let text = Ran::of(text.env_remove(TOKEN)).expect(2).stdout;
        assert!(text.contains(&said), "{text}");
        let mut report = site.command(&[command, "--format", "json"]);
        let report = Ran::of(report.env(TOKEN, "")).expect(2).json();
        let notices = report["notices"].as_array().unwrap();
        let is_said = |notice: &Value| notice.as_str().unwrap().starts_with(&said);
        assert!(notices.iter().any(is_said), "{notices:?}");
        assert!(
            held(&report).contains("no forge can be asked"),
            "{}",
            held(&report)
        );
    }
    assert_eq!(site.motd(), OWNED);
    assert_eq!(site.peer.requests().await.len(), before);
}

// Goal: two projects of one repository whose targets have one name leave each other's pull requests alone: none is
// closed, updated or approved by the other, and the one that cannot open one says why.
#[tokio::test]
async fn two_projects_in_one_repository() {
    let Some(site) = Site::start("two", "propose", "").await else {
        return;
    };
    let (other, root) = (format!("{}-other", site.name), site.temp().join("root-2"));
    std::fs::create_dir_all(root.join("etc")).unwrap();
    let live = |text: &str| {
        std::fs::write(root.join("etc/motd"), text).unwrap();
        crate::support::chmod(&root.join("etc/motd"), 0o644);
    };
    live(CALM);
    let middle = "mode: propose }\nforge: { max_open: 100, ";
    site.commit_project(&other, &root, middle, "").await;
    site.pull();
    let state = site.temp().join("state-2");
    let there = [
        "reconcile",
        "--baseline",
        &other,
        "--state",
        state.to_str().unwrap(),
    ];

    site.live("etc/motd", OWNED);
    let report = site.reconcile(2);
    let opened = the_pull(&report, "opened");
    assert_eq!(notes(&site.report(0, &there)), []);
    assert_eq!(site.pulls().await[0]["state"], "open");

    live(OWNED);
    let taken = site.report(2, &there);
    assert_eq!(the_group(&taken), the_group(&report));
    assert_eq!(notes(&taken), []);
    let why = format!("#{opened} of the baseline in {} has its branch", site.name);
    assert!(
        taken["notices"].to_string().contains(&why),
        "{}",
        taken["notices"]
    );
    assert_eq!(
        site.files(opened).await,
        [site.approval(&the_group(&report))]
    );

    // The same approval beside the other baseline, which no pull request brought there.
    site.peer.merge("ALICE", opened).await;
    site.pull();
    let approval = site.approval(&the_group(&report));
    let text = std::fs::read_to_string(site.clone_path(&approval)).unwrap();
    let path = format!("approvals/{}.yaml", the_group(&report));
    site.push(&other, &path, &text).await;
    site.pull();
    let refused = site.report(2, &there);
    assert!(
        held(&refused).contains("did not bring this approval file"),
        "{}",
        held(&refused)
    );
    assert_eq!(
        std::fs::read_to_string(root.join("etc/motd")).unwrap(),
        OWNED
    );
    assert_eq!(the_pull(&site.reconcile(0), "carried out"), opened);
    site.peer.requests_conform().await;
}

// Goal: where no more pull requests may be open, the run says for what none was opened.
#[tokio::test]
async fn too_many_are_open() {
    let Some(site) = Site::start_with("many", "propose", "max_open: 0", "").await else {
        return;
    };
    site.live("etc/motd", OWNED);
    let text = site.run(&["reconcile"]).expect(2).stdout;
    let said = format!(
        "no pull request was opened for {}/File/motd: 0 are open",
        site.name
    );
    // The text is folded at its width.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&said), "{text}");
    assert_eq!(site.pulls().await.len(), 0);
}
