//! Who may decide what a system is: signed commits of real keys, judged by the built program.

use super::trust_support::{Signed, can_sign, motd, settings};

/// A project that is pinned and was reconciled once.
fn pinned() -> Signed {
    let signed = Signed::new();
    signed.pin();
    signed.accepted("first\n", &[]);
    std::fs::write(signed.project.path("motd"), "live\n").unwrap();
    signed
}

// Goal: before `trust init` a baseline that asks for signatures is refused though it is well signed, since nobody but
// itself vouches for its signer; after it the same commit passes.
#[test]
fn the_first_commit_has_to_be_pinned() {
    if !can_sign() {
        return;
    }
    let signed = Signed::new();
    signed.refused("no first commit was pinned", &[]);
    signed.pin();
    signed.accepted("first\n", &[]);
    // A second pin would put aside what trust rests on.
    let again = signed.project.expect(1, &["trust", "init"]);
    assert!(again.stderr.contains("pinned already"), "{}", again.stderr);
}

// Goal: a signed commit that follows passes and is remembered, so that the one before it counts as rewound from then on.
#[test]
fn a_signed_commit_passes_and_is_remembered() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("host/all.yaml", &motd("second\n"));
    let second = signed.commit(Some("ada"), "second");
    signed.accepted("second\n", &[]);
    let shown = signed
        .project
        .expect(0, &["trust", "show", "--format", "json"])
        .json();
    assert_eq!(shown["last_trusted"], second.as_str());
    assert_eq!(shown["signer"]["principal"], "ada@example.com");
}

// Goal: an unsigned commit and one signed by a key that is not listed are refused, with nothing seen or done.
#[test]
fn unsigned_and_foreign_commits_are_refused() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("host/all.yaml", &motd("evil\n"));
    signed.commit(None, "unsigned");
    signed.refused("is not signed", &[]);
    signed.key("eve", &["-t", "ed25519"]);
    signed.commit(Some("eve"), "by another key");
    signed.refused("no allowed signer", &[]);
    // What was refused vouches for nothing: a signed commit after it passes by its own signature.
    signed.write("host/all.yaml", &motd("good\n"));
    signed.commit(Some("ada"), "mended");
    signed.accepted("good\n", &[]);
}

// Goal: a good signature copied onto another content is found. Method: the raw commit object of a signed commit, with
// another message.
#[test]
fn a_copied_signature_is_refused() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("host/all.yaml", &motd("second\n"));
    let id = signed.commit(Some("ada"), "second");
    let raw = signed.git(&["cat-file", "commit", &id]);
    assert!(raw.contains("BEGIN SSH SIGNATURE"));
    let forged = raw.replace("second", "forged") + "\n";
    let args = ["hash-object", "-t", "commit", "-w", "--stdin"];
    let forged = signed.git_with(&args, Some(forged.as_bytes()));
    signed.git(&["reset", "-q", "--hard", &forged]);
    signed.refused("does not fit its content", &[]);
}

// Goal: nobody lets himself in. A commit that lists its own signer is refused, with the line there or in the same commit
// as the rest; listed by an old signer, the new one may sign from the next commit on.
#[test]
fn a_commit_never_adds_its_own_signer() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.key("bob", &["-t", "ed25519"]);
    let both = signed.line("ada") + &signed.line("bob");
    signed.write("allowed_signers", &both);
    signed.commit(Some("bob"), "let me in");
    signed.refused("no allowed signer", &[]);
    signed.commit(Some("bob"), "and again, with the line long there");
    signed.refused("no allowed signer", &[]);
    signed.git(&["reset", "-q", "--soft", "HEAD~2"]);
    signed.commit(Some("ada"), "bob may sign");
    signed.accepted("first\n", &[]);
    signed.write("host/all.yaml", &motd("by bob\n"));
    signed.commit(Some("bob"), "bob signs");
    signed.accepted("by bob\n", &[]);
}

// Goal: turning signatures off needs a signature; once it is done so, unsigned commits pass as such, and asking again
// needs a pin instead of passing as unsigned.
#[test]
fn turning_signatures_off_needs_one() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("evenkeel.yaml", &settings(false, ""));
    signed.commit(None, "off, unsigned");
    signed.refused("is not signed", &[]);
    signed.git(&["reset", "-q", "--soft", "HEAD~1"]);
    signed.commit(Some("ada"), "off, signed");
    signed.accepted("first\n", &[]);
    signed.write("host/all.yaml", &motd("open\n"));
    signed.commit(None, "unsigned");
    signed.accepted("open\n", &[]);
    signed.write("evenkeel.yaml", &settings(true, ""));
    signed.commit(None, "on again, unsigned");
    signed.refused("asked for none", &[]);
    signed.commit(Some("ada"), "on again, signed");
    signed
        .project
        .expect(0, &["trust", "init", "--allow-rewind"]);
    signed.accepted("open\n", &[]);
}

// Goal: history that was rewound or replaced is refused, however well signed, unless --allow-rewind says it was meant;
// an unsigned one not even then.
#[test]
fn rewound_history_is_refused() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("host/all.yaml", &motd("second\n"));
    let second = signed.commit(Some("ada"), "second");
    signed.accepted("second\n", &[]);
    signed.git(&["reset", "-q", "--hard", "HEAD~1"]);
    signed.refused("does not descend", &[]);
    signed.write("host/all.yaml", &motd("beside\n"));
    signed.commit(Some("ada"), "beside");
    signed.refused("does not descend", &[]);
    signed.accepted("beside\n", &["--allow-rewind"]);
    signed.git(&["reset", "-q", "--hard", &second]);
    signed.commit(None, "unsigned");
    signed.refused("is not signed", &["--allow-rewind"]);
}

// Goal: files as they lie are signed by nobody: refused, also by a file that takes the demand back, with and without a
// state.
#[test]
fn the_worktree_is_refused() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.refused("--worktree", &["--worktree"]);
    signed.write("evenkeel.yaml", &settings(false, ""));
    signed.refused("--worktree", &["--worktree"]);
    let ran = signed
        .project
        .expect(1, &["plan", "--worktree", "--state", "none"]);
    assert!(ran.stderr.contains("--worktree"), "{}", ran.stderr);
}

// Goal: another revision that asks for no signature does not get around the demand of what is checked out, where
// nothing is pinned either.
#[test]
fn another_revision_does_not_get_around_it() {
    if !can_sign() {
        return;
    }
    let signed = Signed::new();
    signed.git(&["checkout", "-q", "-b", "off"]);
    signed.write("evenkeel.yaml", &settings(false, ""));
    signed.write("host/all.yaml", &motd("evil\n"));
    signed.commit(None, "off");
    signed.git(&["checkout", "-q", "signed"]);
    signed.refused("no first commit was pinned", &["--rev", "off"]);
}

// Goal: when what is checked out turns out to be poisoned, the last good commit still serves.
#[test]
fn the_last_good_commit_serves() {
    if !can_sign() {
        return;
    }
    let signed = pinned();
    signed.write("host/all.yaml", &motd("poisoned\n"));
    signed.commit(None, "poisoned");
    signed.refused("is not signed", &[]);
    signed.accepted("first\n", &["--rev", "last-good"]);
}

// Goal: a runner without a disk is told the signers, and then asks for a signature whatever the baseline says.
#[test]
fn signers_on_the_command_line() {
    if !can_sign() {
        return;
    }
    let signed = Signed::new();
    signed.key("eve", &["-t", "ed25519"]);
    let ada = signed.aside("ada.signers", &signed.line("ada"));
    let eve = signed.aside("eve.signers", &signed.line("eve"));
    let plan = |code: i32, file: &std::path::Path| {
        let file = file.to_str().unwrap();
        let args = ["plan", "--state", "none", "--allowed-signers", file];
        signed.project.expect(code, &args)
    };
    assert!(plan(2, &ada).stdout.contains("motd"));
    assert!(plan(1, &eve).stderr.contains("no allowed signer"));
    signed.write("evenkeel.yaml", &settings(false, ""));
    signed.commit(None, "off");
    assert!(plan(1, &ada).stderr.contains("is not signed"));
    let nowhere = signed.top().join("nowhere");
    assert!(plan(1, &nowhere).stderr.contains("nowhere"));
}

// Goal: the other kinds of keys that ssh-keygen makes sign as well as ed25519.
#[test]
fn ecdsa_and_rsa_keys_sign() {
    if !can_sign() {
        return;
    }
    for (at, kind) in [
        &["-t", "ecdsa", "-b", "256"][..],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "rsa", "-b", "3072"],
    ]
    .into_iter()
    .enumerate()
    {
        let signed = Signed::with(|keys| {
            keys.key("other", kind);
            keys.line("ada") + &keys.line("other")
        });
        signed.pin();
        signed.write("host/all.yaml", &motd(&format!("{at}\n")));
        signed.commit(Some("other"), "by another kind of key");
        signed.accepted(&format!("{at}\n"), &[]);
    }
}

// Goal: a key past its valid-before, before its valid-after, or listed for another purpose signs nothing.
#[test]
fn expired_keys_sign_nothing() {
    if !can_sign() {
        return;
    }
    for (options, because) in [
        ("valid-before=\"20200101\"", "was not valid"),
        ("valid-after=\"20980101\"", "was not valid"),
        ("namespaces=\"file\"", "no allowed signer"),
    ] {
        let signed = Signed::with(|keys| {
            keys.key("old", &["-t", "ed25519"]);
            keys.line("ada") + &keys.line_with("old", options)
        });
        signed.pin();
        signed.write("host/all.yaml", &motd("old\n"));
        signed.commit(Some("old"), "by an old key");
        signed.refused(because, &[]);
    }
}
