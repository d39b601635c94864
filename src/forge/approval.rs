//! Whether an approval that lies in the baseline counts.
//!
//! Flow: an approval file of the trusted commit and the merged pull request that brought it → [`judge`] → who approved,
//! or why it does not count. [`candidates`] says which pull requests have to be asked about.
//!
//! **Invariant:** an approval never counts for another group than the one it names, nor when the one who merged also
//! wrote it; where the forge does not tell enough, it does not count.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::marker::{self, Marker};
use crate::model::{Approval, Digest};
use crate::ports::{Person, PullRequest, PullState};

/// The most pull requests that are asked about for one approval.
const MAX_CANDIDATES: usize = 5;

/// Who approved, and where.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ApprovedBy {
    /// The account that merged.
    pub login: String,
    /// With the group's hash this names one use of the approval: a second pull request for the same group is another.
    pub pull: u64,
    pub url: String,
    /// The commit that the merge made.
    pub merge_commit: Option<String>,
}

/// Why an approval does not count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "code")]
pub enum WhyNot {
    /// It names another group.
    OtherGroup,
    Expired {
        at: Timestamp,
    },
    /// The group was carried out on its strength before.
    Used {
        pull: u64,
    },
    /// No pull request of evenkeel's brought it: somebody committed the file directly.
    NoPullRequest,
    NotMerged {
        pull: u64,
    },
    /// The pull request did not bring this approval file.
    NotInPull {
        pull: u64,
    },
    /// The pull request changes something besides the approval.
    OtherFiles {
        pull: u64,
        path: String,
    },
    /// The forge does not say who merged.
    MergerUnknown {
        pull: u64,
    },
    MergedByBot {
        pull: u64,
        login: String,
    },
    MergedByAuthor {
        pull: u64,
        login: String,
    },
    /// The one who merged also pushed to the branch.
    MergedByPusher {
        pull: u64,
        login: String,
    },
    /// A commit on the branch belongs to no account, so whoever merged may have written it.
    PusherUnknown {
        pull: u64,
    },
}

/// Judges an approval against the group that the plan made now holds.
///
/// `path` is where the approval lies, relative to the top of the repository: another project's approval of a group that
/// looks alike is none of this one.
///
/// `pull` is the pull request that brought the file, whole (see [`Forge::pull`](crate::ports::Forge::pull)); `used` is
/// whether the journal says that this group was carried out on the strength of this very pull request.
///
/// # Errors
/// The first reason why it does not count.
pub fn judge(
    approval: &Approval,
    group: &Digest,
    path: &str,
    now: Timestamp,
    pull: Option<&PullRequest>,
    used: bool,
) -> Result<ApprovedBy, WhyNot> {
    if approval.group != *group {
        return Err(WhyNot::OtherGroup);
    }
    if approval.expires <= now {
        return Err(WhyNot::Expired {
            at: approval.expires,
        });
    }
    let pull = pull
        .filter(|pull| marker::fingerprint_of(&pull.branch) == Some(&approval.fingerprint))
        .ok_or(WhyNot::NoPullRequest)?;
    let number = pull.number;
    if pull.state != PullState::Merged {
        return Err(WhyNot::NotMerged { pull: number });
    }
    judge_files(pull, path)?;
    let merger = judge_merger(pull)?;
    if used {
        return Err(WhyNot::Used { pull: number });
    }
    Ok(ApprovedBy {
        login: merger.login.clone(),
        pull: number,
        url: pull.url.clone(),
        merge_commit: pull.merge_commit.clone(),
    })
}

/// The merged pull requests that may have brought the approval of this group, the likeliest first; at most five.
pub fn candidates(pulls: &[PullRequest], approval: &Approval) -> Vec<u64> {
    let mut found: Vec<_> = pulls
        .iter()
        .filter(|pull| {
            pull.state == PullState::Merged
                && marker::fingerprint_of(&pull.branch) == Some(&approval.fingerprint)
        })
        .map(|pull| {
            let names = Marker::parse(&pull.body).is_some_and(|m| m.group == approval.group);
            (names, pull.number)
        })
        .collect();
    found.sort_by_key(|key| std::cmp::Reverse(*key));
    found.dedup();
    found.truncate(MAX_CANDIDATES);
    found.into_iter().map(|(_, number)| number).collect()
}

/// Whether this pull request brought the approval at this path; chooses among [`candidates`].
pub fn brings(pull: &PullRequest, path: &str) -> bool {
    pull.files.iter().any(|brought| brought == path)
}

fn judge_files(pull: &PullRequest, path: &str) -> Result<(), WhyNot> {
    if !brings(pull, path) {
        return Err(WhyNot::NotInPull { pull: pull.number });
    }
    match pull
        .files
        .iter()
        .find(|path| marker::approval_in_path(path).is_none())
    {
        Some(path) => Err(WhyNot::OtherFiles {
            pull: pull.number,
            path: path.clone(),
        }),
        None => Ok(()),
    }
}

fn judge_merger(pull: &PullRequest) -> Result<&Person, WhyNot> {
    let number = pull.number;
    let merger = pull
        .merged_by
        .as_ref()
        .filter(|person| !person.login.is_empty())
        .ok_or(WhyNot::MergerUnknown { pull: number })?;
    let login = || merger.login.clone();
    // Accounts are told apart without regard to case, as forges do.
    let is_merger = |person: &Person| person.login.eq_ignore_ascii_case(&merger.login);
    if merger.is_bot {
        return Err(WhyNot::MergedByBot {
            pull: number,
            login: login(),
        });
    }
    if is_merger(&pull.author) {
        return Err(WhyNot::MergedByAuthor {
            pull: number,
            login: login(),
        });
    }
    if pull.pushers.iter().any(is_merger) {
        return Err(WhyNot::MergedByPusher {
            pull: number,
            login: login(),
        });
    }
    if pull.pushers.is_empty() || pull.pushers.iter().any(|person| person.login.is_empty()) {
        return Err(WhyNot::PusherUnknown { pull: number });
    }
    Ok(merger)
}

impl WhyNot {
    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OtherGroup | Self::Expired { .. } | Self::Used { .. } => {
                "merge the newest pull request of this cause; reconcile opens one"
            }
            Self::NoPullRequest | Self::NotMerged { .. } | Self::NotInPull { .. } => {
                "approve by merging evenkeel's own pull request, unchanged"
            }
            Self::OtherFiles { .. } => "keep other changes out of an approval's pull request",
            Self::MergerUnknown { .. } | Self::PusherUnknown { .. } => {
                "let an account that the forge knows merge the next one, unchanged"
            }
            Self::MergedByBot { .. } => "let a person merge it, without a merge queue",
            Self::MergedByAuthor { .. } | Self::MergedByPusher { .. } => {
                "let somebody else merge it"
            }
        }
    }
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherGroup => f.write_str("it approves other steps than those planned now"),
            Self::Expired { at } => write!(f, "it expired at {at}"),
            Self::Used { pull } => write!(f, "it was used already (pull request #{pull})"),
            Self::NoPullRequest => {
                f.write_str("no pull request of evenkeel's brought it to the base branch")
            }
            Self::NotMerged { pull } => write!(f, "pull request #{pull} is not merged"),
            Self::NotInPull { pull } => {
                write!(f, "pull request #{pull} did not bring this approval file")
            }
            Self::OtherFiles { pull, path } => write!(
                f,
                "pull request #{pull} changes {} too, so it is no mere approval",
                path.escape_debug()
            ),
            Self::MergerUnknown { pull } => {
                write!(f, "the forge does not say who merged pull request #{pull}")
            }
            Self::MergedByBot { pull, login } => {
                write!(
                    f,
                    "pull request #{pull} was merged by {login}, which is a bot"
                )
            }
            Self::MergedByAuthor { pull, login } => write!(
                f,
                "pull request #{pull} was merged by {login}, who is its author"
            ),
            Self::MergedByPusher { pull, login } => write!(
                f,
                "pull request #{pull} was merged by {login}, who pushed to its branch"
            ),
            Self::PusherUnknown { pull } => write!(
                f,
                "pull request #{pull} holds a commit that belongs to no account of the forge"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Span, TargetName};

    fn person(login: &str) -> Person {
        Person {
            login: login.into(),
            is_bot: login.ends_with("[bot]"),
        }
    }

    fn group() -> Digest {
        Digest::of(b"group")
    }

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    fn approval() -> Approval {
        Approval {
            group: group(),
            fingerprint: "0123456789abcdef".into(),
            expires: "2026-12-08T12:00:00Z".parse().unwrap(),
            origin: Span {
                file: String::new(),
                line: 1,
                column: 1,
            },
        }
    }

    fn path() -> String {
        format!("desired-state/approvals/{}.yaml", group())
    }

    /// The bot's own pull request, merged by alice.
    fn merged() -> PullRequest {
        PullRequest {
            number: 7,
            url: "https://forge.example/o/r/pull/7".into(),
            branch: marker::branch("0123456789abcdef"),
            state: PullState::Merged,
            author: person("keel[bot]"),
            merged_by: Some(person("alice")),
            pushers: vec![person("keel[bot]"), person("web-flow")],
            files: vec![path()],
            closed_at: Some(now()),
            closed_by: None,
            merge_commit: Some("1".repeat(40)),
            body: String::new(),
            head: "2".repeat(40),
        }
    }

    fn judged(pull: &PullRequest) -> Result<ApprovedBy, WhyNot> {
        judge(&approval(), &group(), &path(), now(), Some(pull), false)
    }

    // Goal: the one good case counts, so that the refusals below are not just a function that always refuses.
    #[test]
    fn a_merge_by_somebody_else_counts() {
        let by = judged(&merged()).unwrap();
        assert_eq!((by.login.as_str(), by.pull), ("alice", 7));
    }

    // Goal: nobody approves what they wrote or pushed, however the case of the account's name is written.
    #[test]
    fn nobody_approves_their_own() {
        let mut pull = merged();
        pull.author = person("Alice");
        assert!(matches!(judged(&pull), Err(WhyNot::MergedByAuthor { .. })));
        let mut pull = merged();
        pull.pushers.push(person("ALICE"));
        assert!(matches!(judged(&pull), Err(WhyNot::MergedByPusher { .. })));
        let mut pull = merged();
        pull.pushers.push(person(""));
        assert!(matches!(judged(&pull), Err(WhyNot::PusherUnknown { .. })));
        let mut pull = merged();
        pull.pushers.clear();
        assert!(matches!(judged(&pull), Err(WhyNot::PusherUnknown { .. })));
    }

    // Goal: only a person who is known approves.
    #[test]
    fn only_a_known_person_approves() {
        let mut pull = merged();
        pull.merged_by = Some(person("other[bot]"));
        assert!(matches!(judged(&pull), Err(WhyNot::MergedByBot { .. })));
        pull.merged_by = None;
        assert!(matches!(judged(&pull), Err(WhyNot::MergerUnknown { .. })));
        pull.merged_by = Some(person(""));
        assert!(matches!(judged(&pull), Err(WhyNot::MergerUnknown { .. })));
    }

    // Goal: a file that came by another way than its own merged pull request does not count.
    #[test]
    fn only_its_own_pull_request_brings_it() {
        let none = judge(&approval(), &group(), &path(), now(), None, false);
        assert_eq!(none, Err(WhyNot::NoPullRequest));
        let mut pull = merged();
        pull.branch = marker::branch("fedcba9876543210");
        assert_eq!(judged(&pull), Err(WhyNot::NoPullRequest));
        let mut pull = merged();
        pull.state = PullState::Closed;
        assert!(matches!(judged(&pull), Err(WhyNot::NotMerged { .. })));
        let mut pull = merged();
        let other = Digest::of(b"other");
        for files in [
            format!("desired-state/approvals/{other}.yaml"),
            format!("other/desired-state/approvals/{}.yaml", group()),
        ] {
            pull.files = vec![files];
            assert!(matches!(judged(&pull), Err(WhyNot::NotInPull { .. })));
        }
        let mut pull = merged();
        pull.files.push("desired-state/evenkeel.yaml".into());
        assert!(matches!(judged(&pull), Err(WhyNot::OtherFiles { .. })));
    }

    // Goal: an approval dies with its time, its use and the group it names.
    #[test]
    fn approvals_die() {
        let pull = merged();
        let other = judge(
            &approval(),
            &Digest::of(b"other"),
            &path(),
            now(),
            Some(&pull),
            false,
        );
        assert_eq!(other, Err(WhyNot::OtherGroup));
        let late = judge(
            &approval(),
            &group(),
            &path(),
            approval().expires,
            Some(&pull),
            false,
        );
        assert!(matches!(late, Err(WhyNot::Expired { .. })));
        let used = judge(&approval(), &group(), &path(), now(), Some(&pull), true);
        assert_eq!(used, Err(WhyNot::Used { pull: 7 }));
    }

    // Goal: of several merged pull requests of one cause, the one that names the group is asked about first.
    #[test]
    fn the_likeliest_candidate_comes_first() {
        let numbered = |number, state, body: String| PullRequest {
            number,
            state,
            body,
            ..merged()
        };
        let names_it = Marker {
            fingerprint: "0123456789abcdef".into(),
            group: group(),
            target: TargetName("web-1".into()),
            project: "desired-state".into(),
            expires: now(),
        };
        let pulls = [
            numbered(1, PullState::Merged, String::new()),
            numbered(2, PullState::Merged, names_it.to_string()),
            numbered(3, PullState::Merged, String::new()),
            numbered(4, PullState::Open, names_it.to_string()),
        ];
        assert_eq!(candidates(&pulls, &approval()), [2, 3, 1]);
    }
}
