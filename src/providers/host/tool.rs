//! Runs a program of the host.
//!
//! **Invariant:** an absolute path, no shell, no inherited environment; bounded time and output; the program and all that
//! it started are gone afterwards.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::path::escape;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// How long its output may still take once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The longest line that is told of what it said, in bytes.
const MAX_LINE: usize = 200;

/// What to run.
pub struct Call<'a> {
    /// The absolute path of the program.
    pub program: &'a str,
    pub arguments: Vec<OsString>,
    /// What it reads.
    pub input: Vec<u8>,
    pub limit: Duration,
    /// How much of each of its outputs is kept, in bytes.
    pub max_output: u64,
}

/// What a program said.
#[derive(Debug, Default)]
pub struct Said {
    pub succeeded: bool,
    pub output: Vec<u8>,
    pub errors: Vec<u8>,
    /// Whether it said more than was kept.
    pub is_cut: bool,
}

impl Said {
    /// The first line that says something, of the errors where there are any; printable and not too long.
    pub fn first_line(&self) -> Option<String> {
        let lines = [&self.errors, &self.output];
        let line = lines
            .into_iter()
            .flat_map(|said| said.split(|byte| *byte == b'\n'))
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty())?;
        Some(escape(&line[..line.len().min(MAX_LINE)]))
    }
}

/// Runs it to its end.
///
/// # Errors
/// A sentence: it is named by no absolute path, could not be started or took too long. That it failed is no error here.
pub fn run(call: Call<'_>) -> Result<Said, String> {
    let shown = escape(call.program.as_bytes());
    if !call.program.starts_with('/') {
        return Err(format!("{shown} is not named by its absolute path"));
    }
    let mut child = Command::new(call.program)
        .args(&call.arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("failed to start {shown}: {}", error.kind()))?;
    feed(&mut child, call.input);
    let output = collect(child.stdout.take(), call.max_output);
    let errors = collect(child.stderr.take(), call.max_output);
    let ended = wait(&mut child, call.limit);
    end_group(&child);
    let succeeded = ended.ok_or_else(|| {
        let seconds = call.limit.as_secs();
        format!("{shown} did not end within {seconds} seconds")
    })?;
    let (output, more) = output.recv_timeout(LAST_WORDS).unwrap_or_default();
    let (errors, _) = errors.recv_timeout(LAST_WORDS).unwrap_or_default();
    Ok(Said {
        succeeded,
        output,
        errors,
        is_cut: more,
    })
}

/// Writes on a thread of its own, so that neither side waits for the other. It need not read all of it.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take()
        && !input.is_empty()
    {
        thread::spawn(move || drop(stdin.write_all(&input)));
    }
}

/// Reads the beginning on a thread of its own, and the rest into nothing, so that the program never waits for us.
fn collect(
    stream: Option<impl Read + Send + 'static>,
    max: u64,
) -> mpsc::Receiver<(Vec<u8>, bool)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut start = Vec::new();
        let mut more = false;
        if let Some(mut stream) = stream {
            let _ = (&mut stream).take(max).read_to_end(&mut start);
            more = std::io::copy(&mut stream, &mut std::io::sink()).is_ok_and(|rest| rest > 0);
        }
        let _ = sender.send((start, more));
    });
    receiver
}

/// Whether it succeeded; none when it took too long.
fn wait(child: &mut Child, limit: Duration) -> Option<bool> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.success()),
            Ok(None) if start.elapsed() < limit => {}
            Ok(None) => {
                end_group(child);
                let _ = child.wait();
                return None;
            }
            Err(_) => return Some(false),
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn end_group(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The group is gone where nothing of it is left.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}
