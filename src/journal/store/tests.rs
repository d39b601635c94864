use std::collections::BTreeMap;
use std::error::Error;

use serde_json::json;

use super::*;
use crate::journal::verify;
use crate::model::ResourceId;

struct Place {
    top: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            top: tempfile::tempdir().unwrap(),
        }
    }

    fn dir(&self) -> PathBuf {
        self.top.path().join(".evenkeel")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn open(&self) -> Result<Store, StoreError> {
        Store::open(&self.dir(), None)
    }

    fn read(&self) -> Store {
        Store::read_only(&self.dir(), None).unwrap()
    }

    /// Makes a journal of `count` records and closes it.
    fn filled(count: u64) -> Self {
        let place = Self::new();
        let store = place.open().unwrap();
        (0..count).for_each(|_| {
            add(&store).unwrap();
        });
        place
    }

    fn sql(&self, statement: &str) {
        let db = Connection::open(self.file(DATABASE)).unwrap();
        db.execute_batch(statement).unwrap();
    }

    /// Everything in the directory: names, times of change and bytes.
    fn everything(&self) -> BTreeMap<PathBuf, (std::time::SystemTime, Vec<u8>)> {
        let entries = std::fs::read_dir(self.dir()).unwrap();
        entries
            .map(|entry| {
                let path = entry.unwrap().path();
                let changed = path.metadata().unwrap().modified().unwrap();
                let bytes = std::fs::read(&path).unwrap_or_default();
                (path, (changed, bytes))
            })
            .collect()
    }

    /// Copies what a writer leaves when it is killed in the middle of a transaction that has reached the file.
    fn killed_while_writing(&self) -> Self {
        let db = Connection::open(self.file(DATABASE)).unwrap();
        db.execute_batch("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE")
            .unwrap();
        let big = "x".repeat(50_000);
        db.execute("UPDATE records SET payload = ?1 || payload", [&big])
            .unwrap();
        db.execute("UPDATE meta SET seq = seq + 7", []).unwrap();
        let copy = Self::new();
        std::fs::create_dir(copy.dir()).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(copy.dir(), private).unwrap();
        for entry in std::fs::read_dir(self.dir()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.dir().join(entry.file_name())).unwrap();
            }
        }
        let journal = std::fs::read(copy.file("state.db-journal")).unwrap();
        assert!(
            journal.iter().any(|byte| *byte != 0),
            "the transaction has not reached the disk"
        );
        copy
    }
}

fn now() -> Timestamp {
    "2026-11-24T03:50:32.123456789Z".parse().unwrap()
}

fn run() -> RunId {
    RunId("20261124T035032Z-1a2b3c".into())
}

fn add(store: &Store) -> Result<Record, StoreError> {
    store.append(&run(), "intent", now(), json!({"x": "ü\0\n\""}))
}

fn all(store: &Store) -> Vec<Record> {
    store.records(&RecordQuery::default()).unwrap()
}

fn is_damaged<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Damaged { .. }))
}

// Goal: a record comes back as it was appended, after the process that wrote it is gone, to a writer and to a reader.
#[test]
fn records_survive() {
    let place = Place::new();
    let store = place.open().unwrap();
    let written = [add(&store).unwrap(), add(&store).unwrap()];
    assert_eq!(all(&store), written);
    drop(store);
    let store = place.open().unwrap();
    assert_eq!(all(&store), written);
    assert_eq!(all(&place.read()), written);
    let third = add(&store).unwrap();
    assert_eq!(third.seq, 3);
    assert_eq!(store.head().unwrap(), Some((3, third.hash.clone())));
    assert_eq!(place.read().head().unwrap(), Some((3, third.hash)));
    assert!(store.is_durable());
}

// Goal: each part of a query narrows the answer, and a resource is found by what the payload says.
#[test]
fn queries_narrow() {
    let place = Place::new();
    let store = place.open().unwrap();
    let id: ResourceId = "web/File/a\"\n".parse().unwrap();
    let near =
        json!({"note": id.name, "resource": {"target": "db", "kind": "File", "name": id.name}});
    for (name, kind, payload) in [
        ("r1", "intent", json!({"step": {"resource": id}})),
        ("r1", "outcome", json!({"resource": id})),
        ("r2", "intent", near),
    ] {
        store
            .append(&RunId(name.into()), kind, now(), payload)
            .unwrap();
    }
    let seqs = |query: RecordQuery| -> Vec<u64> {
        let records = store.records(&query).unwrap();
        records.iter().map(|record| record.seq).collect()
    };
    let any = RecordQuery::default;
    let run = Some(RunId("r1".into()));
    assert_eq!(
        seqs(RecordQuery {
            run: run.clone(),
            ..any()
        }),
        [1, 2]
    );
    let kinds = vec!["intent", "x"];
    assert_eq!(
        seqs(RecordQuery {
            kinds: kinds.clone(),
            ..any()
        }),
        [1, 3]
    );
    assert_eq!(
        seqs(RecordQuery {
            run,
            kinds,
            ..any()
        }),
        [1]
    );
    assert_eq!(
        seqs(RecordQuery {
            resource: Some(id),
            ..any()
        }),
        [1, 2]
    );
    assert_eq!(seqs(RecordQuery { after: 1, ..any() }), [2, 3]);
    assert_eq!(
        seqs(RecordQuery {
            after: u64::MAX,
            ..any()
        }),
        [0_u64; 0]
    );
}

// Goal: reading leaves no trace: not where there is nothing, not beside a journal, not while a writer is at work.
#[test]
fn reading_writes_nothing() {
    let place = Place::new();
    let empty = place.read();
    assert_eq!((all(&empty).len(), empty.head().unwrap()), (0, None));
    assert_eq!((empty.disclosure_key(), empty.key_id()), (None, None));
    assert!(!place.dir().exists());

    let place = Place::filled(2);
    let before = place.everything();
    let reader = place.read();
    assert_eq!(all(&reader).len(), 2);
    assert!(reader.head().unwrap().is_some());
    assert!(reader.disclosure_key().is_some());
    assert!(reader.kept(&Digest::of(b"x")).unwrap().is_none());
    assert!(add(&reader).is_err());
    assert!(reader.keep(b"x").is_err());
    assert_eq!(place.everything(), before);

    let writer = place.open().unwrap();
    let before = place.everything();
    assert_eq!(all(&place.read()).len(), 2);
    assert_eq!(place.everything(), before);
    add(&writer).unwrap();
    assert_eq!(all(&reader).len(), 3);
}

// Goal: what a killed writer left is read without its half transaction and without being touched, and the next writer
// takes that transaction back. Method: the files are copied in the middle of one.
#[test]
fn a_hot_journal_is_read_and_recovered() {
    let place = Place::filled(20);
    let expected = all(&place.read());
    let copy = place.killed_while_writing();
    let before = copy.everything();
    let reader = copy.read();
    assert_eq!(all(&reader), expected);
    assert_eq!(reader.head().unwrap().map(|(seq, _)| seq), Some(20));
    assert!(verify(&copy.dir(), None, None).unwrap().is_sound());
    assert_eq!(copy.everything(), before);

    let store = copy.open().unwrap();
    assert_eq!(all(&store), expected);
    assert_eq!(add(&store).unwrap().seq, 21);
    drop(store);
    assert!(verify(&copy.dir(), None, None).unwrap().is_sound());
    assert_eq!(all(&copy.read()).len(), 21);
}

// Goal: a writer that is killed while the first file is made leaves nothing that stops the next one. Method: the states in
// between are made by hand.
#[test]
fn a_broken_beginning_is_begun_again() {
    for leftover in [".gitignore", DATABASE, KEY, PUBLIC_KEY] {
        let place = Place::filled(0);
        let names = [".gitignore", DATABASE, KEY, PUBLIC_KEY, DISCLOSURE_KEY];
        let made = names.iter().position(|name| *name == leftover).unwrap();
        for name in &names[made + 1..] {
            std::fs::remove_file(place.file(name)).unwrap();
        }
        if leftover == DATABASE {
            std::fs::write(place.file(DATABASE), "").unwrap();
        }
        let half = place.file(".evenkeel-half");
        std::fs::write(&half, "key").unwrap();
        assert!(all(&place.read()).is_empty(), "{leftover}");
        let store = place.open().unwrap();
        add(&store).unwrap();
        assert!(!half.exists());
        assert!(
            verify(&place.dir(), None, None).unwrap().is_sound(),
            "{leftover}"
        );
    }
}

// Goal: a database that vanished is damage and no new beginning.
#[test]
fn a_lost_database_is_noticed() {
    let place = Place::filled(1);
    std::fs::write(place.file(DATABASE), "").unwrap();
    assert!(is_damaged(place.open()));
    std::fs::remove_file(place.file(DATABASE)).unwrap();
    assert!(is_damaged(place.open()));
}

// Goal: a full disk gives an error that says that nothing will be done, leaves no half record, and ends when there is room.
// Method: SQLite is told that it may not grow.
#[test]
fn a_full_disk_stops_everything() {
    let place = Place::filled(1);
    let store = place.open().unwrap();
    let limit = |pages: u32| {
        let open = store.writing.as_ref().unwrap().open.lock().unwrap();
        let set = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        open.db
            .pragma_update_and_check(None, "max_page_count", pages, set)
            .unwrap();
    };
    limit(1);
    let big = json!("x".repeat(100_000));
    let error = store.append(&run(), "x", now(), big.clone()).unwrap_err();
    let source = error.source().unwrap();
    assert_eq!(source.to_string(), "no journal, no action");
    assert!(source.source().unwrap().to_string().contains("full"));
    assert_eq!(all(&store).len(), 1);
    limit(1_000_000);
    assert_eq!(store.append(&run(), "x", now(), big).unwrap().seq, 2);
    assert!(verify(&place.dir(), None, None).unwrap().is_sound());
}

// Goal: what was appended survives a loss of power: SQLite syncs everything (3 is EXTRA) and never uses a write-ahead log.
#[test]
fn commits_are_on_the_disk() {
    let place = Place::filled(1);
    let store = place.open().unwrap();
    let open = store.writing.as_ref().unwrap().open.lock().unwrap();
    let ask = |name: &str| -> String {
        let text = |row: &rusqlite::Row<'_>| Ok(format!("{:?}", row.get_ref(0)?));
        open.db.pragma_query_value(None, name, text).unwrap()
    };
    assert_eq!(ask("synchronous"), "Integer(3)");
    assert_eq!(
        ask("journal_mode"),
        format!("{:?}", rusqlite::types::ValueRef::Text(b"truncate"))
    );
}

// Goal: a directory that cannot be written gives the same error. Method: a directory stands where SQLite wants its journal,
// which stops root too.
#[test]
fn an_unwritable_directory_stops_everything() {
    let place = Place::filled(1);
    let store = place.open().unwrap();
    let journal = place.file("state.db-journal");
    let _ = std::fs::remove_file(&journal);
    std::fs::create_dir(&journal).unwrap();
    drop(store);
    assert!(place.open().and_then(|store| add(&store)).is_err());
    std::fs::remove_dir(&journal).unwrap();
    assert_eq!(add(&place.open().unwrap()).unwrap().seq, 2);
}

// Goal: a changed record is not given out, whichever question leads to it, while other records still are.
#[test]
fn changed_records_are_refused() {
    let place = Place::filled(3);
    place.sql("UPDATE records SET payload = '{}' WHERE seq = 2");
    let store = place.open().unwrap();
    assert!(is_damaged(store.records(&RecordQuery::default())));
    let after = RecordQuery {
        after: 2,
        ..RecordQuery::default()
    };
    assert_eq!(store.records(&after).unwrap().len(), 1);
}

// Goal: a journal whose end was changed, removed or cut is not written on. Method: each way, by SQL.
#[test]
fn a_damaged_end_is_refused() {
    for statement in [
        "UPDATE records SET payload = '{}' WHERE seq = 3",
        "UPDATE records SET sig = replace(sig, substr(sig, 1, 4), '0000') WHERE seq = 3",
        "DELETE FROM records WHERE seq = 3",
        "DELETE FROM records",
        "DELETE FROM meta",
        "UPDATE meta SET seq = 2",
        "UPDATE meta SET sig = ''",
        "DELETE FROM records WHERE seq = 3; UPDATE meta SET seq = 2, hash = (SELECT hash FROM records WHERE seq = 2)",
    ] {
        let place = Place::filled(3);
        place.sql(statement);
        let Err(StoreError::Damaged { what, .. }) = place.open() else {
            panic!("{statement}");
        };
        assert!(what.contains("journal verify"), "{what}");
    }
}

// Goal: a schema that carries code, another mode and a file that is no database are refused, and leave nothing behind.
#[test]
fn foreign_databases_are_refused() {
    let trigger = "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END";
    let view = "ALTER TABLE records RENAME TO r; CREATE VIEW records AS SELECT * FROM r";
    for statement in [
        trigger,
        view,
        "DROP INDEX records_by_kind",
        "PRAGMA journal_mode = WAL",
    ] {
        let place = Place::filled(1);
        place.sql(statement);
        let before = place.everything();
        assert!(is_damaged(place.open()), "{statement}");
        assert!(
            is_damaged(place.read().records(&RecordQuery::default())),
            "{statement}"
        );
        let names: Vec<_> = place.everything().into_keys().collect();
        assert_eq!(names, before.into_keys().collect::<Vec<_>>(), "{statement}");
    }
    let place = Place::filled(1);
    std::fs::write(place.file(DATABASE), "x".repeat(8192)).unwrap();
    assert!(is_damaged(place.open()));
    let place = Place::filled(1);
    place.sql("PRAGMA user_version = 2");
    let Err(error) = place.open() else { panic!() };
    assert!(error.source().unwrap().to_string().contains("upgrade"));
}

// Goal: two processes never write to one store, and the second one can as soon as the first is gone.
#[test]
fn one_writer_at_a_time() {
    let place = Place::new();
    let first = place.open().unwrap();
    let Err(error) = place.open() else { panic!() };
    assert!(error.source().unwrap().to_string().contains("another run"));
    drop(first);
    assert!(place.open().is_ok());
}

// Goal: a record that could not be read again is not written.
#[test]
fn unreadable_records_are_refused() {
    let place = Place::new();
    let store = place.open().unwrap();
    let deep = (0..=mentions::MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    assert!(store.append(&run(), "x", now(), deep).is_err());
    assert_eq!(store.head().unwrap(), None);
}

// Goal: the key may lie elsewhere; a journal is never continued with another key, and a lost key is not made anew.
#[test]
fn the_key_is_bound_to_the_journal() {
    let place = Place::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let (key, other) = (elsewhere.path().join("k"), elsewhere.path().join("other"));
    let store = Store::open(&place.dir(), Some(&key)).unwrap();
    let record = add(&store).unwrap();
    let id = store.key_id().unwrap().to_owned();
    drop(store);
    assert!(!place.file(KEY).exists());
    assert_eq!(place.read().key_id(), Some(id.as_str()));
    let reader = Store::read_only(&place.dir(), Some(&key)).unwrap();
    assert_eq!(all(&reader), [record]);

    assert!(place.open().is_err());
    assert!(!place.file(KEY).exists());
    assert!(Store::open(&place.dir(), Some(&other)).is_err());
    assert!(!other.exists());
    JournalKey::make(&other).unwrap();
    assert!(is_damaged(Store::open(&place.dir(), Some(&other))));
    let reader = Store::read_only(&place.dir(), Some(&other)).unwrap();
    assert!(is_damaged(reader.records(&RecordQuery::default())));
    assert!(is_damaged(reader.head()));
    std::fs::copy(place.file(PUBLIC_KEY), elsewhere.path().join("pub")).unwrap();
    let pinned = Store::read_only(&place.dir(), Some(&elsewhere.path().join("pub"))).unwrap();
    assert_eq!(all(&pinned).len(), 1);
    assert_eq!(
        Store::open(&place.dir(), Some(&key)).unwrap().key_id(),
        Some(id.as_str())
    );
}

// Goal: a public key that does not belong to the key that signs is noticed, since readers would be misled.
#[test]
fn a_foreign_public_key_is_noticed() {
    let place = Place::filled(1);
    let other = Place::filled(0);
    std::fs::copy(other.file(PUBLIC_KEY), place.file(PUBLIC_KEY)).unwrap();
    assert!(is_damaged(place.open()));
    assert!(is_damaged(place.read().head()));
}

// Goal: the key that veils content stays the same from run to run, also for readers.
#[test]
fn the_disclosure_key_stays() {
    let place = Place::filled(0);
    let key = place.read().disclosure_key();
    assert!(key.is_some());
    assert_eq!(place.open().unwrap().disclosure_key(), key);
}

// Goal: kept content is there for the next process, writer or reader.
#[test]
fn kept_content_survives() {
    let place = Place::new();
    let digest = place.open().unwrap().keep(b"before").unwrap();
    let bytes = place.read().kept(&digest).unwrap().unwrap();
    assert_eq!(bytes[..], b"before"[..]);
}
