//! The state store on the disk: the journal in SQLite, kept content beside it.
//!
//! **Invariant:** what `append` or `keep` returned is on the disk; a failed one leaves nothing behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::Value as Json;

use super::error::{NotJournalled, damaged, io, is_damage, sql};
use super::folder::{self, DATABASE, DISCLOSURE_KEY, Folder, KEY, PUBLIC_KEY, Privacy};
use super::format::{GENESIS, Row, SignedHead};
use super::key::{JournalKey, PublicKey};
use super::{database, kept, mentions, rows};
use crate::model::{Digest, RunId};
use crate::ports::{Record, RecordQuery, StateStore, StoreError};

/// No payload is longer, in bytes of JSON.
const MAX_PAYLOAD: usize = 64 << 20;

const APPEND: &str = "append to";
const READ: &str = "read";

/// The state store in a directory of its own.
pub struct Store {
    /// None: there is no directory yet, and this store only reads.
    folder: Option<Folder>,
    writing: Option<Writing>,
    /// None: nothing was ever recorded, and this store only reads.
    key: Option<PublicKey>,
    disclosure_key: Option<[u8; 32]>,
}

struct Writing {
    key: JournalKey,
    open: Mutex<Open>,
    /// Holds the directory for this process, also against one that shares nothing else with it (another container).
    _lock: File,
}

struct Open {
    db: Connection,
    /// Number and hash of the newest record when last checked.
    known: Option<(u64, String)>,
}

impl Store {
    /// Opens the store for writing and makes what is missing: directory, database, keys.
    ///
    /// The journal is signed with the key at `key`, or with `journal.key` in the directory; a missing key is made, but
    /// only while the journal is empty. What a killed run left half written is cleared away.
    ///
    /// # Errors
    /// Another process has it open for writing; the directory or a key is not safe to use; the journal's end is not what the key signed; the disk refuses.
    pub fn open(dir: &Path, key: Option<&Path>) -> Result<Self, StoreError> {
        let folder = Folder::prepare(dir)?;
        let lock = folder.lock()?;
        let path = folder.path(DATABASE);
        let in_use = folder.secret(DISCLOSURE_KEY, false)?.is_some();
        let db = database::open_for_writing(&folder, in_use)?;
        let newest = rows::newest(&db).map_err(|error| sql(READ, &path, error))?;
        let head = rows::head(&db).map_err(|error| sql(READ, &path, error))?;
        let is_empty = newest.is_none() && head.is_none();

        let key = signing_key(&folder, key, is_empty)?;
        rows::judge_tail(newest.as_ref(), head.as_ref(), key.public())
            .map_err(|why| damaged(&path, why))?;
        publish(&folder, key.public(), is_empty)?;
        folder.clear_temporary()?;
        Ok(Self {
            // Made last: from here on a missing database is a loss and no beginning.
            disclosure_key: folder.secret(DISCLOSURE_KEY, true)?,
            key: Some(key.public().clone()),
            writing: Some(Writing {
                _lock: lock,
                key,
                open: Mutex::new(Open {
                    db,
                    known: newest.map(|row| (row.seq, row.hash)),
                }),
            }),
            folder: Some(folder),
        })
    }

    /// Opens the store for reading and writes nothing in its directory, whatever a killed run left there.
    ///
    /// `key` is a private or public key file; without it signatures are checked with `journal.pub` in the directory. A
    /// directory or database that does not exist yet reads as an empty store.
    ///
    /// # Errors
    /// The directory or the key is not safe to use, or cannot be read.
    pub fn read_only(dir: &Path, key: Option<&Path>) -> Result<Self, StoreError> {
        let folder = Folder::existing(dir)?;
        let (key, disclosure_key) = match &folder {
            None => (None, None),
            Some(folder) => (
                public_key(folder, key)?,
                folder.secret(DISCLOSURE_KEY, false)?,
            ),
        };
        Ok(Self {
            folder,
            writing: None,
            key,
            disclosure_key,
        })
    }

    /// The id of the key that the journal is signed with, none when there is no key yet.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(PublicKey::id)
    }

    /// Calls `look` with the open database, or with none when there is nothing in it yet.
    fn with_db<T>(
        &self,
        look: impl FnOnce(Option<&Connection>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match (&self.writing, &self.folder) {
            (Some(writing), _) => {
                let open = writing.open.lock().unwrap_or_else(PoisonError::into_inner);
                look(Some(&open.db))
            }
            (None, Some(folder)) => {
                // Opened at each look: a writer may be killed at any moment, and then the way to read changes.
                let reader = database::open_for_reading(folder)?;
                look(reader.as_ref().map(|reader| &reader.db))
            }
            (None, None) => look(None),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder
            .as_ref()
            .map_or_else(PathBuf::new, |folder| folder.path(DATABASE))
    }

    fn public(&self) -> Result<&PublicKey, StoreError> {
        self.key.as_ref().ok_or_else(|| {
            let why = format!("there are records, and no {PUBLIC_KEY} to check them with");
            damaged(&self.path(), why)
        })
    }

    fn for_writing(&self) -> Result<(&Writing, &Folder), StoreError> {
        match (&self.writing, &self.folder) {
            (Some(writing), Some(folder)) => Ok((writing, folder)),
            _ => Err(io(
                "write to",
                &self.path(),
                "it was opened for reading only",
            )),
        }
    }
}

impl Open {
    /// The newest record's number and hash. What another process appended since is checked first.
    fn newest(&mut self, path: &Path, key: &PublicKey) -> Result<(u64, String), StoreError> {
        let newest = rows::newest(&self.db).map_err(|error| sql(APPEND, path, error))?;
        let now = newest.as_ref().map(|row| (row.seq, row.hash.clone()));
        if now != self.known {
            let head = rows::head(&self.db).map_err(|error| sql(APPEND, path, error))?;
            rows::judge_tail(newest.as_ref(), head.as_ref(), key)
                .map_err(|why| damaged(path, why))?;
        }
        self.known = now;
        Ok(self
            .known
            .clone()
            .unwrap_or_else(|| (0, GENESIS.to_owned())))
    }

    fn append(
        &mut self,
        path: &Path,
        key: &JournalKey,
        content: (&RunId, &str, Timestamp),
        payload: String,
    ) -> Result<Row, StoreError> {
        let refused = |error: rusqlite::Error| match is_damage(&error) {
            true => damaged(path, error),
            false => io(APPEND, path, NotJournalled(error.into())),
        };
        // Begun by hand, so that the newest record is read under the lock that the insert holds.
        self.db.execute_batch("BEGIN IMMEDIATE").map_err(refused)?;
        let sealed = self.newest(path, key.public()).and_then(|(seq, prev)| {
            let row = Row::seal(seq + 1, &prev, content, payload, key);
            let head = SignedHead::seal(row.seq, &row.hash, key);
            rows::insert(&self.db, &row, &head).map_err(refused)?;
            Ok(row)
        });
        let done = sealed.and_then(|row| {
            self.db.execute_batch("COMMIT").map_err(refused)?;
            Ok(row)
        });
        match &done {
            Ok(row) => self.known = Some((row.seq, row.hash.clone())),
            Err(_) if self.db.is_autocommit() => {}
            Err(_) => {
                if let Err(error) = self.db.execute_batch("ROLLBACK") {
                    tracing::warn!(%error, "could not take back a record that was not written");
                }
            }
        }
        done
    }
}

impl StateStore for Store {
    fn append(
        &self,
        run: &RunId,
        kind: &str,
        at: Timestamp,
        payload: Json,
    ) -> Result<Record, StoreError> {
        let (writing, _) = self.for_writing()?;
        let path = self.path();
        let text = payload.to_string();
        if !mentions::is_shallow(&payload) || text.len() > MAX_PAYLOAD {
            let why = NotJournalled("the record is too large or too deep".into());
            return Err(io(APPEND, &path, why));
        }
        let mut open = writing.open.lock().unwrap_or_else(PoisonError::into_inner);
        let row = open.append(&path, &writing.key, (run, kind, at), text)?;
        Ok(Record {
            seq: row.seq,
            run: run.clone(),
            kind: kind.to_owned(),
            at,
            payload,
            hash: row.hash,
        })
    }

    fn records(&self, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let path = self.path();
        self.with_db(|db| {
            let Some(db) = db else {
                return Ok(Vec::new());
            };
            let trace = query.resource.as_ref().map(mentions::trace);
            let mut found = Ok(Vec::new());
            rows::each(db, query, &mut |row| {
                if trace
                    .as_ref()
                    .is_some_and(|text| !row.payload.contains(text))
                {
                    return true;
                }
                let record = self.public().and_then(|key| checked(row, key, &path));
                match (&mut found, record) {
                    (Ok(records), Ok(record)) => {
                        let id = query.resource.as_ref();
                        if id.is_none_or(|id| mentions::mentions(&record.payload, id)) {
                            records.push(record);
                        }
                        true
                    }
                    (_, Err(error)) => {
                        found = Err(error);
                        false
                    }
                    (Err(_), Ok(_)) => false,
                }
            })
            .map_err(|error| sql(READ, &path, error))?;
            found
        })
    }

    fn head(&self) -> Result<Option<(u64, String)>, StoreError> {
        let path = self.path();
        self.with_db(|db| {
            let Some(db) = db else { return Ok(None) };
            let newest = rows::newest(db).map_err(|error| sql(READ, &path, error))?;
            let head = rows::head(db).map_err(|error| sql(READ, &path, error))?;
            if newest.is_some() || head.is_some() {
                rows::judge_tail(newest.as_ref(), head.as_ref(), self.public()?)
                    .map_err(|why| damaged(&path, why))?;
            }
            Ok(newest.map(|row| (row.seq, row.hash)))
        })
    }

    fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        kept::keep(self.for_writing()?.1, bytes)
    }

    fn kept(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        match &self.folder {
            Some(folder) => kept::kept(folder, digest),
            None => Ok(None),
        }
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn disclosure_key(&self) -> Option<[u8; 32]> {
        self.disclosure_key
    }
}

fn checked(row: Row, key: &PublicKey, path: &Path) -> Result<Record, StoreError> {
    row.check(key).map_err(|unsound| {
        let why = format!("record {} {}", row.seq, unsound.describe(key));
        damaged(path, why)
    })?;
    row.into_record().map_err(|why| damaged(path, why))
}

/// Reads the key that signs, and makes one where there is neither a key nor a record.
fn signing_key(
    folder: &Folder,
    path: Option<&Path>,
    is_empty: bool,
) -> Result<JournalKey, StoreError> {
    let path = path.map_or_else(|| folder.path(KEY), Path::to_path_buf);
    match JournalKey::read(&path)? {
        Some(key) => Ok(key),
        None if is_empty => JournalKey::make(&path),
        None => Err(io(
            "use the key of",
            &path,
            "there is no such file, and the journal has records that need it (see --journal-key)",
        )),
    }
}

/// Writes the public key beside the journal, for readers that do not have the private one.
fn publish(folder: &Folder, key: &PublicKey, is_empty: bool) -> Result<(), StoreError> {
    let path = folder.path(PUBLIC_KEY);
    let pem = key.pem();
    let there = folder::read_file(&path, 4096, Privacy::Any).map_err(|why| io(READ, &path, why))?;
    let write = || folder::write_over(&path, pem.as_bytes(), &folder.temporary()?);
    match there {
        Some(there) if there.as_slice() == pem.as_bytes() => Ok(()),
        Some(_) if !is_empty => Err(damaged(
            &path,
            format!(
                "it is not the public part of the key {} that signed the journal",
                key.id()
            ),
        )),
        _ => write().map_err(|error| io("write", &path, error)),
    }
}

/// The key to check signatures with: the given file, or what lies in the directory.
pub(super) fn public_key(
    folder: &Folder,
    path: Option<&Path>,
) -> Result<Option<PublicKey>, StoreError> {
    let published = folder.path(PUBLIC_KEY);
    match path {
        // A key that will be made when the first run writes.
        Some(path) if !path.exists() && !published.exists() => Ok(None),
        Some(path) => PublicKey::read(path).map(Some),
        None if published.exists() => PublicKey::read(&published).map(Some),
        None => Ok(JournalKey::read(&folder.path(KEY))?.map(|key| key.public().clone())),
    }
}

#[cfg(test)]
mod tests;
