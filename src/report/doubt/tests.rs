use super::*;
use crate::model::{
    Exempted, FieldDrift, Fields, Finding, OBSERVER_DISAGREES, OBSERVERS, Observed, Origin, Risk,
    State,
};
use crate::report::exit::{self, FailOn};
use crate::report::samples;

fn drift(kind: &str, address: &str, change: Change) -> Drift {
    Drift {
        resource: ResourceId::new(&TargetName("h1".into()), kind, address),
        address: Address(address.into()),
        change,
        fields: Vec::new(),
        before: Observed::Present(State::default()),
        after: None,
        origin: Origin {
            file: "a.yaml".into(),
            line: 1,
            column: 1,
        },
        found_in: None,
        risk: Risk::default(),
        disclose: false,
        sensitive: false,
        controls: vec![],
        depends_on: vec![],
        options: Fields::new(),
        one_way: None,
        by_hand: None,
    }
}

fn differing(mut drift: Drift, path: &str, actual: Value) -> Drift {
    drift.fields.push(FieldDrift {
        path: path.into(),
        expected: None,
        actual: Some(actual),
    });
    drift
}

fn user(uid: i64, change: Change) -> Drift {
    let mut user = drift("User", "//user/x", change);
    let fields = Fields::from([("uid".to_owned(), Value::Int(uid))]);
    user.before = Observed::Present(State::of(fields));
    user
}

// Goal: the table of what is evidence that somebody was root, and of what is not: an ordinary file, an ordinary account, a
// file that merely has a name like one of those, a right that was taken away.
#[test]
fn what_is_evidence() {
    use Change::{Changed, Extra, Missing};
    let mut setuid = drift("File", "/usr/local/bin/x", Extra);
    setuid.found_in = Some(ResourceId::new(
        &TargetName("h1".into()),
        "PrivilegedFiles",
        "powers",
    ));
    let package = drift("Package", "//package/coreutils", Changed);
    for (drift, is_evidence) in [
        (
            differing(
                drift("Listeners", "//listeners/all", Changed),
                OBSERVERS,
                "tcp/[::]:1 is hidden from /proc/net".into(),
            ),
            true,
        ),
        (drift("KernelModule", "//module/x", Extra), true),
        (drift("Preload", "//preload/all", Changed), true),
        (drift("File", "/etc/ld.so.preload", Extra), true),
        (drift("Mount", "//mount/etc", Extra), true),
        (setuid, true),
        (user(0, Extra), true),
        (differing(user(0, Changed), "uid", Value::Int(0)), true),
        (drift("Accounts", "//accounts/all/sudo", Changed), true),
        (drift("File", "/etc/sudoers.d/alice", Changed), true),
        (drift("File", "/etc/pam.d/common-auth", Extra), true),
        (drift("File", "/etc/ssh/sshd_config", Changed), true),
        (
            drift("AuthorizedKeys", "/root/.ssh/authorized_keys", Changed),
            true,
        ),
        (
            differing(package.clone(), "files./usr/bin/ls", "another".into()),
            true,
        ),
        (differing(package, "version", "1".into()), false),
        (drift("File", "/etc/sudoers.d/alice", Missing), false),
        (drift("File", "/etc/sudoers.dx", Extra), false),
        (drift("File", "/srv/www/index.html", Changed), false),
        (user(1000, Extra), false),
        (
            differing(user(0, Changed), "shell", "/bin/sh".into()),
            false,
        ),
        (drift("Listener", "//listener/tcp/[::]:1", Extra), false),
    ] {
        assert_eq!(why(&drift).is_some(), is_evidence, "{}", drift.resource);
    }
}

// Goal: what was found and put right leaves its target restored and not trusted; what still differs, or a mere plan, does
// not call it restored; another target is not concerned.
#[test]
fn restored_is_not_trusted() {
    let mut report = samples::reconciled();
    report.found.drifts = vec![
        drift("File", "/etc/sudoers.d/x", Change::Extra),
        drift("File", "/srv/a", Change::Changed),
    ];
    report.comparison.drifts.clear();
    let told = doubts(&report);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].words(), "restored, not trusted");
    assert_eq!(told[0].evidence.len(), 1);
    assert!(sentence(&told[0]).contains("rebuild it"));
    report.comparison.drifts = report.found.drifts.clone();
    assert_eq!(doubts(&report)[0].words(), "not trusted");
    report.comparison.drifts.remove(0);
    assert_eq!(doubts(&report)[0].words(), "restored, not trusted");
    report.command = crate::model::Command::Plan;
    assert_eq!(doubts(&report)[0].words(), "not trusted");
    report.found.drifts.remove(0);
    assert_eq!(doubts(&report), []);
}

// Goal: who hides something gets no quieter report: every format names the finding, and that the target is not to be trusted,
// also where the resource is exempted.
#[test]
fn disagreeing_observers_are_loud_everywhere() {
    let said = "tcp/[::]:1 is hidden from /proc/net\u{1b}[2K";
    let listeners = drift("Listeners", "//listeners/all", Change::Changed);
    let listeners = differing(listeners, OBSERVERS, said.into());
    let mut report = samples::clean();
    assert_eq!(exit::code(&report, FailOn::default(), false), exit::CLEAN);
    let mut finding = Finding::on(
        listeners.resource.clone(),
        OBSERVER_DISAGREES.name,
        OBSERVER_DISAGREES.level,
    );
    finding.evidence.push(said.to_owned());
    report.findings.push(finding);
    report.comparison.exempted.push(Exempted {
        drift: listeners,
        exemption: "no-matter".into(),
    });
    assert_eq!(
        exit::code(&report, FailOn::default(), false),
        exit::INDICATOR
    );
    let style = crate::report::Style {
        colour: false,
        show_content: false,
        width: 0,
        verbose: false,
    };
    for (format, text) in [
        ("text", crate::report::text::render(&report, &style)),
        ("markdown", crate::report::markdown::render(&report)),
        ("json", crate::report::json::render(&report, 3)),
        ("sarif", crate::report::sarif::render(&report, 3)),
        ("annotations", crate::report::annotations::render(&report)),
    ] {
        let plain = text.replace('\\', "");
        assert!(plain.contains("observer-disagrees"), "{format}: {text}");
        assert!(
            plain.contains("is hidden from /proc/net"),
            "{format}: {text}"
        );
        assert!(!text.contains('\u{1b}'), "{format}");
        let is_trust_told = plain.contains("not trusted");
        assert_eq!(
            is_trust_told,
            format != "annotations" && format != "sarif",
            "{format}: {text}"
        );
    }
}
