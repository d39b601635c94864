//! Opens the SQLite file: for writing with every commit on the disk, for reading without leaving a trace.
//!
//! A killed writer leaves a rollback journal beside the file. A writer lets SQLite play it back. A reader must not write
//! there, so it copies both files to a private temporary directory and lets SQLite play it back in the copy.
//!
//! **Invariant:** a reader creates, changes and removes nothing in the state directory; a writer never uses another schema.

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::error::{damaged, io, sql};
use super::folder::{self, DATABASE, Folder};
use crate::ports::StoreError;

/// How long to wait for another process to end its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite syncs the emptied rollback journal, which saves making and removing it for each record.
const JOURNAL_MODE: &str = "truncate";

/// The version of the schema, in the file's `user_version`.
const SCHEMA_VERSION: i64 = 1;

/// Everything in the file, word for word as SQLite keeps it. The payload is last, so that looking at the other columns
/// does not read it.
const SCHEMA: [(&str, &str); 4] = [
    (
        "records",
        "CREATE TABLE records (seq INTEGER PRIMARY KEY, version INTEGER NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, \
         at TEXT NOT NULL, prev TEXT NOT NULL, signer TEXT NOT NULL, hash TEXT NOT NULL, sig TEXT NOT NULL, \
         payload TEXT NOT NULL) STRICT",
    ),
    (
        "records_by_run",
        "CREATE INDEX records_by_run ON records (run)",
    ),
    (
        "records_by_kind",
        "CREATE INDEX records_by_kind ON records (kind)",
    ),
    (
        "meta",
        "CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL, \
         sig TEXT NOT NULL) STRICT",
    ),
];

/// The name of a table or index, and its statement where it has one.
type Object = (String, Option<String>);

/// The file opened for reading, in place or as a copy that lasts as long as this.
pub(super) struct Reader {
    pub db: Connection,
    _copy: Option<tempfile::TempDir>,
}

/// Opens the file for writing and makes it where there is none.
///
/// `in_use` says that the state directory has served before, so that a missing file is a loss and no beginning.
pub(super) fn open_for_writing(folder: &Folder, in_use: bool) -> Result<Connection, StoreError> {
    let path = folder.path(DATABASE);
    let size = size_of(&path)?;
    if in_use && size.unwrap_or(0) == 0 {
        return Err(damaged(&path, "it is gone, though it has been in use"));
    }
    if size.is_none() {
        folder::write_new(&path, b"").map_err(|error| io("make", &path, error))?;
    }
    refuse_wal(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut db =
        Connection::open_with_flags(&path, flags).map_err(|error| sql("open", &path, error))?;
    let failed = |error| sql("open", &path, error);
    prepare(&db).map_err(failed)?;
    let mode = make_durable(&db).map_err(failed)?;
    if mode != JOURNAL_MODE {
        let why = format!("it cannot be written durably: its journal mode stays {mode}");
        return Err(io("open", &path, why));
    }
    make_schema(&mut db).map_err(failed)?;
    if !judge_schema(&db, &path)? {
        return Err(damaged(&path, "it holds no tables"));
    }
    Ok(db)
}

/// Opens the file for reading; none when there is nothing in it yet.
pub(super) fn open_for_reading(folder: &Folder) -> Result<Option<Reader>, StoreError> {
    let path = folder.path(DATABASE);
    if size_of(&path)?.unwrap_or(0) == 0 {
        return Ok(None);
    }
    refuse_wal(&path)?;
    let reader = match read_in_place(&path) {
        Ok(db) => Reader { db, _copy: None },
        Err(error) if needs_playback(&error) => read_copy(&path)?,
        Err(error) => return Err(sql("read", &path, error)),
    };
    Ok(judge_schema(&reader.db, &path)?.then_some(reader))
}

/// Settings for every connection: nothing that the file itself brings along is carried out.
fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    db.pragma_update(None, "cell_size_check", true)
}

/// Sees to it that a commit that returned is on the disk: the file, the end of the rollback journal, and their entries in
/// the directory. Returns the journal mode that SQLite agreed to.
fn make_durable(db: &Connection) -> rusqlite::Result<String> {
    db.pragma_update(None, "synchronous", "EXTRA")?;
    db.pragma_update_and_check(None, "journal_mode", JOURNAL_MODE, |row| row.get(0))
}

fn make_schema(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let objects: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if objects == 0 {
        for (_, statement) in SCHEMA {
            tx.execute(statement, [])?;
        }
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    tx.commit()
}

/// Compares the schema with what evenkeel makes; false when the file is empty.
fn judge_schema(db: &Connection, path: &Path) -> Result<bool, StoreError> {
    let (version, objects) = read_schema(db).map_err(|error| sql("read", path, error))?;
    if objects.is_empty() {
        return Ok(false);
    }
    if version > SCHEMA_VERSION {
        let why = format!("a newer evenkeel wrote it (version {version}): upgrade this one");
        return Err(io("open", path, why));
    }
    let expected = SCHEMA.iter().map(|(name, sql)| (*name, Some(*sql)));
    let found = objects
        .iter()
        .map(|(name, sql)| (name.as_str(), sql.as_deref()));
    if version != SCHEMA_VERSION || !found.eq(expected) {
        return Err(damaged(
            path,
            "its tables are not those that evenkeel makes",
        ));
    }
    Ok(true)
}

/// The version, and the name and statement of each table and index.
fn read_schema(db: &Connection) -> rusqlite::Result<(i64, Vec<Object>)> {
    let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut statement = db.prepare("SELECT name, sql FROM sqlite_schema ORDER BY rowid")?;
    let objects = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((version, objects.collect::<rusqlite::Result<_>>()?))
}

/// The size of the file, none when it does not exist.
fn size_of(path: &Path) -> Result<Option<u64>, StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
        Ok(_) => Err(damaged(path, "it is no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io("read", path, error)),
    }
}

/// Refuses a file in write-ahead mode: even reading one makes files beside it, and evenkeel never writes one.
fn refuse_wal(path: &Path) -> Result<(), StoreError> {
    let mut header = [0; 20];
    let read = folder::open_file(path)
        .and_then(|file| file.map_or(Ok(()), |mut file| file.read_exact(&mut header)));
    match read {
        Ok(()) if header[18..20].contains(&2) => Err(damaged(
            path,
            "something else has put it in write-ahead mode",
        )),
        Ok(()) => Ok(()),
        // Too short for a header: empty, or for SQLite to judge.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        Err(error) => Err(io("read", path, error)),
    }
}

fn read_in_place(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let db = Connection::open_with_flags(path, flags)?;
    prepare(&db)?;
    // The first read is what finds a rollback journal that has to be played back.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
        row.get::<_, i64>(0)
    })?;
    Ok(db)
}

fn needs_playback(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// Copies the file and its rollback journal and opens the copy, in which SQLite plays the journal back.
fn read_copy(path: &Path) -> Result<Reader, StoreError> {
    let copy = tempfile::Builder::new()
        .prefix("evenkeel-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .map_err(|error| io("copy", path, error))?;
    let target = copy.path().join(DATABASE);
    copy_at_rest(path, &target).map_err(|error| io("copy", path, error))?;
    let db = Connection::open_with_flags(&target, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| prepare(&db).map(|()| db))
        .map_err(|error| sql("read", path, error))?;
    Ok(Reader {
        db,
        _copy: Some(copy),
    })
}

fn copy_at_rest(path: &Path, target: &Path) -> io::Result<()> {
    let Some(mut file) = folder::open_file(path)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    // SQLite's writers hold a lock on bytes of this file from before their first change to after their last: while we
    // share-lock all of it, none is at work and none begins.
    fcntl_lock(&file, FlockOperation::NonBlockingLockShared)
        .map_err(|_| io::Error::other("another run is writing to it at this moment: try again"))?;
    copy_into(&mut file, target)?;
    let journal = beside(path);
    if let Some(mut file) = folder::open_file(&journal)? {
        copy_into(&mut file, &beside(target))?;
    }
    Ok(())
}

fn copy_into(from: &mut File, to: &Path) -> io::Result<()> {
    io::copy(from, &mut File::create_new(to)?).map(|_| ())
}

/// The name that SQLite gives the rollback journal of a file.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}
