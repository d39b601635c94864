//! The machine that this program runs on.
//!
//! **Invariant:** paths are those that the code names; none comes from a manifest without having been checked.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use crate::model::{Reason, ReasonCode};
use crate::providers::host::fs::FsError;
use crate::providers::host::machine::Machine;
use crate::providers::host::tool::{self, Call, Said};

/// The most that is kept of what a program says, in bytes.
const MAX_OUTPUT: u64 = 16 << 20;

/// This machine.
#[derive(Debug)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, Reason> {
        let unread = |error: std::io::Error| {
            let code = match error.kind() {
                ErrorKind::PermissionDenied => ReasonCode::PermissionDenied,
                _ => ReasonCode::Io,
            };
            Reason::new(code, format!("failed to read {path}: {}", error.kind()))
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unread(error)),
        };
        let mut bytes = Vec::new();
        file.take(max_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(unread)?;
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
