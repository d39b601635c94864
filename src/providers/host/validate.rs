//! Runs the command that judges a new file before it takes its place.
//!
//! **Invariant:** no shell, no inherited environment, no input; the command and all that it started are gone afterwards.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::path::escape;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How much of its output is read.
const MAX_OUTPUT: u64 = 4 << 10;
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command on a file. `{}` and `%s` in its arguments stand for the file's path.
///
/// # Errors
/// A sentence: it could not be started, took too long, or said no, with the first line of what it said unless it is to
/// be quiet.
pub fn run(argv: &[String], file: &Path, is_quiet: bool) -> Result<(), String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(());
    };
    let shown = escape(program.as_bytes());
    let arguments = arguments.iter().map(|argument| fill(argument, file));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("failed to start {shown}: {}", error.kind()))?;
    let said = collect(&mut child);
    let ended = wait(&mut child, LIMIT);
    end_group(&child);
    let said = said
        .recv_timeout(Duration::from_secs(1))
        .unwrap_or_default();
    match ended {
        None => Err(format!(
            "{shown} did not end within {} seconds",
            LIMIT.as_secs()
        )),
        Some(true) => Ok(()),
        Some(false) if is_quiet => Err(format!(
            "{shown} refused the new content; what it said is not shown, since the file is sensitive"
        )),
        Some(false) => Err(match first_line(&said) {
            Some(line) => format!("{shown} refused the new content: {line}"),
            None => format!("{shown} refused the new content"),
        }),
    }
}

fn fill(argument: &str, file: &Path) -> std::ffi::OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let path = file.as_os_str().as_bytes();
    let mut filled = Vec::new();
    let mut rest = argument.as_bytes();
    while let Some(byte) = rest.first() {
        if rest.starts_with(b"{}") || rest.starts_with(b"%s") {
            filled.extend_from_slice(path);
            rest = &rest[2..];
        } else {
            filled.push(*byte);
            rest = &rest[1..];
        }
    }
    std::ffi::OsString::from_vec(filled)
}

/// Reads the beginning of both outputs on threads of their own, and the rest into nothing, so that the command never
/// waits for us.
fn collect(child: &mut Child) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let streams: [Option<Box<dyn Read + Send>>; 2] = [
        child
            .stderr
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
        child
            .stdout
            .take()
            .map(|s| Box::new(s) as Box<dyn Read + Send>),
    ];
    std::thread::spawn(move || {
        let readers: Vec<_> = streams
            .into_iter()
            .flatten()
            .map(|mut stream| {
                std::thread::spawn(move || {
                    let mut start = Vec::new();
                    let _ = (&mut stream).take(MAX_OUTPUT).read_to_end(&mut start);
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    start
                })
            })
            .collect();
        let mut said = Vec::new();
        for reader in readers {
            said.extend(reader.join().unwrap_or_default());
        }
        let _ = sender.send(said);
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

fn first_line(said: &[u8]) -> Option<String> {
    let line = said
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty())?;
    Some(escape(&line[..line.len().min(200)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    // Goal: the command sees the file, a clean environment and no input, and its answer is what counts.
    #[test]
    fn the_answer_counts() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(temp.path(), "good").unwrap();
        let script =
            "test \"$(cat %s)\" = good && test -z \"$HOME\" && test \"$PWD\" = / && ! read line";
        assert_eq!(
            run(&argv(&["/bin/sh", "-c", script]), temp.path(), false),
            Ok(())
        );
        assert_eq!(
            run(&argv(&["/usr/bin/test", "-f", "{}"]), temp.path(), false),
            Ok(())
        );
        let no = run(
            &argv(&["/bin/sh", "-c", "printf 'bad\\033[31m line\\n' >&2; exit 1"]),
            temp.path(),
            false,
        );
        assert_eq!(
            no.unwrap_err(),
            "/bin/sh refused the new content: bad\\x1b[31m line"
        );
        assert!(run(&argv(&["/no/such/program"]), temp.path(), false).is_err());
    }

    // Goal: a command that leaves a child with our pipes behind, or talks without end, holds nobody up.
    #[test]
    fn leftovers_do_not_hold_up() {
        let temp = tempfile::NamedTempFile::new().unwrap();
        let start = Instant::now();
        let loud = "sleep 60 & head -c 10000000 /dev/zero; exit 0";
        assert_eq!(
            run(&argv(&["/bin/sh", "-c", loud]), temp.path(), false),
            Ok(())
        );
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
