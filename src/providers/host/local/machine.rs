//! The machine that this program runs on.
//!
//! **Invariant:** paths are those that the code names; none comes from a manifest without having been checked.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, netlink, recv, send,
    socket_with,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::model::{Reason, ReasonCode};
use crate::providers::host::fs::FsError;
use crate::providers::host::machine::Machine;
use crate::providers::host::parts::sockets_end;
use crate::providers::host::tool::{self, Call, Said};

/// The most that is kept of what a program says, in bytes.
const MAX_OUTPUT: u64 = 16 << 20;

/// The most names of one folder.
const MAX_NAMES: usize = 1 << 20;
/// How long a process may take to end that was asked to, and one that was made to.
const POLITE: Duration = Duration::from_secs(3);
const FINAL: Duration = Duration::from_secs(3);

/// This machine.
#[derive(Debug)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, Reason> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(unread(path, &error)),
        };
        let mut bytes = Vec::new();
        file.take(max_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unread(path, &error))?;
        match bytes.len() as u64 > max_bytes {
            false => Ok(Some(bytes)),
            true => Err(Reason::new(
                ReasonCode::TooLarge,
                format!("{path} says more than {max_bytes} bytes"),
            )),
        }
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FsError> {
        // In one piece: the kernel takes each write for a whole value.
        OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| FsError::Failed(format!("failed to write {path}: {}", error.kind())))
    }

    fn names(&self, folder: &str) -> Result<Option<Vec<String>>, Reason> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(unread(folder, &error)),
        };
        // What ends while it is listed is gone.
        let names = entries.flatten().take(MAX_NAMES + 1);
        let names: Vec<_> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        match names.len() > MAX_NAMES {
            false => Ok(Some(names)),
            true => Err(Reason::new(
                ReasonCode::TooLarge,
                format!("{folder} has more than {MAX_NAMES} names"),
            )),
        }
    }

    fn link(&self, path: &str) -> Result<Option<Vec<u8>>, Reason> {
        match std::fs::read_link(path) {
            Ok(target) => Ok(Some(target.into_os_string().into_encoded_bytes())),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(unread(path, &error)),
        }
    }

    fn identity(&self, path: &str) -> Option<(u64, u64)> {
        let status = std::fs::metadata(path).ok()?;
        Some((status.dev(), status.ino()))
    }

    fn own_pid(&self) -> u32 {
        std::process::id()
    }

    fn sock_diag(&self, request: &[u8]) -> Result<Vec<u8>, Reason> {
        let failed = |errno: Errno| {
            let text = format!("the kernel does not list its sockets: {}", errno.kind());
            Reason::new(ReasonCode::Unsupported, text)
        };
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(failed)?;
        connect(&socket, &netlink::SocketAddrNetlink::new(0, 0)).map_err(failed)?;
        send(&socket, request, SendFlags::empty()).map_err(failed)?;
        let mut answer = Vec::new();
        let mut buffer = vec![0_u8; 1 << 16];
        while !sockets_end(&answer) {
            let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty()).map_err(failed)?;
            answer.extend_from_slice(&buffer[..length]);
            if length == 0 || answer.len() as u64 > MAX_OUTPUT {
                let text = "the kernel lists more sockets than evenkeel reads";
                return Err(Reason::new(ReasonCode::TooLarge, text));
            }
        }
        Ok(answer)
    }

    fn end(&self, pid: u32, is_same: &dyn Fn() -> Result<(), String>) -> Result<(), FsError> {
        let failed = |errno: Errno| FsError::Failed(format!("process {pid}: {}", errno.kind()));
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let raw = raw.ok_or_else(|| FsError::Refused(format!("{pid} is no process")))?;
        let process = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(()),
            Err(errno) => return Err(failed(errno)),
        };
        is_same().map_err(FsError::Stale)?;
        for (signal, patience) in [(Signal::TERM, POLITE), (Signal::KILL, FINAL)] {
            match pidfd_send_signal(&process, signal) {
                Ok(()) => {}
                Err(Errno::SRCH) => return Ok(()),
                Err(errno) => return Err(failed(errno)),
            }
            let start = Instant::now();
            while start.elapsed() < patience {
                if is_same().is_err() {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Err(FsError::Failed(format!("process {pid} does not end")))
    }

    fn call(
        &self,
        program: &str,
        arguments: &[&str],
        input: &[u8],
        limit: Duration,
    ) -> Result<Said, Reason> {
        let call = Call {
            program,
            arguments: arguments.iter().map(Into::into).collect(),
            input: input.to_vec(),
            limit,
            max_output: MAX_OUTPUT,
        };
        tool::run(call).map_err(|why| Reason::new(ReasonCode::Unsupported, why))
    }
}

/// Whether there is nothing, or no longer, at a path of `/proc`.
fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

fn unread(path: &str, error: &std::io::Error) -> Reason {
    let code = match error.kind() {
        ErrorKind::PermissionDenied => ReasonCode::PermissionDenied,
        _ => ReasonCode::Io,
    };
    Reason::new(code, format!("failed to read {path}: {}", error.kind()))
}
