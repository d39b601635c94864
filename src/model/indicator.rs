//! Indicators of compromise that a drift can be, and how grave each is unless a team says otherwise.
//!
//! Flow: `detect::drift` says which of them a drift is → [`Finding`]s, with the level of [`SeverityRule`]s → exit code, reports.
//!
//! **Invariant:** names stay: they are in fingerprints, in settings and in what other programs read.

use super::{Change, Confidence, Drift, Finding, Level, RunReport, Selector, TargetName, Value};

/// The field of a resource that says whether two roads to one fact tell the same.
pub const OBSERVERS: &str = "observers";
/// What it says then.
pub const AGREE: &str = "agree";

/// What a drift may show.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Indicator {
    /// `unlisted-key`
    pub name: &'static str,
    /// Its level where no rule says another one.
    pub level: Level,
    /// How sure it is that somebody meant it.
    pub confidence: Confidence,
    /// ATT&CK technique ids.
    pub attack: &'static [&'static str],
    /// What it says, as the beginning of a sentence.
    pub title: &'static str,
}

/// Another level for some findings. The first rule that fits decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeverityRule {
    /// Its name.
    pub indicator: String,
    /// None for all targets.
    pub targets: Option<Vec<TargetName>>,
    /// None for all resources.
    pub on: Option<Selector>,
    pub level: Level,
}

macro_rules! indicators {
    ($($name:ident $text:literal $level:ident $confidence:ident [$($attack:literal)*] $title:literal)*) => {
        $(
            pub const $name: Indicator = Indicator {
                name: $text,
                level: Level::$level,
                confidence: Confidence::$confidence,
                attack: &[$($attack),*],
                title: $title,
            };
        )*
        /// All there are.
        pub const INDICATORS: &[Indicator] = &[$($name),*];
    };
}

indicators! {
    // Access.
    UNLISTED_KEY "unlisted-key" High High ["T1098.004"] "A key that git does not list may log in"
    KEYS_WRITABLE "keys-writable" Medium Medium ["T1098.004"] "Others than its user may say who logs in by key"
    UNLISTED_ACCOUNT "unlisted-account" High High ["T1136.001"] "There is an account that git does not list"
    SECOND_ROOT "second-root" Critical High ["T1136.001" "T1098"] "Another account is root"
    ACCOUNT_OPENED "account-opened" High Medium ["T1098"] "An account lets somebody in that git keeps closed"
    ACCOUNT_CHANGED "account-changed" Medium Medium ["T1098"] "An account is not as git has it"
    ACCOUNT_FILES_CHANGED "account-files-changed" High Medium ["T1098" "T1136.001"] "The files of the accounts are not as git has them"
    PRIVILEGED_MEMBER "privileged-member" High High ["T1098.007"] "An account is in a group with great power"
    GROUP_CHANGED "group-changed" Low Medium ["T1098.007"] "A group is not as git has it"
    SUDO_RIGHT "sudo-right" High High ["T1548.003"] "Who may become root is not as git has it"
    LOGIN_RULES_CHANGED "login-rules-changed" High Medium ["T1556"] "What decides who is let in is not as git has it"
    ACCESS_REMOVED "access-removed" Low Low ["T1531"] "Somebody who may get in by git is kept out"
    // Persistence.
    SCHEDULED_JOB "scheduled-job" Medium Medium ["T1053"] "The clock starts something that git does not list"
    UNIT_CHANGED "unit-changed" Medium Medium ["T1543.002"] "systemd starts something that git does not list"
    PRELOADED "preloaded" High High ["T1574.006"] "Every program may be made to load other code"
    PAM_CHANGED "pam-changed" High High ["T1556.003"] "What logins run is not as git has it"
    SHELL_START_CHANGED "shell-start-changed" Medium Medium ["T1546.004" "T1037.004"] "What runs when a shell or the host starts is not as git has it"
    EVENT_HOOK "event-hook" Medium Medium ["T1546"] "A device, a package or a network makes something run that git does not list"
    PRIVILEGED_FILE "privileged-file" High High ["T1548.001"] "A program has powers that git does not give it"
    KERNEL_MODULE "kernel-module" High Medium ["T1547.006"] "The kernel runs, or will load, code that git does not list"
    BOOT_CHANGED "boot-changed" High Medium ["T1542"] "What the host boots is not as git has it"
    // Defence evasion.
    OBSERVER_DISAGREES "observer-disagrees" High High ["T1014"] "Two ways to ask the system tell different things"
    LOGGING_CHANGED "logging-changed" High Medium ["T1562.006" "T1562.012"] "What is logged is not as git has it"
    DEFENCE_STOPPED "defence-stopped" High High ["T1562.001"] "A defence is gone, stopped or will not start"
    DEFENCE_CHANGED "defence-changed" High Medium ["T1562.001"] "A defence is set otherwise than git has it"
    FLAG_CHANGED "flag-changed" Medium Medium ["T1222.002"] "A flag keeps a file from being put right, or no longer keeps it"
    MOUNT_OVER "mount-over" High Medium ["T1564"] "A mount hides what lies below it"
    UNLISTED_MOUNT "unlisted-mount" Medium Low ["T1564"] "Something is mounted that git does not list"
    HISTORY_LINKED "history-linked" Medium High ["T1070.003" "T1562.003"] "The history of a shell leads elsewhere"
    HIDDEN_FILE "hidden-file" Medium Medium ["T1564.001"] "A file hides where programs and passing files lie"
    KERNEL_HARDENING "kernel-hardening" Medium Medium ["T1562.001"] "A setting that protects the kernel is not as git has it"
    // Exposure.
    UNLISTED_LISTENER "unlisted-listener" Medium Medium ["T1571"] "Something listens that git does not list"
    FIREWALL_CHANGED "firewall-changed" Medium Medium ["T1562.004"] "The firewall is not as git has it"
    NAMES_REDIRECTED "names-redirected" Medium Medium ["T1565.001"] "Names lead elsewhere than git has it"
    NETWORK_SETTING "network-setting" Medium Medium ["T1090"] "The kernel passes or takes traffic otherwise than git has it"
    TRUST_ANCHOR "trust-anchor" Medium Medium ["T1553.004"] "Whose certificates or packages are believed is not as git has it"
    // Integrity.
    PROGRAM_CHANGED "program-changed" High High ["T1554"] "A program is not the one that git or its package has"
    LOCAL_PROGRAM_CHANGED "local-program-changed" Medium Medium ["T1554"] "A program outside of the packages is not as git has it"
    UNLISTED_PROGRAM "unlisted-program" Medium Low ["T1105"] "A program lies among those of the system that git does not list"
    UNLISTED_LOCAL_PROGRAM "unlisted-local-program" Low Low ["T1105"] "A program lies among those of the team that git does not list"
    STRANGE_PROCESS "strange-process" High High ["T1036.005"] "A process runs what git forbids"
    // Secrets.
    SECRET_EXPOSED "secret-exposed" High High ["T1552.004" "T1003.008"] "A secret can be read by more than git lets"
    WRITABLE_BY_OTHERS "writable-by-others" Low Low ["T1222.002"] "More may write it than git lets"
}

impl Indicator {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        INDICATORS.iter().find(|one| one.name == name)
    }
}

impl Drift {
    /// What its observers say of each other, where they disagree.
    pub fn disagreement(&self) -> Option<&str> {
        if self.change != Change::Changed {
            return None;
        }
        let field = self.fields.iter().find(|field| field.path == OBSERVERS)?;
        Some(match &field.actual {
            Some(Value::Text(said)) => said,
            _ => "they say nothing of each other",
        })
    }
}

impl RunReport {
    /// The worst level of all findings.
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    /// The drift that a finding is about, as it is at the end, or was when it was found.
    pub fn drift_of(&self, finding: &Finding) -> Option<&Drift> {
        let id = finding.resource.as_ref()?;
        let all = [&self.comparison, &self.found].into_iter().flat_map(|one| {
            let exempted = one.exempted.iter().map(|it| &it.drift);
            one.drifts.iter().chain(exempted)
        });
        all.into_iter().find(|drift| drift.resource == *id)
    }
}
