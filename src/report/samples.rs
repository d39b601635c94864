//! Reports for the tests of every format: what a run looks like when it is clean, drifted, hostile, held and half failed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{
    Address, BaselineInfo, Blob, Change, Command, Comparison, Contents, Digest, Drift, Exempted,
    FieldDrift, Fields, Finding, Group, GroupOutcome, GroupResult, HeldBecause, Level, Mode,
    NotEvaluated, Observed, Origin, Plan, PullNote, Reason, ReasonCode, Recovered, ResourceId,
    Risk, RiskLevel, RunId, RunReport, SignatureState, State, Step, StepOutcome, StepResult,
    TargetInfo, TargetName, Undo, Value, Verb, Verdict,
};

/// Stands in contents that no other than their own system may know.
pub const UNDISCLOSED: &str = "PLANTED-LIVE-7f3a";
/// Stands in sensitive content.
pub const SENSITIVE: &str = "PLANTED-SENSITIVE-91c2";
/// Stands in content whose resource says `disclose`.
pub const DISCLOSED: &str = "DISCLOSED-5d21";
/// A name that tries everything: escapes, line ends, commands of runners, Markdown, HTML, mentions, other directions.
pub const HOSTILE: &str = "\u{1b}[31m|x`\n::error file=a,line=1::pwned\n##[add-mask]y<img src=x>@team #1 \u{202e}gpj.[a](http://b.c) www.d.e";

/// A run in which nothing differs.
pub fn clean() -> RunReport {
    report(Command::Plan, 501)
}

/// A plan in which everything that can be seen is there once.
pub fn mixed() -> RunReport {
    let mut report = report(Command::Plan, 497);
    let drifts = mixed_drifts(&mut report.contents);
    report.plan = Plan::new(
        drifts
            .iter()
            .map(|drift| Group::new(web(), vec![step(drift)]))
            .collect(),
    );
    for (group, drift) in report.plan.groups.iter().zip(&drifts) {
        let verdict = match drift.risk.level {
            RiskLevel::High if drift.sensitive => Verdict::Held(needs_approval()),
            RiskLevel::High => Verdict::Allow {
                approved_by: Some("desired-state/approvals/aa.yaml".into()),
            },
            _ => Verdict::Allow { approved_by: None },
        };
        report.verdicts.insert(group.hash, verdict);
    }
    let mut accepted = drift("File", "issue", "/etc/issue", Change::Changed);
    accepted.fields = vec![field("mode", "0644", "0664")];
    report.comparison = Comparison {
        drifts,
        exempted: vec![Exempted {
            drift: accepted,
            exemption: "issue-banner-2026".into(),
        }],
        not_evaluated: vec![
            not_evaluated(
                "gshadow",
                ReasonCode::PermissionDenied,
                "the system refused to let us read it",
            ),
            not_evaluated(
                &format!("hosts {HOSTILE}"),
                ReasonCode::Redirected,
                &format!("a symbolic link stands in the way: {HOSTILE}"),
            ),
        ],
        clean: report.comparison.clean,
    };
    report.found = report.comparison.clone();
    report.findings = vec![
        finding(&report.comparison.drifts[0], "flag-changed", Level::Medium),
        finding(
            &report.comparison.exempted[0].drift,
            "writable-by-others",
            Level::Low,
        ),
    ];
    report.notices = vec![
        "the baseline is unsigned: whoever can push to its branch decides what is right".into(),
    ];
    report
}

fn finding(drift: &Drift, indicator: &str, level: Level) -> Finding {
    Finding {
        attack: vec!["T1222.002".into()],
        evidence: vec![format!("Something of {} is odd {HOSTILE}", drift.address)],
        ..Finding::on(drift.resource.clone(), indicator, level)
    }
}

/// A reconcile after which everything is right.
pub fn reconciled() -> RunReport {
    let mut report = mixed();
    reconcile(&mut report);
    report.found.not_evaluated.clear();
    for verdict in report.verdicts.values_mut() {
        *verdict = Verdict::Allow { approved_by: None };
    }
    report.outcomes = report
        .plan
        .groups
        .iter()
        .map(|group| outcome(group, GroupResult::Done, |_| StepResult::Done))
        .collect();
    let clean = report
        .found
        .drifts
        .iter()
        .map(|drift| drift.resource.clone());
    report.comparison.clean.extend(clean);
    report.comparison.drifts.clear();
    report.comparison.not_evaluated.clear();
    report
}

/// A reconcile with every sort of outcome: done, done and differing again, stale, failed with its group unwound, broken.
pub fn troubled() -> RunReport {
    let mut report = mixed();
    reconcile(&mut report);
    let steps: Vec<_> = report
        .plan
        .groups
        .iter()
        .map(|group| group.steps[0].clone())
        .collect();
    let failing = Group::new(
        web(),
        vec![steps[2].clone(), steps[3].clone(), steps[4].clone()],
    );
    let mut groups = vec![failing];
    groups.extend([0, 1, 5, 6, 7].map(|i: usize| Group::new(web(), vec![steps[i].clone()])));
    report.plan = Plan::new(groups);
    report.verdicts = report
        .plan
        .groups
        .iter()
        .map(|group| (group.hash, Verdict::Allow { approved_by: None }))
        .collect();
    let groups = &report.plan.groups;
    report
        .verdicts
        .insert(groups[3].hash, Verdict::Held(needs_approval()));
    let failed = |i: usize| match i {
        0 => StepResult::Unwound,
        1 => StepResult::Failed {
            error: format!("the file system is read-only {HOSTILE}"),
        },
        _ => StepResult::NotBegun,
    };
    report.outcomes = vec![
        outcome(&groups[0], GroupResult::Failed, failed),
        outcome(&groups[1], GroupResult::Done, |_| StepResult::Done),
        outcome(&groups[2], GroupResult::Done, |_| StepResult::Done),
        outcome(&groups[4], GroupResult::Stale, |_| StepResult::Stale {
            found: "its mode is 0777 now".into(),
        }),
        outcome(&groups[5], GroupResult::Broken, |_| {
            StepResult::UnwindFailed {
                error: "the disk is full".into(),
            }
        }),
    ];
    // The first is right now; the second was put back and differs again.
    report.comparison.drifts.remove(0);
    report.recovered = vec![Recovered {
        run: RunId("20261124T020000Z-0001".into()),
        resource: "web-1/File/hosts".into(),
        what: "was half done and is planned anew".into(),
    }];
    report.pulls = vec![PullNote {
        number: 12,
        url: "https://github.example/acme/infra/pull/12".into(),
        fingerprint: groups[3].fingerprint.clone(),
        resource: Some(groups[3].steps[0].resource.to_string()),
        what: "opened".into(),
    }];
    report
}

/// A plan that changes more than the guard allows.
pub fn refused() -> RunReport {
    let mut report = many(120);
    report.targets[0].mode = Mode::Enforce;
    report.targets[0].committed_mode = Mode::Enforce;
    for verdict in report.verdicts.values_mut() {
        *verdict = Verdict::Held(HeldBecause::BlastRadius {
            changes: 120,
            max: 100,
        });
    }
    report
}

/// A reconcile in mode propose that opened a pull request.
pub fn approval() -> RunReport {
    let mut report = mixed();
    reconcile(&mut report);
    report.comparison.not_evaluated.clear();
    report.found.not_evaluated.clear();
    for verdict in report.verdicts.values_mut() {
        *verdict = Verdict::Held(needs_approval());
    }
    report.pulls = vec![PullNote {
        number: 7,
        url: "https://github.example/acme/infra/pull/7".into(),
        fingerprint: report.plan.groups[0].fingerprint.clone(),
        resource: Some(report.plan.groups[0].steps[0].resource.to_string()),
        what: "opened".into(),
    }];
    report
}

/// An undo of a reconcile: what was put back differs again, as was asked.
pub fn undone() -> RunReport {
    let mut report = reconciled();
    report.command = Command::Undo;
    report.comparison.drifts = report.found.drifts.clone();
    report.found.drifts.clear();
    let steps = report.outcomes.iter_mut().flat_map(|it| &mut it.steps);
    for step in steps {
        step.notes = vec!["as before, proven by looking again (but for ctime)".into()];
    }
    report
}

/// A plan with `n` files that differ, all held since the target is only observed.
pub fn many(n: usize) -> RunReport {
    let mut report = report(Command::Plan, 1_000);
    report.targets[0].mode = Mode::Observe;
    report.targets[0].committed_mode = Mode::Observe;
    report.comparison.drifts = (0..n)
        .map(|i| {
            let name = format!("app-{i:05}");
            let mut drift = drift(
                "File",
                &name,
                &format!("/etc/app/{name}.conf"),
                Change::Changed,
            );
            drift.fields = vec![field("mode", "0644", "0666")];
            drift
        })
        .collect();
    report.found = report.comparison.clone();
    report.plan = Plan::new(
        report
            .comparison
            .drifts
            .iter()
            .map(|drift| Group::new(web(), vec![step(drift)]))
            .collect(),
    );
    let held = Verdict::Held(HeldBecause::Mode {
        mode: Mode::Observe,
    });
    report.verdicts = report
        .plan
        .groups
        .iter()
        .map(|group| (group.hash, held.clone()))
        .collect();
    report
}

fn mixed_drifts(contents: &mut Contents) -> Vec<Drift> {
    let mut keep = |text: &str| {
        contents.keep(text.as_bytes().to_vec());
        Value::Blob(Blob::of(text.as_bytes()))
    };
    let sshd =
        |root: &str| format!("Port 22\nPermitRootLogin {root}\nUsePAM yes\n# {UNDISCLOSED}\n");
    let mut changed = drift(
        "File",
        "sshd-config",
        "/etc/ssh/sshd_config",
        Change::Changed,
    );
    changed.fields = vec![
        pair("content", keep(&sshd("no")), keep(&sshd("yes"))),
        field("mode", "0600", "0666"),
        field("flags", "immutable", "none"),
        pair("links", Value::Int(1), Value::Int(2)),
    ];
    changed.risk = Risk::new(RiskLevel::High, "decides who may log in");
    changed.controls = vec!["CIS-5.2.7".into()];

    let mut disclosed = drift("File", "motd", "/etc/motd", Change::Changed);
    disclosed.fields = vec![pair(
        "content",
        keep("Welcome to web-1\nbe kind\n"),
        keep(&format!(
            "Welcome to {DISCLOSED}\n::error::x\n```\n<script>@all</script>\tx\nbe kind"
        )),
    )];
    disclosed.disclose = true;

    let mut missing = drift("File", "backup-cron", "/etc/cron.d/backup", Change::Missing);
    missing.before = Observed::Absent;
    let wanted = fields(&[
        ("type", "file".into()),
        ("mode", "0644".into()),
        ("content", keep("0 3 * * * root backup\n")),
    ]);
    missing.fields = wanted
        .iter()
        .map(|(path, value)| one_sided(path, Some(value), None))
        .collect();
    missing.after = Some(State::of(wanted));

    let planted = fields(&[
        ("type", "file".into()),
        ("mode", "4755".into()),
        ("owner", "root".into()),
        ("content", keep(&format!("#!/bin/sh\n{UNDISCLOSED}\n"))),
        ("capabilities", "none".into()),
    ]);
    let mut extra = drift("File", HOSTILE, HOSTILE, Change::Extra);
    extra.fields = planted
        .iter()
        .map(|(path, value)| one_sided(path, None, Some(value)))
        .collect();
    extra.before = Observed::Present(State::of(planted));
    extra.after = None;
    extra.found_in = Some(ResourceId::new(&web(), "Directory", "cron-d"));
    extra.risk = Risk::new(RiskLevel::Medium, "runs as root");

    let mut swapped = drift("File", "shadow-copy", "/var/lib/app/copy", Change::Changed);
    swapped.fields = vec![
        field("type", "file", "symlink"),
        one_sided("content", Some(&keep("copy\n")), None),
    ];
    swapped.before = Observed::Present(State::of(fields(&[
        ("type", "symlink".into()),
        ("mode", "0777".into()),
        ("target", "/etc/shadow".into()),
    ])));

    let mut sensitive = drift("File", "db-password", "/etc/app/password", Change::Changed);
    sensitive.fields = vec![pair(
        "content",
        keep(&format!("{SENSITIVE}-old")),
        keep(&format!("{SENSITIVE}-new")),
    )];
    sensitive.sensitive = true;
    sensitive.disclose = true;
    sensitive.risk = Risk::new(RiskLevel::High, "holds a credential");

    let mut keys = drift(
        "AuthorizedKeys",
        "deploy",
        "/home/deploy/.ssh/authorized_keys",
        Change::Changed,
    );
    let key = Value::text(format!("ssh-ed25519 AAAAC3 {UNDISCLOSED}"));
    keys.fields = vec![one_sided("keys.SHA256:Zk3vTn0e", None, Some(&key))];
    keys.risk = Risk::new(RiskLevel::Medium, "lets somebody log in");

    let mut directory = drift("Directory", "cron-d", "/etc/cron.d", Change::Changed);
    directory.fields = vec![field("owner", "root", "mallory")];
    vec![
        changed, disclosed, missing, extra, swapped, sensitive, keys, directory,
    ]
}

fn report(command: Command, clean: usize) -> RunReport {
    let at: Timestamp = "2026-11-24T03:00:00Z".parse().expect("it is a time");
    let comparison = Comparison {
        clean: (0..clean)
            .map(|i| ResourceId::new(&web(), "File", format!("clean-{i:04}")))
            .collect(),
        ..Comparison::default()
    };
    RunReport {
        command,
        run: None,
        started: at,
        ended: at,
        baseline: BaselineInfo {
            commit: Some("1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d".into()),
            rev: "HEAD".into(),
            summary: Some("Lock down sshd on the web tier".into()),
            prefix: "desired-state".into(),
            signature: SignatureState::NotRequired,
        },
        targets: vec![TargetInfo {
            name: web(),
            description: "host, root /srv/web".into(),
            committed_mode: Mode::Enforce,
            mode: Mode::Enforce,
        }],
        found: comparison.clone(),
        comparison,
        plan: Plan::new(Vec::new()),
        verdicts: BTreeMap::new(),
        outcomes: Vec::new(),
        recovered: Vec::new(),
        pulls: Vec::new(),
        notices: Vec::new(),
        errors: Vec::new(),
        journal_head: None,
        contents: Contents::default(),
        disclosure_key: Some([7; 32]),
        findings: Vec::new(),
    }
}

fn reconcile(report: &mut RunReport) {
    report.command = Command::Reconcile;
    report.run = Some(RunId("20261124T030000Z-8c1f".into()));
    report.journal_head = Some((1_042, Digest::of(b"head").to_string()));
}

fn web() -> TargetName {
    TargetName("web-1".into())
}

fn needs_approval() -> HeldBecause {
    HeldBecause::NeedsApproval {
        why: "guard.require_approval lists risk high".into(),
        found: None,
    }
}

fn drift(kind: &str, name: &str, address: &str, change: Change) -> Drift {
    Drift {
        resource: ResourceId::new(&web(), kind, name),
        address: Address(address.into()),
        change,
        fields: Vec::new(),
        before: Observed::Present(State::of(fields(&[("mode", "0666".into())]))),
        after: Some(State::of(fields(&[("mode", "0644".into())]))),
        origin: origin(12),
        found_in: None,
        risk: Risk::new(RiskLevel::Low, "an ordinary file"),
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
        expect: drift.before.digest().expect("it could be seen"),
        leaves: drift
            .after
            .as_ref()
            .map_or_else(Observed::absent_digest, State::digest),
        state: drift.after.clone(),
        options: Fields::new(),
        undo: match drift.change {
            Change::Extra => Undo::Irreversible {
                why: "its content of 80 MB is beyond guard.undo_max_bytes".into(),
            },
            _ => Undo::Restore,
        },
        risk: drift.risk.clone(),
        answers: Vec::new(),
        keep: false,
    }
}

fn outcome(group: &Group, result: GroupResult, of: impl Fn(usize) -> StepResult) -> GroupOutcome {
    GroupOutcome {
        group: group.hash,
        fingerprint: group.fingerprint.clone(),
        result,
        steps: group
            .steps
            .iter()
            .enumerate()
            .map(|(i, step)| StepOutcome {
                resource: step.resource.clone(),
                result: of(i),
                notes: match i {
                    1 => vec![format!("the file system has no flags to restore {HOSTILE}")],
                    _ => Vec::new(),
                },
            })
            .collect(),
    }
}

/// A plan with two targets of `n` resources each that were out of reach, one of them lost on the way, and a file of another
/// that could not be read.
pub fn out_of_reach(n: usize) -> RunReport {
    let mut report = report(Command::Plan, 10);
    let all = &mut report.comparison.not_evaluated;
    for (target, why) in [
        ("web-2", "ssh to web-2: Connection timed out"),
        ("web-3", "the worker on web-3 failed: it ended"),
    ] {
        for at in 0..n {
            let mut one = not_evaluated(&format!("f{at:03}"), ReasonCode::Unreachable, why);
            one.resource.target = TargetName(target.into());
            if target == "web-3" && at == 0 {
                one.reason.text = "the worker said nothing of it".into();
            }
            all.push(one);
        }
    }
    for name in ["shadow", "gshadow"] {
        let why = "the system refused to let us read it";
        all.push(not_evaluated(name, ReasonCode::PermissionDenied, why));
    }
    report.found = report.comparison.clone();
    report
}

fn not_evaluated(name: &str, code: ReasonCode, text: &str) -> NotEvaluated {
    NotEvaluated {
        resource: ResourceId::new(&web(), "File", name),
        address: Address(format!("/etc/{name}")),
        reason: Reason::new(code, text),
        origin: origin(40),
    }
}

fn origin(line: u32) -> Origin {
    Origin {
        file: "web-1/base.yaml".into(),
        line,
        column: 1,
    }
}

fn fields(fields: &[(&str, Value)]) -> Fields {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn field(path: &str, expected: &str, actual: &str) -> FieldDrift {
    pair(path, expected.into(), actual.into())
}

fn one_sided(path: &str, expected: Option<&Value>, actual: Option<&Value>) -> FieldDrift {
    FieldDrift {
        path: path.into(),
        expected: expected.cloned(),
        actual: actual.cloned(),
    }
}

fn pair(path: &str, expected: Value, actual: Value) -> FieldDrift {
    FieldDrift {
        path: path.into(),
        expected: Some(expected),
        actual: Some(actual),
    }
}
