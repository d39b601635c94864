//! Proves that the journal is what was written: each record, their order, where it ends, and the content that they need.
//!
//! Flow: the chain from the first record on, then the signed head, then the head that the caller expects, then SQLite's own
//! check and the kept content. The first flaw ends it.
//!
//! **Invariant:** reads only, needs no lock, and never calls a journal whole of which a part was not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::folder::{DATABASE, Folder};
use super::format::{GENESIS, Row, SignedHead, Unsound, VERSION};
use super::key::PublicKey;
use super::store::public_key;
use super::{database, error, kept, mentions, rows};
use crate::model::Digest;
use crate::ports::{RecordQuery, StoreError};

/// At most so many bytes are hashed to find out which number a record had.
const MAX_HASHED: u64 = 256 << 20;

/// What was found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VerifyReport {
    /// Records that are sound, up to the first flaw.
    pub records: u64,
    /// Runs among them.
    pub runs: u64,
    /// The newest of them.
    pub head: Option<Head>,
    /// The id of the key that all was checked with; none when there is no key yet.
    pub key: Option<String>,
    /// How many records came after the expected head, where one was expected and found.
    pub after_expected: Option<u64>,
    /// Pieces of kept content that are what they were.
    pub kept: u64,
    /// The first thing that is wrong; none when all holds.
    pub flaw: Option<Flaw>,
}

/// One record, as a person notes it down.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Head {
    pub seq: u64,
    pub hash: String,
}

/// The first thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Flaw {
    pub kind: FlawKind,
    /// The record, where it is one.
    pub seq: Option<u64>,
    /// What it is, as a sentence without its end.
    pub what: String,
}

/// The sort of flaw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FlawKind {
    /// Something is not what was written.
    Changed,
    /// Something is missing that others follow on or refer to.
    Removed,
    /// Records are whole, but not where they were.
    Reordered,
    /// The end is missing.
    Truncated,
    /// Another key signed it.
    Forged,
    /// It cannot be read.
    Unreadable,
}

impl VerifyReport {
    /// Whether all holds.
    pub fn is_sound(&self) -> bool {
        self.flaw.is_none()
    }
}

/// Verifies the journal in a state directory.
///
/// `key` is a file with the public or private key; a public key that is kept elsewhere is what tells a journal that was
/// signed anew. Without it `journal.pub` in the directory is used. `expect_head` is the hash that an earlier run printed:
/// it must be among the records, of which more may have come since.
///
/// # Errors
/// The directory or the key cannot be used, or `expect_head` is no hash. What is wrong with the journal is in the report.
pub fn verify(
    dir: &Path,
    key: Option<&Path>,
    expect_head: Option<&str>,
) -> Result<VerifyReport, StoreError> {
    let expected = expect_head.map(parse_hash).transpose()?;
    let mut pass = Pass::new(expected);
    let Some(folder) = Folder::of_anyone(dir)? else {
        pass.end_of_chain(None);
        return Ok(pass.report);
    };
    let key = public_key(&folder, key)?;
    pass.report.key = key.as_ref().map(|key| key.id().to_owned());
    pass.database(&folder, key.as_ref())?;
    if pass.report.flaw.is_none() {
        pass.content(&folder);
    }
    Ok(pass.report)
}

fn parse_hash(text: &str) -> Result<String, StoreError> {
    let text = text.trim().to_ascii_lowercase();
    match super::format::unhex::<32>(&text) {
        Some(_) => Ok(text),
        None => Err(error::io(
            "verify",
            Path::new(&text),
            "the expected head is not 64 hexadecimal digits",
        )),
    }
}

/// One pass over a journal.
struct Pass {
    report: VerifyReport,
    expected: Option<String>,
    runs: BTreeSet<String>,
    /// Content that must be kept, with the first record that says so.
    promised: BTreeMap<Digest, u64>,
}

impl Pass {
    fn new(expected: Option<String>) -> Self {
        Self {
            report: VerifyReport {
                records: 0,
                runs: 0,
                head: None,
                key: None,
                after_expected: None,
                kept: 0,
                flaw: None,
            },
            expected,
            runs: BTreeSet::new(),
            promised: BTreeMap::new(),
        }
    }

    fn flaw(&mut self, kind: FlawKind, seq: Option<u64>, what: impl Into<String>) {
        let what = what.into();
        self.report.flaw.get_or_insert(Flaw { kind, seq, what });
    }

    /// Checks all that is in the database. Damage is a flaw; what the system refuses is an error.
    fn database(&mut self, folder: &Folder, key: Option<&PublicKey>) -> Result<(), StoreError> {
        let reader = match database::open_for_reading(folder) {
            Ok(reader) => reader,
            Err(StoreError::Damaged { what, .. }) => {
                self.flaw(FlawKind::Unreadable, None, what);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let checked = match &reader {
            Some(reader) => self.chain(&reader.db, key),
            None => {
                self.end_of_chain(None);
                Ok(())
            }
        };
        match checked {
            Ok(()) => Ok(()),
            Err(error) if error::is_damage(&error) => {
                let next = self.report.records + 1;
                let what = format!("record {next} or what follows cannot be read: {error}");
                self.flaw(FlawKind::Unreadable, Some(next), what);
                Ok(())
            }
            Err(error) => Err(error::sql("read", &folder.path(DATABASE), error)),
        }
    }

    fn chain(&mut self, db: &Connection, key: Option<&PublicKey>) -> rusqlite::Result<()> {
        // One transaction: a run that writes meanwhile does not move the head under us.
        let db = db.unchecked_transaction()?;
        let mut suspect = None;
        rows::each(&db, &RecordQuery::default(), &mut |row| {
            suspect = self.take(row, key).err();
            suspect.is_none() && self.report.flaw.is_none()
        })?;
        if let Some(row) = suspect {
            self.explain(&db, &row)?;
        }
        let head = rows::head(&db)?;
        if self.report.flaw.is_none() {
            self.signed_head(head.as_ref(), key);
        }
        if self.report.flaw.is_none() {
            self.end_of_chain(Some(&db));
        }
        Ok(())
    }

    fn hash_before(&self) -> &str {
        self.report
            .head
            .as_ref()
            .map_or(GENESIS, |head| head.hash.as_str())
    }

    /// Takes the next record, or gives it back when it does not belong here.
    fn take(&mut self, row: Row, key: Option<&PublicKey>) -> Result<(), Box<Row>> {
        let seq = self.report.records + 1;
        let Some(key) = key else {
            let what = "there are records, and no key to check them with";
            self.flaw(FlawKind::Removed, None, what);
            return Ok(());
        };
        if row.seq != seq || row.hash != row.hash_as(seq) || row.prev != self.hash_before() {
            return Err(Box::new(row));
        }
        if let Err(unsound) = row.check(key) {
            let kind = match unsound {
                Unsound::Signer(_) => FlawKind::Forged,
                Unsound::Version(_) => FlawKind::Unreadable,
                Unsound::Hash | Unsound::Signature => FlawKind::Changed,
            };
            let what = format!("record {seq} {}", unsound.describe(key));
            self.flaw(kind, Some(seq), what);
            return Ok(());
        }
        self.runs.insert(row.run.clone());
        let record = match row.into_record() {
            Ok(record) => record,
            Err(what) => {
                self.flaw(FlawKind::Unreadable, Some(seq), what);
                return Ok(());
            }
        };
        for digest in mentions::promised(&record.payload) {
            self.promised.entry(digest).or_insert(seq);
        }
        if self.expected.as_ref() == Some(&record.hash) {
            self.report.after_expected = Some(0);
        } else if let Some(after) = &mut self.report.after_expected {
            *after += 1;
        }
        self.report.records = seq;
        self.report.runs = self.runs.len() as u64;
        self.report.head = Some(Head {
            seq,
            hash: record.hash,
        });
        Ok(())
    }

    /// Says what was done to the journal where a record does not belong in its place.
    fn explain(&mut self, db: &Connection, row: &Row) -> rusqlite::Result<()> {
        let seq = self.report.records + 1;
        let follower = rows::follower_of(db, self.hash_before())?
            .filter(|follower| follower.seq != seq && follower.hash == follower.hash_as(seq));
        let (kind, what) = if let Some(moved) = follower {
            let what = format!("record {seq} was moved and is now number {}", moved.seq);
            (FlawKind::Reordered, what)
        } else if row.seq != seq {
            (FlawKind::Removed, format!("record {seq} is missing"))
        } else if row.version != VERSION {
            let what = format!("record {seq} is in a format that this evenkeel does not know");
            (FlawKind::Unreadable, what)
        } else if was_moved(row, rows::highest(db)?) {
            let what = format!("record {seq} is missing, and another stands in its place");
            (FlawKind::Removed, what)
        } else {
            let what = format!("record {seq} is not what was written: its hash does not fit it");
            (FlawKind::Changed, what)
        };
        self.flaw(kind, Some(seq), what);
        Ok(())
    }

    fn signed_head(&mut self, head: Option<&SignedHead>, key: Option<&PublicKey>) {
        let last = self.report.records;
        let (kind, what) = match (head, key) {
            (None, _) if last == 0 => return,
            (None, _) => (
                FlawKind::Changed,
                "the signed note of where the journal ends is missing".to_owned(),
            ),
            (Some(head), _) if head.seq > last => (
                FlawKind::Truncated,
                format!(
                    "the journal should end with record {} and ends with {last}",
                    head.seq
                ),
            ),
            (Some(head), Some(key))
                if head.is_signed_by(key)
                    && head.seq == last
                    && head.hash == self.hash_before() =>
            {
                return;
            }
            (Some(_), _) => (
                FlawKind::Changed,
                "the signed note of where the journal ends is not what was written".to_owned(),
            ),
        };
        self.flaw(kind, None, what);
    }

    /// Checks the end against what the caller expects, and the database as a whole.
    fn end_of_chain(&mut self, db: Option<&Connection>) {
        if self.expected.is_some() && self.report.after_expected.is_none() {
            let what = match self.report.records {
                0 => "there are no records, and there was one".to_owned(),
                last => format!(
                    "the expected head is not among the {last} records: what came after some earlier record \
                     was cut off or replaced"
                ),
            };
            self.flaw(FlawKind::Truncated, None, what);
        }
        let Some(db) = db.filter(|_| self.report.flaw.is_none()) else {
            return;
        };
        match rows::count(db) {
            Ok(count) if count == self.report.records => {}
            Ok(count) => {
                let what = format!(
                    "the database holds {count} rows for {} records",
                    self.report.records
                );
                self.flaw(FlawKind::Changed, None, what);
                return;
            }
            Err(error) => {
                self.flaw(FlawKind::Unreadable, None, format!("the database: {error}"));
                return;
            }
        }
        let answer = db.query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        });
        match answer {
            Ok(answer) if answer == "ok" => {}
            Ok(answer) => self.flaw(FlawKind::Changed, None, format!("the database: {answer}")),
            Err(error) => self.flaw(FlawKind::Unreadable, None, format!("the database: {error}")),
        }
    }

    /// Checks all kept content, and that what the records promise is there.
    fn content(&mut self, folder: &Folder) {
        let kept = match kept::all(folder) {
            Ok(kept) => kept,
            Err(error) => {
                self.flaw(FlawKind::Changed, None, message(&error));
                return;
            }
        };
        for digest in &kept {
            match kept::kept(folder, digest) {
                Ok(Some(_)) => self.report.kept += 1,
                Ok(None) => {}
                Err(error) => {
                    let seq = self.promised.get(digest).copied();
                    self.flaw(FlawKind::Changed, seq, message(&error));
                    return;
                }
            }
        }
        let lost = self
            .promised
            .iter()
            .filter(|(digest, _)| kept.binary_search(digest).is_err())
            .min_by_key(|(_, seq)| **seq)
            .map(|(digest, seq)| (*digest, *seq));
        if let Some((digest, seq)) = lost {
            let what = format!("the content {digest} that record {seq} needs for undo is missing");
            self.flaw(FlawKind::Removed, Some(seq), what);
        }
    }
}

/// Whether the row is whole under its own number or one near it, which tells a moved record from a changed one.
fn was_moved(row: &Row, highest: u64) -> bool {
    let each = row.payload.len() as u64 + 256;
    let far = highest.min(MAX_HASHED / each);
    let near = row.seq.saturating_sub(far)..=row.seq.saturating_add(far);
    near.into_iter().any(|seq| row.hash == row.hash_as(seq))
}

fn message(error: &StoreError) -> String {
    crate::report_chain(error)
}

#[cfg(test)]
mod tests;
