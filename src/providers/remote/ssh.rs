//! Connections by the system's own ssh, with its configuration, its agent and its known hosts, strictly checked.
//!
//! Flow: one master connection a host and cycle → a fixed script there holds the worker's file against its digest and
//! becomes it → where there is none yet, it is sent over the same connection, once.
//!
//! **Invariant:** nothing of the configuration or of a host becomes part of a script: what varies is a positional
//! argument, quoted by the library. The file that is checked is the file that runs, since both are one open descriptor.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openssh::{Child, ControlPersist, KnownHosts, Session, SessionBuilder, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::check::bounded;
use super::link::{Connector, Pipe, Said};
use super::program::Program;
use crate::model::{Become, Reason, ReasonCode, Ssh};

mod explain;
mod install;

use explain::code;
pub use install::{Deed, Installer, Verb};

/// How long the other end may take to answer at all.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a login may take as a whole: name, key exchange, authentication, jumps.
const LOGIN: Duration = Duration::from_secs(30);
/// How often a silent connection is asked for a sign of life; three without one end it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// When a connection ends that nobody uses: one of a controller that was killed.
const IDLE: NonZeroUsize = NonZeroUsize::new(30).unwrap();
/// What the scripts print immediately before the worker takes over.
const READY: &[u8; 9] = b"evenkeel\n";

/// How much is read of what a script prints, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;

/// Where the worker lies when the login user is root, when it is not, and when sudo starts it.
pub const ROOT_DIR: &str = "/var/lib/evenkeel";
pub const SUDO_DIR: &str = "/usr/local/lib/evenkeel";
/// The line that lets the login user start the worker as root.
pub const SUDOERS: &str = "/etc/sudoers.d/evenkeel-worker";

const START: &str = include_str!("ssh/start.sh");
const START_BY_SUDO: &str = include_str!("ssh/start-by-sudo.sh");
const SEND: &str = include_str!("ssh/send.sh");

/// One host that is reached by ssh.
pub struct SshConnector {
    ssh: Ssh,
    /// As in `ssh`, with their whole paths.
    identity: Option<PathBuf>,
    config: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    program: Arc<Program>,
}

/// What a script that has ended left.
struct Ended {
    code: i32,
    /// At most [`MAX_OUTPUT`].
    output: Vec<u8>,
    said: Said,
}

/// A login, with the folder that its socket lies in.
struct Login {
    // Before the folder, so that it ends first.
    session: Session,
    _folder: tempfile::TempDir,
}

impl SshConnector {
    /// A host with these settings; `path` makes the paths among them whole.
    pub fn new(ssh: Ssh, path: &dyn Fn(&str) -> PathBuf, program: Arc<Program>) -> Self {
        let whole = |text: &Option<String>| text.as_deref().map(path);
        Self {
            identity: whole(&ssh.identity),
            config: whole(&ssh.config),
            known_hosts: whole(&ssh.known_hosts),
            ssh,
            program,
        }
    }

    async fn login(&self) -> Result<Login, Reason> {
        if self.ssh.host.starts_with('-') {
            return Err(unreachable("a host's name does not start with -"));
        }
        let folder = tempfile::Builder::new()
            .prefix("evenkeel-")
            .tempdir()
            .map_err(|error| unreachable(&format!("no folder for ssh's socket: {error}")))?;
        let mut builder = SessionBuilder::default();
        builder
            .known_hosts_check(KnownHosts::Strict)
            .control_persist(ControlPersist::IdleFor(IDLE))
            .connect_timeout(CONNECT)
            .server_alive_interval(SIGN_OF_LIFE)
            .control_directory(folder.path());
        if let Some(user) = &self.ssh.user {
            builder.user(user.clone());
        }
        if let Some(port) = self.ssh.port {
            builder.port(port);
        }
        if let Some(file) = &self.identity {
            builder.keyfile(file);
        }
        if let Some(file) = &self.config {
            builder.config_file(file);
        }
        if let Some(file) = &self.known_hosts {
            builder.user_known_hosts_file(file);
        }
        builder.jump_hosts(&self.ssh.jump);
        let session = match tokio::time::timeout(LOGIN, builder.connect(&self.ssh.host)).await {
            Ok(Ok(session)) => session,
            Ok(Err(error)) => {
                let text = bounded(&crate::report_chain(&error));
                return Err(unreachable(&format!("ssh to {}: {text}", self.ssh.host)));
            }
            Err(_) => {
                return Err(unreachable(&format!(
                    "ssh to {}: no login within {} seconds",
                    self.ssh.host,
                    LOGIN.as_secs()
                )));
            }
        };
        Ok(Login {
            session,
            _folder: folder,
        })
    }

    /// Runs the script that becomes the worker; an exit code where it ended instead.
    async fn start(&self, login: &Arc<Login>) -> Result<Result<Pipe, i32>, Reason> {
        let script = match self.ssh.r#become {
            Become::Nobody => START,
            Become::Sudo => START_BY_SUDO,
        };
        let mut child = self.script(login, &[], script, &self.worker()).await?;
        let said = Said::default();
        if let Some(from) = child.stderr().take() {
            said.listen(from);
        }
        let (Some(input), Some(mut output)) = (child.stdin().take(), child.stdout().take()) else {
            return Err(unreachable("the ends of ssh are not there"));
        };
        let mut ready = [0_u8; READY.len()];
        let read = tokio::time::timeout(self.ssh.timeout, output.read_exact(&mut ready)).await;
        match read {
            Ok(Ok(_)) if ready == *READY => Ok(Ok(Pipe {
                input: Box::new(input),
                output: Box::new(output),
                said,
                alive: Box::new((child, Arc::clone(login))),
            })),
            Ok(Ok(_)) => Err(unreachable(&format!(
                "{} said \"{}\" before the worker began; its shell's profile has to be silent where there is no terminal",
                self.ssh.host,
                ready.escape_ascii()
            ))),
            Ok(Err(_)) => {
                drop(input);
                let code = exit_code(self.ended(child).await?);
                match code {
                    code::ABSENT => Ok(Err(code)),
                    code => Err(self.explain(code, &said).await),
                }
            }
            Err(_) => Err(self.silent()),
        }
    }

    /// Starts the worker, and sends it before where it is not there and need not be put there by root. Tells whether it
    /// was sent.
    async fn present(&self, login: &Arc<Login>) -> Result<(Pipe, bool), Reason> {
        match self.start(login).await? {
            Ok(pipe) => return Ok((pipe, false)),
            Err(code) if self.ssh.r#become == Become::Sudo => {
                return Err(self.explain(code, &Said::default()).await);
            }
            Err(_) => {}
        }
        self.send(login).await?;
        match self.start(login).await? {
            Ok(pipe) => Ok((pipe, true)),
            Err(_) => Err(unreachable(&format!(
                "the worker was sent to {}, and is not there",
                self.ssh.host
            ))),
        }
    }

    /// Sends the worker's file.
    async fn send(&self, login: &Arc<Login>) -> Result<(), Reason> {
        let ended = self
            .carry_out(login, &[], SEND, &self.worker(), &self.program.bytes)
            .await?;
        match ended.code {
            0 => Ok(()),
            code => Err(self.explain(code, &ended.said).await),
        }
    }

    /// Runs a script to its end with this on its standard input.
    async fn carry_out(
        &self,
        login: &Arc<Login>,
        by: &[&str],
        script: &str,
        args: &[&str],
        input: &[u8],
    ) -> Result<Ended, Reason> {
        let mut child = self.script(login, by, script, args).await?;
        let said = Said::default();
        if let Some(from) = child.stderr().take() {
            said.listen(from);
        }
        let (to, from) = (child.stdin().take(), child.stdout().take());
        let sending = async {
            if let Some(mut to) = to {
                // Where the other end stops reading, its exit code says why.
                let _ = to.write_all(input).await;
                let _ = to.shutdown().await;
            }
        };
        let mut output = Vec::new();
        let reading = async {
            if let Some(from) = from {
                // What was read until it broke is all that there is.
                let _ = from.take(MAX_OUTPUT).read_to_end(&mut output).await;
            }
        };
        let both = async { tokio::join!(sending, reading) };
        if tokio::time::timeout(self.ssh.timeout, both).await.is_err() {
            return Err(self.silent());
        }
        let code = exit_code(self.ended(child).await?);
        Ok(Ended { code, output, said })
    }

    /// What every script that looks for the worker is told of it.
    fn worker(&self) -> [&str; 2] {
        [&self.program.digest, self.program.architecture]
    }

    /// Starts a script, through the command `by` where that is not empty.
    async fn script(
        &self,
        login: &Arc<Login>,
        by: &[&str],
        script: &str,
        args: &[&str],
    ) -> Result<Child<ByLogin>, Reason> {
        let words: Vec<&str> = by
            .iter()
            .chain(&["/bin/sh", "-c", script, "evenkeel"])
            .chain(args)
            .copied()
            .collect();
        Session::to_command(ByLogin(Arc::clone(login)), words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .await
            .map_err(|error| {
                let text = bounded(&crate::report_chain(&error));
                unreachable(&format!("ssh to {}: {text}", self.ssh.host))
            })
    }

    async fn ended(&self, child: Child<ByLogin>) -> Result<Option<ExitStatus>, Reason> {
        match tokio::time::timeout(self.ssh.timeout, child.wait()).await {
            Ok(Ok(status)) => Ok(Some(status)),
            Ok(Err(openssh::Error::Disconnected | openssh::Error::RemoteProcessTerminated)) => {
                Ok(None)
            }
            Ok(Err(error)) => Err(unreachable(&bounded(&crate::report_chain(&error)))),
            Err(_) => Err(self.silent()),
        }
    }

    fn silent(&self) -> Reason {
        unreachable(&format!(
            "{} did not start the worker within {} seconds",
            self.ssh.host,
            self.ssh.timeout.as_secs()
        ))
    }
}

#[async_trait]
impl Connector for SshConnector {
    async fn connect(&self) -> Result<Pipe, Reason> {
        let login = Arc::new(self.login().await?);
        Ok(self.present(&login).await?.0)
    }
}

/// Lets a command keep its login alive.
#[derive(Clone)]
struct ByLogin(Arc<Login>);

impl std::ops::Deref for ByLogin {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0.session
    }
}

fn exit_code(status: Option<ExitStatus>) -> i32 {
    status.and_then(|status| status.code()).unwrap_or(-1)
}

fn unreachable(text: &str) -> Reason {
    Reason::new(ReasonCode::Unreachable, text)
}
