//! The rule: a commit is trusted when a signer whom the previous trusted commit or the command line allows has signed it.

use super::Signer;

/// What is known of the commit at hand.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub commit: String,
    /// Its signature, checked against the signers of the standing trust; none when nothing was signed or checked.
    pub signature: Option<Result<Signer, String>>,
    /// Whether it descends from the previous trusted commit; none when that cannot be told (a shallow clone).
    pub descends: Option<bool>,
    /// Its own `trust.require_signed`, which decides only whether anything has to be pinned at all.
    pub asks_for_signatures: bool,
}

/// Where trust comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// No commit was pinned and no signers were named.
    Nothing,
    /// A previous trusted commit that asks for signatures.
    Pinned { commit: String },
    /// A previous trusted commit that no longer asks for signatures.
    PinnedOpen { commit: String },
    /// Signers named on the command line, with the previous trusted commit, if there is one.
    CommandLine { pinned: Option<String> },
}

/// Why a commit is not trusted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Distrust {
    #[error("the baseline asks for signed commits, and no first commit was pinned")]
    NothingPinned,
    #[error(
        "the baseline asks for signed commits, and {pinned}, the last trusted one, asked for none"
    )]
    PinnedOpen { pinned: String },
    #[error("commit {commit} is not signed")]
    Unsigned { commit: String },
    #[error("commit {commit} is not trusted: {why}")]
    BadSignature { commit: String, why: String },
    #[error(
        "commit {commit} does not descend from {pinned}, the last trusted one: history was rewound or replaced"
    )]
    Rewound { commit: String, pinned: String },
    #[error(
        "whether commit {commit} descends from {pinned}, the last trusted one, cannot be told in this shallow clone"
    )]
    Unrelated { commit: String, pinned: String },
}

/// Judges a commit. `Ok(None)`: no signature is asked for.
///
/// # Errors
/// Why it is not trusted.
pub fn judge(
    candidate: &Candidate,
    standing: &Standing,
    allow_rewind: bool,
) -> Result<Option<Signer>, Distrust> {
    let pinned = match standing {
        Standing::Nothing if candidate.asks_for_signatures => return Err(Distrust::NothingPinned),
        // Its own signers cannot vouch for it, and to look away would make asking worth nothing.
        Standing::PinnedOpen { commit } if candidate.asks_for_signatures => {
            return Err(Distrust::PinnedOpen {
                pinned: commit.clone(),
            });
        }
        Standing::Nothing | Standing::PinnedOpen { .. } => return Ok(None),
        Standing::Pinned { commit } => Some(commit),
        Standing::CommandLine { pinned } => pinned.as_ref(),
    };
    let commit = candidate.commit.clone();
    let signer = match &candidate.signature {
        None => return Err(Distrust::Unsigned { commit }),
        Some(Err(why)) => {
            return Err(Distrust::BadSignature {
                commit,
                why: why.clone(),
            });
        }
        Some(Ok(signer)) => signer.clone(),
    };
    if let Some(pinned) = pinned
        && *pinned != commit
        && !allow_rewind
    {
        let pinned = pinned.clone();
        match candidate.descends {
            Some(true) => {}
            Some(false) => return Err(Distrust::Rewound { commit, pinned }),
            None => return Err(Distrust::Unrelated { commit, pinned }),
        }
    }
    Ok(Some(signer))
}

impl Distrust {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NothingPinned => {
                "look at the commit and its signers, then pin it with evenkeel trust init; a runner without a state uses --allowed-signers FILE"
            }
            Self::PinnedOpen { .. } => {
                "look at the commit and its signers, then pin it with evenkeel trust init --allow-rewind"
            }
            Self::Unsigned { .. } => {
                "sign it: git commit -S with gpg.format=ssh; for a merge made by the forge, list the forge's key"
            }
            Self::BadSignature { .. } => {
                "a new signer counts from the commit after the one that adds him, which an old signer has to sign"
            }
            Self::Rewound { .. } => {
                "find out who moved the branch; --allow-rewind accepts it when that was meant"
            }
            Self::Unrelated { .. } => "fetch the rest of the history: git fetch --unshallow",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(signature: Option<Result<Signer, String>>, descends: Option<bool>) -> Candidate {
        Candidate {
            commit: "new".into(),
            signature,
            descends,
            asks_for_signatures: true,
        }
    }

    fn good() -> Option<Result<Signer, String>> {
        Some(Ok(Signer {
            principal: "a".into(),
            fingerprint: "f".into(),
        }))
    }

    fn pinned() -> Standing {
        Standing::Pinned {
            commit: "old".into(),
        }
    }

    // Goal: with a pin, nothing passes but a good signature on a descendant; a commit that turns signatures off for
    // itself is judged by its predecessor all the same.
    #[test]
    fn a_pin_judges() {
        assert!(judge(&candidate(good(), Some(true)), &pinned(), false).is_ok());
        for (bad, why) in [
            (candidate(None, Some(true)), "not signed"),
            (candidate(Some(Err("forged".into())), Some(true)), "forged"),
            (candidate(good(), Some(false)), "rewound"),
            (candidate(good(), None), "shallow"),
        ] {
            let error = judge(&bad, &pinned(), false).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let turned_off = Candidate {
            asks_for_signatures: false,
            ..candidate(None, Some(true))
        };
        assert!(judge(&turned_off, &pinned(), false).is_err());
    }

    // Goal: a rewind that was meant passes with its flag, and an unsigned one does not even then.
    #[test]
    fn a_rewind_has_to_be_meant() {
        assert!(judge(&candidate(good(), Some(false)), &pinned(), true).is_ok());
        assert!(judge(&candidate(None, Some(false)), &pinned(), true).is_err());
    }

    // Goal: signatures that were turned off by a signed commit and are asked for again need a pin of their own: the
    // baseline must not pass as one that asks for none.
    #[test]
    fn asking_again_needs_a_pin() {
        let open = Standing::PinnedOpen {
            commit: "old".into(),
        };
        assert!(matches!(
            judge(&candidate(good(), Some(true)), &open, false),
            Err(Distrust::PinnedOpen { .. })
        ));
        let silent = Candidate {
            asks_for_signatures: false,
            ..candidate(None, Some(true))
        };
        assert_eq!(judge(&silent, &open, false), Ok(None));
    }

    // Goal: without a pin a baseline that asks for signatures is refused, and one that does not is let through as unsigned;
    // signers on the command line ask for signatures whatever the baseline says.
    #[test]
    fn without_a_pin() {
        let nothing = Standing::Nothing;
        assert_eq!(
            judge(&candidate(good(), None), &nothing, false),
            Err(Distrust::NothingPinned)
        );
        let open = Candidate {
            asks_for_signatures: false,
            ..candidate(None, None)
        };
        assert_eq!(judge(&open, &nothing, false), Ok(None));
        let named = Standing::CommandLine { pinned: None };
        assert!(judge(&open, &named, false).is_err());
        assert!(judge(&candidate(good(), None), &named, false).is_ok());
    }
}
