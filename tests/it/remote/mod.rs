//! Hosts through a worker: what it does, what it may not do, and what a false one gains.

mod deeds;
mod fleet;
mod liars;
mod roads;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use evenkeel::model::{Reason, TargetName};
use evenkeel::providers::host::HostConfig;
use evenkeel::providers::remote::link::{Connector, Pipe, Said};
use evenkeel::providers::remote::{RemoteConfig, RemoteHost};
use tokio::process::Command;

/// Starts a program of this machine in place of a worker on another.
pub struct Process(pub Vec<String>);

#[async_trait]
impl Connector for Process {
    async fn connect(&self) -> Result<Pipe, Reason> {
        let mut child = Command::new(&self.0[0])
            .args(&self.0[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = Said::default();
        said.listen(child.stderr.take().unwrap());
        Ok(Pipe {
            input: Box::new(child.stdin.take().unwrap()),
            output: Box::new(child.stdout.take().unwrap()),
            said,
            alive: Box::new(child),
        })
    }
}

/// The worker that was built with the tests.
pub fn worker() -> Process {
    let program = env!("CARGO_BIN_EXE_evenkeel-worker");
    Process(vec![program.to_owned(), "serve".to_owned()])
}

/// A host on this root folder, through a worker that only looks and acts for this test.
pub fn host_at(root: &Path, config: &HostConfig) -> RemoteHost {
    host(worker(), root, config, None)
}

/// A host behind any program.
pub fn host(
    process: Process,
    root: &Path,
    config: &HostConfig,
    lock_wait: Option<Duration>,
) -> RemoteHost {
    let remote = RemoteConfig {
        root: root.display().to_string(),
        ignore: config.ignore.clone(),
        validate_commands: config.validate_commands.clone(),
        timeout: Duration::from_secs(20),
        lock_wait,
        idle: Duration::from_secs(60),
        way_in: None,
        own: vec![],
    };
    RemoteHost::new(TargetName("t".into()), Box::new(process), remote)
}
