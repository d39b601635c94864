//! Three real hosts with OpenSSH, which `tests/peers/hosts.sh` started, and the faults that a test may give them.
//!
//! A fault is one of a whole host, so a host is taken by one test at a time, of whichever process: `Hosts::take` waits
//! until the host is free. A test that needs several takes them in the order of their names.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::support::skip;

mod accounts;
mod firewall;
mod first;
mod fleet;
mod harness;
mod install;
mod kernel;
mod liars;
mod listeners;
mod modules;
mod mounts;
mod packages;
mod processes;
mod services;
mod takeover;
mod trees;
mod way_in;

/// The names of the hosts.
pub const NAMES: [&str; 3] = ["h1", "h2", "h3"];

/// The hosts that were started beside the tests.
pub struct Hosts {
    dir: PathBuf,
    ssh_config: PathBuf,
}

/// One host, while it is this test's. Its faults end with it, also when the test fails.
pub struct Host<'a> {
    hosts: &'a Hosts,
    name: &'static str,
    cut: Cell<bool>,
    full: Cell<bool>,
    // Held, not read: the lock goes with the file.
    _turn: File,
}

impl Hosts {
    /// The hosts, or none after saying so; where every peer has to be there, that is a failure.
    pub fn start() -> Option<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let dir = variable("EVENKEEL_TEST_HOSTS");
        let ssh_config = variable("EVENKEEL_TEST_HOSTS_CONFIG");
        let (Some(dir), Some(ssh_config)) = (dir, ssh_config) else {
            skip("skipped: no hosts (CONTRIBUTING.md says how to start them)");
            return None;
        };
        Some(Self { dir, ssh_config })
    }

    /// The configuration that `ssh -F` needs to reach the hosts by name. It names the key and the hosts' keys.
    pub fn ssh_config(&self) -> &Path {
        &self.ssh_config
    }

    /// Waits for the host to be free, and takes it.
    pub fn take(&self, name: &'static str) -> Host<'_> {
        let turn = File::create(self.dir.join(name).join("turn")).unwrap();
        turn.lock().unwrap();
        Host {
            hosts: self,
            name,
            cut: Cell::new(false),
            full: Cell::new(false),
            _turn: turn,
        }
    }

    fn harness(&self, action: &str, host: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/hosts.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(action).arg(&self.dir).arg(host);
        command
    }
}

impl Host<'_> {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs a command as root inside the host, not by way of ssh.
    pub fn exec(&self, argv: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.hosts.harness("exec", self.name);
        command.args(argv);
        fed(command, stdin)
    }

    /// What a command that has to succeed prints, without the last newline.
    pub fn run(&self, argv: &[&str]) -> String {
        text(&succeeded(self.exec(argv, b"")).stdout)
    }

    /// Writes a file inside the host, where its directory exists.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let argv = ["sh", "-c", "cat >\"$1\"", "sh", path];
        succeeded(self.exec(&argv, content.as_ref()));
    }

    /// An ssh client for this host, to which options may be added, then `host` or `user@host`, then a command.
    pub fn ssh(&self) -> Command {
        let mut command = Command::new("ssh");
        command.arg("-F").arg(self.hosts.ssh_config());
        command
    }

    /// Loses every packet to and from the host, without a word to either side.
    pub fn cut(&self) {
        self.cut.set(true);
        self.does("cut");
    }

    pub fn heal(&self) {
        self.does("heal");
        self.cut.set(false);
    }

    /// Leaves no block of the host's disk.
    pub fn fill(&self) {
        self.full.set(true);
        self.does("full");
    }

    pub fn unfill(&self) {
        self.does("unfull");
        self.full.set(false);
    }

    /// Kills every process of the host at once, and boots it with the same disk.
    pub fn restart(&self) {
        self.does("restart");
    }

    /// How many connections its sshd accepted since the hosts were started.
    pub fn connections(&self) -> usize {
        self.does("connections").parse().unwrap()
    }

    fn does(&self, action: &str) -> String {
        let output = fed(self.hosts.harness(action, self.name), b"");
        text(&succeeded(output).stdout)
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        let faults = [(&self.cut, "heal"), (&self.full, "unfull")];
        for (_, end) in faults.iter().filter(|(fault, _)| fault.get()) {
            // Not a panic: the test may be in one already, and the next test on this host fails by itself.
            let ended = self.hosts.harness(end, self.name).status();
            if !ended.is_ok_and(|status| status.success()) {
                eprintln!("{} keeps its fault: {end} failed", self.name);
            }
        }
    }
}

/// Runs a command to its end with this on its standard input.
pub fn fed(mut command: Command, stdin: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Beside the reading, so that neither waits for the other. A command need not read all of it.
        scope.spawn(move || drop(pipe.write_all(stdin)));
        child.wait_with_output().unwrap()
    })
}

pub fn succeeded(output: Output) -> Output {
    assert!(output.status.success(), "{output:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}
