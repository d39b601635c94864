//! Version 1 of a record: which bytes are hashed, which are signed, and what makes a row sound.
//!
//! `hash` is SHA-256 over a domain, the number and every other column but the signature, each text with its length before
//! it, so that no two rows share an encoding. `prev` is the hash of the record before and [`GENESIS`] for the first.
//! `sig` is Ed25519 over another domain and the hash; `signer` names the key and is hashed too.
//!
//! **Invariant:** pure; the same row always gives the same hash, and what version 1 means never changes.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::key::{JournalKey, PublicKey};
use crate::model::RunId;
use crate::ports::Record;

/// The version that is written.
pub(super) const VERSION: u32 = 1;

/// What the first record has in place of the hash before it.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const RECORD_DOMAIN: &[u8] = b"evenkeel journal record 1\n";
const SIGNED_RECORD: &str = "evenkeel signed journal record 1\n";
const SIGNED_HEAD: &str = "evenkeel signed journal head 1\n";

/// One row of the table `records`, as it is stored.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Row {
    pub seq: u64,
    pub version: u32,
    pub run: String,
    pub kind: String,
    pub at: String,
    pub prev: String,
    pub signer: String,
    pub hash: String,
    pub sig: String,
    pub payload: String,
}

/// Where the journal ends, signed.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct SignedHead {
    pub seq: u64,
    pub hash: String,
    pub sig: String,
}

/// What is wrong with a row taken by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unsound {
    /// Written by a version that this one does not know.
    Version(u32),
    /// The columns do not give the hash.
    Hash,
    /// The row says that another key signed it.
    Signer(String),
    /// The signature is not by the key that the row names.
    Signature,
}

impl Unsound {
    /// The flaw in words that follow "record 7".
    pub(super) fn describe(&self, key: &PublicKey) -> String {
        match self {
            Self::Version(version) => {
                format!("has the format {version}, which this evenkeel does not know: upgrade it")
            }
            Self::Hash => "is not what was written: its hash does not fit its content".to_owned(),
            Self::Signer(signer) => format!(
                "was signed by the key {}, not by {}",
                signer.escape_debug(),
                key.id()
            ),
            Self::Signature => {
                format!("has a signature that the key {} did not make", key.id())
            }
        }
    }
}

impl Row {
    /// Makes and signs the row that follows the record with the hash `prev`.
    pub(super) fn seal(
        seq: u64,
        prev: &str,
        (run, kind, at): (&RunId, &str, Timestamp),
        payload: String,
        key: &JournalKey,
    ) -> Self {
        let mut row = Self::unsigned(seq, prev, (run, kind, at), payload, key.public().id());
        row.sig = key.sign(signed_record(&row.hash).as_bytes());
        row
    }

    /// Makes a hashed row that nobody signed, for a journal that never leaves memory.
    pub(super) fn unsigned(
        seq: u64,
        prev: &str,
        (run, kind, at): (&RunId, &str, Timestamp),
        payload: String,
        signer: &str,
    ) -> Self {
        let mut row = Self {
            seq,
            version: VERSION,
            run: run.0.clone(),
            kind: kind.to_owned(),
            at: at.to_string(),
            prev: prev.to_owned(),
            signer: signer.to_owned(),
            hash: String::new(),
            sig: String::new(),
            payload,
        };
        row.hash = row.hash_as(seq);
        row
    }

    /// The hash that this row has when its number is `seq`.
    pub(super) fn hash_as(&self, seq: u64) -> String {
        let mut hasher = Sha256::new();
        hasher.update(RECORD_DOMAIN);
        hasher.update(self.version.to_be_bytes());
        hasher.update(seq.to_be_bytes());
        let texts = [
            &self.run,
            &self.kind,
            &self.at,
            &self.prev,
            &self.signer,
            &self.payload,
        ];
        for text in texts {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hex(&hasher.finalize())
    }

    /// Checks the row by itself: version, hash, signer, signature.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), Unsound> {
        if self.version != VERSION {
            return Err(Unsound::Version(self.version));
        }
        if self.hash != self.hash_as(self.seq) {
            return Err(Unsound::Hash);
        }
        if self.signer != key.id() {
            return Err(Unsound::Signer(self.signer.clone()));
        }
        if !key.signed(signed_record(&self.hash).as_bytes(), &self.sig) {
            return Err(Unsound::Signature);
        }
        Ok(())
    }

    /// The record in this row.
    ///
    /// # Errors
    /// The time or the payload cannot be read.
    pub(super) fn into_record(self) -> Result<Record, String> {
        let seq = self.seq;
        let at = self
            .at
            .parse()
            .map_err(|error| format!("record {seq} has no time: {error}"))?;
        let payload = serde_json::from_str(&self.payload)
            .map_err(|error| format!("record {seq} has no readable payload: {error}"))?;
        Ok(Record {
            seq,
            run: RunId(self.run),
            kind: self.kind,
            at,
            payload,
            hash: self.hash,
        })
    }
}

impl SignedHead {
    /// Signs that the journal ends with this record.
    pub(super) fn seal(seq: u64, hash: &str, key: &JournalKey) -> Self {
        Self {
            seq,
            hash: hash.to_owned(),
            sig: key.sign(signed_head(seq, hash).as_bytes()),
        }
    }

    /// Whether this key signed it.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.signed(signed_head(self.seq, &self.hash).as_bytes(), &self.sig)
    }
}

fn signed_record(hash: &str) -> String {
    format!("{SIGNED_RECORD}{hash}")
}

fn signed_head(seq: u64, hash: &str) -> String {
    format!("{SIGNED_HEAD}{seq} {hash}")
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that hexadecimal digits stand for, none when they are no such text of exactly `N` bytes.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, kind: &str) -> Row {
        let at = "2026-11-24T03:50:32Z".parse().unwrap();
        let run = RunId(run.into());
        Row::unsigned(1, GENESIS, (&run, kind, at), "{}".into(), "key")
    }

    // Goal: text cannot move from one column to the next without changing the hash.
    #[test]
    fn columns_do_not_run_into_each_other() {
        assert_ne!(row("ab", "c").hash, row("a", "bc").hash);
    }

    // Goal: every column takes part in the hash. Method: change each in turn.
    #[test]
    fn every_column_is_hashed() {
        let sound = row("run", "kind");
        let changes: [fn(&mut Row); 8] = [
            |r| r.version = 2,
            |r| r.run.push('x'),
            |r| r.kind.push('x'),
            |r| r.at.push('x'),
            |r| r.prev.replace_range(0..1, "1"),
            |r| r.signer.push('x'),
            |r| r.payload.push(' '),
            |r| r.seq = 2,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut row = sound.clone();
            change(&mut row);
            assert_ne!(row.hash_as(row.seq), sound.hash, "change {i}");
        }
    }

    // Goal: version 1 stays what it was, since journals outlive the program. Method: a hash computed once is written here.
    #[test]
    fn version_one_never_changes() {
        assert_eq!(
            row("20261124T035032Z-1a2b3c", "run.started").hash,
            "ec2c199c72e1c4d8d035c08ef250e75fa6edd8c22208f991fe8c83cf5901e522"
        );
    }

    // Goal: what is no hexadecimal text of the right length is refused, not read in part.
    #[test]
    fn unhex_is_strict() {
        assert_eq!(unhex::<2>("0aFf"), Some([0x0a, 0xff]));
        for bad in ["", "0a", "0aff0", "0aff00", "+aff", "éa"] {
            assert_eq!(unhex::<2>(bad), None, "{bad}");
        }
    }
}
