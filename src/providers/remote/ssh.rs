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

/// Where the worker lies when the login user is root, when it is not, and when sudo starts it.
pub const ROOT_DIR: &str = "/var/lib/evenkeel";
pub const SUDO_DIR: &str = "/usr/local/lib/evenkeel";
/// The line that lets the login user start the worker as root.
pub const SUDOERS: &str = "/etc/sudoers.d/evenkeel-worker";

const START: &str = include_str!("ssh/start.sh");
const START_BY_SUDO: &str = include_str!("ssh/start-by-sudo.sh");
const SEND: &str = include_str!("ssh/send.sh");

/// What the scripts end with.
mod code {
    pub const ABSENT: i32 = 90;
    pub const OTHER_MACHINE: i32 = 91;
    pub const UNREADABLE: i32 = 92;
    pub const CHANGED: i32 = 93;
    pub const UNSAFE: i32 = 94;
    pub const NO_ROOM: i32 = 95;
    /// A shell that could not start a program.
    pub const NOT_EXECUTABLE: i32 = 126;
}

/// One host that is reached by ssh.
pub struct SshConnector {
    ssh: Ssh,
    /// As in `ssh`, with their whole paths.
    identity: Option<PathBuf>,
    config: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    program: Arc<Program>,
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
        let mut child = self.script(login, script).await?;
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

    /// Sends the worker's file.
    async fn send(&self, login: &Arc<Login>) -> Result<(), Reason> {
        let mut child = self.script(login, SEND).await?;
        let said = Said::default();
        if let Some(from) = child.stderr().take() {
            said.listen(from);
        }
        if let Some(mut input) = child.stdin().take() {
            let sending = async {
                input.write_all(&self.program.bytes).await?;
                input.shutdown().await
            };
            // Where the other end stops reading, its exit code says why.
            if tokio::time::timeout(self.ssh.timeout, sending)
                .await
                .is_err()
            {
                return Err(self.silent());
            }
        }
        match exit_code(self.ended(child).await?) {
            0 => Ok(()),
            code => Err(self.explain(code, &said).await),
        }
    }

    async fn script(&self, login: &Arc<Login>, script: &str) -> Result<Child<ByLogin>, Reason> {
        Session::to_command(ByLogin(Arc::clone(login)), "/bin/sh")
            .arg("-c")
            .arg(script)
            .arg("evenkeel")
            .arg(&self.program.digest)
            .arg(self.program.architecture)
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

    /// What an exit code of a script means.
    async fn explain(&self, code: i32, said: &Said) -> Reason {
        let host = &self.ssh.host;
        let said = said.last_line().await;
        let quoted = said
            .as_deref()
            .map_or_else(String::new, |line| format!(" ({line})"));
        let is_sudo = self.ssh.r#become == Become::Sudo;
        let (code, text) = match code {
            code::ABSENT => (
                ReasonCode::Unreachable,
                format!(
                    "the worker of this version is not installed on {host}: root has to put it at {SUDO_DIR}/worker-{}",
                    self.program.digest
                ),
            ),
            code::OTHER_MACHINE => (
                ReasonCode::Unsupported,
                format!(
                    "{host} is {}, and the worker at hand is for {}",
                    said.as_deref().unwrap_or("another machine"),
                    self.program.architecture
                ),
            ),
            code::UNREADABLE => (
                ReasonCode::Unreachable,
                format!("the worker on {host} cannot be read{quoted}"),
            ),
            code::CHANGED => (
                ReasonCode::Unreachable,
                format!(
                    "the worker on {host} is not what was sent there: somebody changed it, and nothing was started; look into that, then remove it there"
                ),
            ),
            code::UNSAFE if is_sudo => (
                ReasonCode::Unreachable,
                format!(
                    "{SUDO_DIR} on {host} does not belong to root alone, so nothing in it is started"
                ),
            ),
            code::UNSAFE => (
                ReasonCode::Unreachable,
                format!(
                    "the worker's folder on {host} does not belong to the login user alone, so nothing is kept in it{quoted}"
                ),
            ),
            code::NO_ROOM => (
                ReasonCode::Unreachable,
                format!("the worker could not be written on {host}{quoted}"),
            ),
            code::NOT_EXECUTABLE => (
                ReasonCode::Unreachable,
                format!("the worker cannot be started on {host}{quoted}"),
            ),
            _ => (
                ReasonCode::Unreachable,
                format!("the worker was not started on {host}{quoted}"),
            ),
        };
        Reason::new(code, text)
    }
}

#[async_trait]
impl Connector for SshConnector {
    async fn connect(&self) -> Result<Pipe, Reason> {
        let login = Arc::new(self.login().await?);
        match self.start(&login).await? {
            Ok(pipe) => return Ok(pipe),
            // With sudo only root can put it there.
            Err(code) if self.ssh.r#become == Become::Sudo => {
                return Err(self.explain(code, &Said::default()).await);
            }
            Err(_) => {}
        }
        self.send(&login).await?;
        match self.start(&login).await? {
            Ok(pipe) => Ok(pipe),
            Err(_) => Err(unreachable(&format!(
                "the worker was sent to {}, and is not there",
                self.ssh.host
            ))),
        }
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
