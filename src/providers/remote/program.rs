//! The worker's own file, as it lies beside evenkeel.
//!
//! **Invariant:** what is sent is one static program for one architecture: what a host has of libraries, and what an
//! attacker made of them, is nothing to it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The largest program that is taken, in bytes.
const MAX_BYTES: u64 = 64 << 20;
/// The file's name beside evenkeel's own.
const NAME: &str = "evenkeel-worker";

/// A worker that can be sent.
#[derive(Clone, Debug)]
pub struct Program {
    pub bytes: Arc<[u8]>,
    /// SHA-256 in hexadecimal digits: what `sha256sum` and sudoers know.
    pub digest: String,
    /// As `uname -m` says it.
    pub architecture: &'static str,
}

/// There is no worker to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    #[error("there is no worker at {path}: {why}")]
    NotFound { path: String, why: String },
    #[error("{path} is no worker: {why}")]
    Unusable { path: String, why: String },
}

impl Program {
    /// Reads the worker from this file, or from the one beside the running program.
    ///
    /// # Errors
    /// It is not there, or is no static program for Linux.
    pub fn find(named: Option<&Path>) -> Result<Self, ProgramError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => std::env::current_exe()
                .ok()
                .and_then(|exe| Some(exe.parent()?.join(NAME)))
                .unwrap_or_else(|| PathBuf::from(NAME)),
        };
        let shown = path.display().to_string();
        let mut bytes = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|error| ProgramError::NotFound {
                path: shown.clone(),
                why: error.to_string(),
            })?;
        Self::of(bytes).map_err(|why| ProgramError::Unusable { path: shown, why })
    }

    fn of(bytes: Vec<u8>) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err("it is larger than 64 MiB".to_owned());
        }
        let architecture = elf(&bytes)?;
        Ok(Self {
            digest: format!("{:x}", Sha256::digest(&bytes)),
            bytes: bytes.into(),
            architecture,
        })
    }
}

/// The architecture of a static 64-bit ELF program.
fn elf(bytes: &[u8]) -> Result<&'static str, String> {
    const INTERPRETER: u32 = 3;
    let no_program = || "it is no 64-bit ELF program".to_owned();
    let u16_at = |at: usize| {
        let two = bytes.get(at..at + 2).ok_or_else(no_program)?;
        Ok::<_, String>(u16::from_le_bytes([two[0], two[1]]))
    };
    if bytes.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
        return Err(no_program());
    }
    let architecture = match u16_at(18)? {
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        other => {
            return Err(format!(
                "it is for machine {other}, which is not known here"
            ));
        }
    };
    let start = bytes.get(32..40).ok_or_else(no_program)?;
    let start = u64::from_le_bytes(start.try_into().map_err(|_| no_program())?) as usize;
    let (size, count) = (u16_at(54)? as usize, u16_at(56)? as usize);
    for index in 0..count {
        let at = start.saturating_add(index * size);
        let end = at.saturating_add(4);
        let kind = bytes.get(at..end).ok_or_else(no_program)?;
        if kind == INTERPRETER.to_le_bytes() {
            return Err(
                "it is linked dynamically, so the host would decide what it runs; build it as the README says"
                    .to_owned(),
            );
        }
    }
    Ok(architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(machine: u16, segments: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0_u8; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&(segments.len() as u16).to_le_bytes());
        for kind in segments {
            let mut segment = [0_u8; 56];
            segment[..4].copy_from_slice(&kind.to_le_bytes());
            bytes.extend(segment);
        }
        bytes
    }

    // Goal: only a whole static program is sent, and for which machines it is good is known before it is.
    #[test]
    fn only_static_programs() {
        assert_eq!(
            Program::of(program(62, &[1, 1])).unwrap().architecture,
            "x86_64"
        );
        assert_eq!(
            Program::of(program(183, &[1])).unwrap().architecture,
            "aarch64"
        );
        let dynamic = Program::of(program(62, &[1, 3])).unwrap_err();
        assert!(dynamic.contains("dynamically"), "{dynamic}");
        let whole = program(62, &[1, 1]);
        for length in [0, 5, 30, 60, whole.len() - 56] {
            assert!(Program::of(whole[..length].to_vec()).is_err(), "{length}");
        }
        let mut far = whole;
        far[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Program::of(far).is_err());
    }
}
