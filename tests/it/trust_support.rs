//! A project whose commits are signed with real SSH keys by the `git` and `ssh-keygen` of this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::support::{Facts, Project, Ran, chmod, facts, file, skip};

/// A project, and a folder of keys beside it.
pub struct Signed {
    pub project: Project,
    keys: PathBuf,
}

/// Whether the programs are there that make keys and signed commits.
pub fn can_sign() -> bool {
    let runs = |program: &str, argument: &str| {
        Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .output()
            .is_ok()
    };
    if runs("git", "--version") && runs("ssh-keygen", "-?") {
        return true;
    }
    skip("git or ssh-keygen is missing, so no commit can be signed: skipped");
    false
}

/// `evenkeel.yaml` with one target in mode `enforce`.
pub fn settings(require_signed: bool, more: &str) -> String {
    let trust = match require_signed {
        true => "trust: { require_signed: true, allowed_signers: allowed_signers }\n",
        false => "trust: { require_signed: false, allowed_signers: allowed_signers }\n",
    };
    super::support::config("enforce", &format!("{trust}{more}"))
}

/// The one managed file, with this content.
pub fn motd(content: &str) -> String {
    file("motd", "/motd", content)
}

impl Signed {
    /// A project that asks for signatures, with ada (ed25519) as its only signer. Nothing is pinned, the first commit is
    /// ada's, and the live file is not what the baseline says.
    pub fn new() -> Self {
        Self::with(|keys| keys.line("ada"))
    }

    /// The same with these lines as its allowed signers.
    pub fn with(signers: impl FnOnce(&Self) -> String) -> Self {
        let project = Project::new(&settings(true, ""), &motd("first\n"));
        let keys = project.temp.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        let signed = Self { project, keys };
        signed.key("ada", &["-t", "ed25519"]);
        let lines = signers(&signed);
        signed.write("allowed_signers", &lines);
        signed.git(&["checkout", "-q", "--orphan", "signed"]);
        signed.commit(Some("ada"), "first");
        std::fs::write(signed.project.path("motd"), "live\n").unwrap();
        chmod(&signed.project.path("motd"), 0o644);
        signed
    }

    /// Makes a key of this name.
    pub fn key(&self, name: &str, kind: &[&str]) {
        let output = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", name, "-f"])
            .arg(self.keys.join(name))
            .args(kind)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// A line of `allowed_signers` for a key.
    pub fn line(&self, name: &str) -> String {
        self.line_with(name, "")
    }

    /// The same with options before the key.
    pub fn line_with(&self, name: &str, options: &str) -> String {
        let key = std::fs::read_to_string(self.keys.join(format!("{name}.pub"))).unwrap();
        format!("{name}@example.com {options} {key}")
    }

    /// Writes a file of the baseline.
    pub fn write(&self, path: &str, text: &str) {
        self.project.write(&format!("desired-state/{path}"), text);
    }

    /// Runs git in the repository.
    pub fn git(&self, args: &[&str]) -> String {
        self.git_with(args, None)
    }

    /// The same with something on its standard input.
    pub fn git_with(&self, args: &[&str], input: Option<&[u8]>) -> String {
        let given = self.keys.join("input");
        std::fs::write(&given, input.unwrap_or_default()).unwrap();
        let output = Command::new("git")
            .args(["-c", "gpg.format=ssh", "-c", "user.name=Ada"])
            .args(["-c", "user.email=ada@example.com", "-c", "gc.auto=0"])
            .args(args)
            .current_dir(&self.project.repo)
            .env("HOME", &self.keys)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_DIR")
            .stdin(std::fs::File::open(&given).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits the baseline, signed by this key or by none, and gives the commit's id.
    pub fn commit(&self, signer: Option<&str>, message: &str) -> String {
        self.git(&["add", "-A", "desired-state"]);
        let key = signer.map(|name| format!("user.signingkey={}", self.path_of(name)));
        let mut args = Vec::new();
        match &key {
            Some(key) => args.extend(["-c", key, "commit", "-S"]),
            None => args.extend(["commit", "--no-gpg-sign"]),
        }
        args.extend(["-q", "--allow-empty", "-m", message]);
        self.git(&args);
        self.git(&["rev-parse", "HEAD"])
    }

    fn path_of(&self, name: &str) -> String {
        self.keys.join(name).to_str().unwrap().to_owned()
    }

    /// A file beside the repository, with this text.
    pub fn aside(&self, name: &str, text: &str) -> PathBuf {
        let path = self.keys.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Pins the first commit.
    pub fn pin(&self) {
        self.project.expect(0, &["trust", "init"]);
    }

    /// What the managed file holds.
    pub fn live(&self) -> String {
        std::fs::read_to_string(self.project.path("motd")).unwrap()
    }

    /// Reconciles by the commit that is checked out, which has to be let through and carried out.
    #[track_caller]
    pub fn accepted(&self, content: &str, more: &[&str]) {
        let args: Vec<_> = ["reconcile"].iter().chain(more).copied().collect();
        self.project.expect(0, &args);
        assert_eq!(self.live(), content);
    }

    /// Plans and reconciles, which both have to refuse with this reason and a hint, having done and seen nothing.
    #[track_caller]
    pub fn refused(&self, because: &str, more: &[&str]) {
        let before = facts(&self.project.root);
        let journal = self.journal();
        for command in ["plan", "reconcile"] {
            let args: Vec<_> = [command].iter().chain(more).copied().collect();
            let ran = self.project.expect(1, &args);
            assert!(ran.stderr.contains(because), "{command}: {}", ran.stderr);
            assert!(ran.stderr.contains("hint"), "{command}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{command} shows something");
        }
        self.unchanged(&before);
        assert_eq!(journal, self.journal(), "something was journalled");
    }

    #[track_caller]
    fn unchanged(&self, before: &Facts) {
        assert_eq!(*before, facts(&self.project.root), "the root changed");
    }

    /// How many records the journal has; none when there is no journal.
    fn journal(&self) -> usize {
        let ran: Ran = self.project.run(&["journal", "show", "--format", "json"]);
        match ran.code {
            0 => ran.json()["records"].as_array().unwrap().len(),
            _ => 0,
        }
    }

    /// Whether a path lies in the repository.
    pub fn top(&self) -> &Path {
        &self.project.repo
    }
}
