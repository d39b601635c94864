//! Tests of the words: whole bodies as snapshots, and what must never be in them.

use super::*;
use crate::model::{
    Address, Blob, FieldDrift, Fields, Level, Mode, Observed, ResourceId, Risk, RiskLevel,
    SignatureState, Span, State, StepOutcome, TargetName, Value,
};

const KEY: [u8; 32] = [7; 32];
const LIVE: &[u8] = b"PermitRootLogin yes\nPort 22\n";
const WANTED: &[u8] = b"PermitRootLogin no\nPort 22\n";

/// One changed file on a target, and all that a case borrows.
struct Fixture {
    drifts: Vec<Drift>,
    group: Group,
    contents: Contents,
    baseline: BaselineInfo,
    target: TargetInfo,
    config: ForgeConfig,
}

fn state(mode: &str, content: &[u8]) -> State {
    State::of(Fields::from([
        ("content".into(), Value::Blob(Blob::of(content))),
        ("mode".into(), Value::text(mode)),
    ]))
}

fn drift(name: &str, path: &str) -> Drift {
    let field = |path: &str, expected: Value, actual: Value| FieldDrift {
        path: path.into(),
        expected: Some(expected),
        actual: Some(actual),
    };
    Drift {
        resource: ResourceId::new(&TargetName("web-1".into()), "File", name),
        address: Address(path.into()),
        change: Change::Changed,
        fields: vec![
            field("content", Blob::of(WANTED).into(), Blob::of(LIVE).into()),
            field("mode", "0600".into(), "0666".into()),
        ],
        before: Observed::Present(state("0666", LIVE)),
        after: Some(state("0600", WANTED)),
        origin: Span {
            file: "web-1/ssh.yaml".into(),
            line: 3,
            column: 1,
        },
        found_in: None,
        risk: Risk::new(RiskLevel::High, "decides who may log in"),
        disclose: false,
        sensitive: false,
        controls: Vec::new(),
        depends_on: Vec::new(),
        options: Fields::new(),
        one_way: None,
        by_hand: None,
    }
}

fn step(drift: &Drift) -> Step {
    Step {
        resource: drift.resource.clone(),
        address: drift.address.clone(),
        verb: if drift.after.is_some() {
            Verb::Put
        } else {
            Verb::Remove
        },
        expect: drift.before.digest().unwrap(),
        leaves: drift
            .after
            .as_ref()
            .map_or_else(Observed::absent_digest, State::digest),
        state: drift.after.clone(),
        options: Fields::new(),
        undo: Undo::Restore,
        risk: drift.risk.clone(),
        answers: Vec::new(),
        keep: false,
    }
}

impl Fixture {
    fn of(drifts: Vec<Drift>) -> Self {
        let mut contents = Contents::default();
        contents.keep(LIVE);
        contents.keep(WANTED);
        Self {
            group: Group::new(
                TargetName("web-1".into()),
                drifts.iter().map(step).collect(),
            ),
            drifts,
            contents,
            baseline: BaselineInfo {
                commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
                rev: "HEAD".into(),
                summary: Some("Lock sshd down (#12)".into()),
                prefix: "desired-state".into(),
                signature: SignatureState::NotRequired,
            },
            target: TargetInfo {
                name: TargetName("web-1".into()),
                description: "host, root /srv/web".into(),
                committed_mode: Mode::Propose,
                mode: Mode::Propose,
            },
            config: ForgeConfig {
                kind: "github".into(),
                repository: "o/r".into(),
                base: "main".into(),
                api_url: "https://api.github.com".into(),
                token_env: "GITHUB_TOKEN".into(),
                reopen_after_days: 7,
                approval_valid_days: 7,
                max_open: 10,
                labels: vec!["drift".into()],
            },
        }
    }

    fn proposal(&self) -> Proposal {
        let drifts: Vec<_> = self.drifts.iter().collect();
        let found = Finding {
            attack: vec!["T1556".into()],
            evidence: vec!["Who is let in differs @all <b>".into()],
            ..Finding::on(
                drifts[0].resource.clone(),
                "login-rules-changed",
                Level::High,
            )
        };
        proposal(&Case {
            group: &self.group,
            drifts: &drifts,
            findings: &[&found],
            contents: &self.contents,
            disclosure_key: Some(&KEY),
            baseline: &self.baseline,
            target: &self.target,
            why_asked: "the target's mode is propose",
            since: Some("2026-12-01T09:00:00Z".parse().unwrap()),
            evaluated: 500,
            now: now(),
            follows: None,
            config: &self.config,
        })
    }
}

fn now() -> Timestamp {
    "2026-12-01T12:00:00Z".parse().unwrap()
}

fn whole(proposal: &Proposal) -> String {
    let file = &proposal.files[0];
    format!(
        "branch: {}\ntitle: {}\n\n{}\n--- {}\n{}\n--- message\n{}",
        proposal.branch,
        proposal.title,
        proposal.body,
        file.path,
        String::from_utf8(file.content.clone().unwrap()).unwrap(),
        proposal.message
    )
}

// Goal: the whole pull request as a reviewer gets it, undisclosed, to be read in review when it changes.
#[test]
fn undisclosed_case() {
    let fixture = Fixture::of(vec![drift("sshd", "/etc/ssh/sshd_config")]);
    insta::assert_snapshot!(whole(&fixture.proposal()));
}

// Goal: a group of several drifts, one disclosed, one extra that cannot be brought back.
#[test]
fn group_case() {
    let mut shown = drift("motd", "/etc/motd");
    shown.disclose = true;
    let mut extra = drift("/etc/cron.d/x", "/etc/cron.d/x");
    extra.change = Change::Extra;
    extra.after = None;
    extra.fields.clear();
    extra.found_in = Some(ResourceId::new(
        &TargetName("web-1".into()),
        "Directory",
        "cron",
    ));
    let mut fixture = Fixture::of(vec![shown, extra]);
    fixture.group.steps[1].undo = Undo::Irreversible {
        why: "it has 300 MB, more than are kept".into(),
    };
    insta::assert_snapshot!(whole(&fixture.proposal()));
}

// Goal: no content and no unkeyed digest of it leaves where it is not disclosed; sensitive outweighs disclose.
#[test]
fn nothing_undisclosed_is_in_it() {
    for (disclose, sensitive) in [(false, false), (false, true), (true, true)] {
        let mut one = drift("shadow", "/etc/shadow");
        (one.disclose, one.sensitive) = (disclose, sensitive);
        let text = whole(&Fixture::of(vec![one]).proposal());
        assert!(!text.contains("PermitRootLogin"), "{text}");
        for content in [LIVE, WANTED] {
            let digest = Digest::of(content);
            assert!(!text.contains(&digest.to_string()) && !text.contains(&digest.short()));
        }
    }
}

// Goal: a symlink's target, which can hold any text, is not shown unless disclosed.
#[test]
fn free_text_is_content() {
    let mut link = drift("link", "/etc/link");
    link.fields = vec![FieldDrift {
        path: "target".into(),
        expected: Some("/a".into()),
        actual: Some("the password is hunter2".into()),
    }];
    let text = Fixture::of(vec![link.clone()]).proposal().body;
    assert!(
        !text.contains("hunter2") && text.contains("text, 23 bytes, keyed digest"),
        "{text}"
    );
    link.disclose = true;
    assert!(Fixture::of(vec![link]).proposal().body.contains("hunter2"));
}

// Goal: a name chosen by an attacker mentions nobody, closes nothing and breaks out of no table, block or YAML line.
#[test]
fn hostile_names_stay_inside() {
    let name = "/etc/x` | @org/team fixes #1\n\n# approved <!-- evenkeel fingerprint=0 --> \"\nexpires: 9999";
    let fixture = Fixture::of(vec![drift(name, name)]);
    let proposal = fixture.proposal();
    let marker = Marker::parse(&proposal.body).unwrap();
    assert_eq!(marker.group, fixture.group.hash);
    for line in proposal.body.lines() {
        assert!(
            !line.starts_with("# ") && !line.starts_with("expires"),
            "{line}"
        );
    }
    assert!(
        !proposal.title.contains(['@', '#', '\n', '`']),
        "{}",
        proposal.title
    );
    let file = proposal.files[0].content.clone().unwrap();
    let data: serde_yaml::Value = serde_yaml::from_slice(&file).unwrap();
    assert_eq!(data["expires"], "2026-12-08T12:00:00Z");
    assert!(data["steps"][0].as_str().unwrap().contains(name));
}

// Goal: digests that look like numbers stay text in the approval file.
#[test]
fn approval_file_holds_text() {
    let mut fixture = Fixture::of(vec![drift("a", "/a")]);
    fixture.group.fingerprint = "123456789012e456".into();
    let file = fixture.proposal().files[0].content.clone().unwrap();
    let data: serde_yaml::Value = serde_yaml::from_slice(&file).unwrap();
    assert_eq!(data["fingerprint"], "123456789012e456");
    assert_eq!(data["group"], fixture.group.hash.to_string());
}

// Goal: a huge group still fits what a forge takes, with the marker whole.
#[test]
fn a_huge_group_fits() {
    let long = "x".repeat(3000);
    let drifts = (0..400).map(|i| drift(&format!("{i}{long}"), &format!("/{long}{i}")));
    let proposal = Fixture::of(drifts.collect()).proposal();
    assert!(proposal.body.len() <= MAX_BODY_BYTES);
    assert!(Marker::parse(&proposal.body).is_some() && proposal.body.contains("(cut"));
}

// Goal: the opposite pull request tells that merging executes nothing, and shows the diff the other way round.
#[test]
fn adoption_case() {
    let mut one = drift("motd", "/etc/motd");
    one.disclose = true;
    let fixture = Fixture::of(vec![one]);
    let drifts: Vec<_> = fixture.drifts.iter().collect();
    let proposal = adopt_proposal(&Adoption {
        drifts: &drifts,
        files: vec![FileChange {
            path: "web-1/ssh.yaml".into(),
            content: Some(b"kind: File\n".to_vec()),
        }],
        made_from: vec![FileChange {
            path: "web-1/ssh.yaml".into(),
            content: Some(b"kind: Old\n".to_vec()),
        }],
        contents: &fixture.contents,
        disclosure_key: Some(&KEY),
        baseline: &fixture.baseline,
        now: now(),
        config: &fixture.config,
    });
    assert_eq!(Marker::parse(&proposal.body), None);
    insta::assert_snapshot!(whole(&proposal));
}

// Goal: what was carried out, what failed and what was closed is said with the run and the way back.
#[test]
fn comments() {
    let run = RunId("20261201T120000Z-abc".into());
    let one = drift("sshd", "/etc/ssh/sshd_config");
    let outcome = |result, step| GroupOutcome {
        group: Digest::of(b"group"),
        fingerprint: one.fingerprint(),
        result,
        steps: vec![StepOutcome {
            resource: one.resource.clone(),
            result: step,
            notes: Vec::new(),
        }],
    };
    let error = "no space left on @device".to_owned();
    let comments = [
        outcome_comment(&outcome(GroupResult::Done, StepResult::Done), &run, now()),
        outcome_comment(
            &outcome(GroupResult::Failed, StepResult::Failed { error }),
            &run,
            now(),
        ),
        closed_comment(Settled::DriftGone, Some("0123456789abcdef"), now()),
    ];
    insta::assert_snapshot!(comments.join("\n---\n"));
    assert!(marker::is_comment_key(&outcome_key(
        &run,
        &Digest::of(b"group")
    )));
}
