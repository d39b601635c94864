use std::path::PathBuf;

use rusqlite::{Connection, params};
use serde_json::json;

use super::*;
use crate::journal::folder::{DATABASE, PUBLIC_KEY};
use crate::journal::format::Row;
use crate::journal::key::JournalKey;
use crate::journal::store::Store;
use crate::model::{Blob, Observed, RunId, State};
use crate::ports::{Record, RecordQuery, StateStore};

struct Journal {
    top: tempfile::TempDir,
    records: Vec<Record>,
}

impl Journal {
    /// Six records of two runs; the third promises content that is kept.
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let mut journal = Self {
            top,
            records: Vec::new(),
        };
        let store = Store::open(&journal.dir(), None).unwrap();
        store.keep(b"before").unwrap();
        store.keep(b"also").unwrap();
        for i in 0..6_u64 {
            let payload = match i {
                2 => json!({"step": {"undo": "restore"}, "before": before()}),
                i => json!({"i": i}),
            };
            let run = RunId(format!("run-{}", i / 4));
            let at = "2026-11-24T03:50:32Z".parse().unwrap();
            journal
                .records
                .push(store.append(&run, "x", at, payload).unwrap());
        }
        journal
    }

    fn dir(&self) -> PathBuf {
        self.top.path().join(".evenkeel")
    }

    fn db(&self) -> Connection {
        Connection::open(self.dir().join(DATABASE)).unwrap()
    }

    fn sql(self, statements: &str) -> Self {
        self.db().execute_batch(statements).unwrap();
        self
    }

    fn verify(&self) -> VerifyReport {
        verify(&self.dir(), None, None).unwrap()
    }

    fn expecting(&self, hash: &str) -> VerifyReport {
        verify(&self.dir(), None, Some(hash)).unwrap()
    }

    fn hash(&self, seq: usize) -> &str {
        &self.records[seq - 1].hash
    }

    fn kept(&self, bytes: &[u8]) -> PathBuf {
        let digest = Digest::of(bytes).to_string();
        self.dir().join("kept").join(&digest[..2]).join(&digest)
    }

    /// Cuts the journal after record `seq` as somebody does who kept the signed head of that time.
    fn rolled_back_to(self, seq: u64, old_head: &SignedHead) -> Self {
        let db = self.db();
        db.execute("DELETE FROM records WHERE seq > ?1", params![seq as i64])
            .unwrap();
        let head = params![old_head.seq as i64, old_head.hash, old_head.sig];
        db.execute("UPDATE meta SET seq = ?1, hash = ?2, sig = ?3", head)
            .unwrap();
        self
    }

    /// Writes every record anew under another key, with edited payloads, as somebody does who has no access to the key.
    fn signed_anew(&self, key: &JournalKey, seqs: std::ops::RangeInclusive<u64>) {
        let db = self.db();
        let mut prev = match seqs.start() {
            1 => GENESIS.to_owned(),
            seq => self.hash(*seq as usize - 1).to_owned(),
        };
        for record in &self.records[*seqs.start() as usize - 1..*seqs.end() as usize] {
            let content = (&record.run, record.kind.as_str(), record.at);
            let row = Row::seal(record.seq, &prev, content, "{\"forged\":1}".into(), key);
            db.execute(
                "UPDATE records SET payload = ?2, prev = ?3, signer = ?4, hash = ?5, sig = ?6 WHERE seq = ?1",
                params![row.seq as i64, row.payload, row.prev, row.signer, row.hash, row.sig],
            )
            .unwrap();
            let head = SignedHead::seal(row.seq, &row.hash, key);
            db.execute(
                "UPDATE meta SET seq = ?1, hash = ?2, sig = ?3",
                params![head.seq as i64, head.hash, head.sig],
            )
            .unwrap();
            prev = row.hash;
        }
    }
}

fn before() -> Observed {
    let content = Blob::of(b"before").into();
    Observed::Present(State {
        fields: [("content".to_owned(), content)].into_iter().collect(),
        ..State::default()
    })
}

fn found(report: &VerifyReport) -> Option<(FlawKind, Option<u64>)> {
    report.flaw.as_ref().map(|flaw| (flaw.kind, flaw.seq))
}

/// Takes the place of number 9 for a moment, since numbers are unique.
const SWAP_3_AND_4: &str = "UPDATE records SET seq = 9 WHERE seq = 3; UPDATE records SET seq = 3 WHERE seq = 4; UPDATE records SET seq = 4 WHERE seq = 9;";

// Goal: a journal that nobody touched is sound, and the figures are right.
#[test]
fn an_untouched_journal_is_sound() {
    let journal = Journal::new();
    let report = journal.verify();
    assert_eq!(report.flaw, None);
    assert_eq!((report.records, report.runs, report.kept), (6, 2, 2));
    let head = report.head.unwrap();
    assert_eq!((head.seq, head.hash.as_str()), (6, journal.hash(6)));
    assert!(report.key.is_some());
}

// Goal: what never was is sound too, unless somebody saw a head of it.
#[test]
fn an_absent_journal_is_sound_unless_expected() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("none");
    assert!(verify(&dir, None, None).unwrap().is_sound());
    let hash = "0".repeat(64);
    let report = verify(&dir, None, Some(&hash)).unwrap();
    assert_eq!(found(&report), Some((FlawKind::Truncated, None)));
    assert!(verify(&dir, None, Some("abc")).is_err());
}

// Goal: an expected head is found at the end and further back, in any spelling, and what came since is counted.
#[test]
fn an_older_head_is_fine() {
    let journal = Journal::new();
    assert_eq!(journal.expecting(journal.hash(6)).after_expected, Some(0));
    let upper = format!(" {}\n", journal.hash(2).to_uppercase());
    let report = journal.expecting(&upper);
    assert_eq!((report.after_expected, report.flaw), (Some(4), None));
}

// Goal: every kind of tampering with single records is found at the right record and called by its name.
#[test]
fn tampering_is_named() {
    let forty = "4".repeat(64);
    for (statements, kind, seq) in [
        (
            "UPDATE records SET payload = '{\"i\":7}' WHERE seq = 2",
            FlawKind::Changed,
            2,
        ),
        (
            "UPDATE records SET payload = payload || ' ' WHERE seq = 6",
            FlawKind::Changed,
            6,
        ),
        (
            "UPDATE records SET run = 'run-9' WHERE seq = 1",
            FlawKind::Changed,
            1,
        ),
        (
            "UPDATE records SET kind = 'y' WHERE seq = 1",
            FlawKind::Changed,
            1,
        ),
        (
            "UPDATE records SET at = '2026-11-24T03:50:33Z' WHERE seq = 5",
            FlawKind::Changed,
            5,
        ),
        (
            &format!("UPDATE records SET hash = '{forty}' WHERE seq = 4"),
            FlawKind::Changed,
            4,
        ),
        (
            &format!("UPDATE records SET prev = '{forty}' WHERE seq = 4"),
            FlawKind::Changed,
            4,
        ),
        (
            "UPDATE records SET sig = (SELECT sig FROM records WHERE seq = 2) WHERE seq = 4",
            FlawKind::Changed,
            4,
        ),
        (
            "UPDATE records SET sig = '' WHERE seq = 1",
            FlawKind::Changed,
            1,
        ),
        (
            "UPDATE records SET version = 2 WHERE seq = 3",
            FlawKind::Unreadable,
            3,
        ),
        ("DELETE FROM records WHERE seq = 3", FlawKind::Removed, 3),
        ("DELETE FROM records WHERE seq = 1", FlawKind::Removed, 1),
        (
            "DELETE FROM records WHERE seq IN (2, 3, 4)",
            FlawKind::Removed,
            2,
        ),
        (
            "DELETE FROM records WHERE seq = 3; UPDATE records SET seq = seq - 1 WHERE seq > 3",
            FlawKind::Removed,
            3,
        ),
        (
            "DELETE FROM records WHERE seq < 3; UPDATE records SET seq = seq - 2",
            FlawKind::Removed,
            1,
        ),
        (SWAP_3_AND_4, FlawKind::Reordered, 3),
        (
            "UPDATE records SET seq = 60 WHERE seq = 2",
            FlawKind::Reordered,
            2,
        ),
    ] {
        let report = Journal::new().sql(statements).verify();
        assert_eq!(
            found(&report),
            Some((kind, Some(seq))),
            "{statements}: {report:?}"
        );
        assert_eq!(report.records, seq - 1, "{statements}");
    }
}

// Goal: what is done to the end or beside the chain is found too.
#[test]
fn a_cut_or_padded_journal_is_found() {
    for (statements, kind) in [
        ("DELETE FROM records WHERE seq = 6", FlawKind::Truncated),
        ("DELETE FROM records WHERE seq > 2", FlawKind::Truncated),
        ("DELETE FROM records", FlawKind::Truncated),
        ("DELETE FROM meta", FlawKind::Changed),
        ("UPDATE meta SET sig = ''", FlawKind::Changed),
        (
            "DELETE FROM records WHERE seq = 6; \
             UPDATE meta SET seq = 5, hash = (SELECT hash FROM records WHERE seq = 5)",
            FlawKind::Changed,
        ),
        (
            "INSERT INTO records SELECT -1, version, run, kind, at, prev, signer, hash, sig, payload FROM records WHERE seq = 1",
            FlawKind::Changed,
        ),
    ] {
        let report = Journal::new().sql(statements).verify();
        assert_eq!(
            found(&report),
            Some((kind, None)),
            "{statements}: {report:?}"
        );
    }
}

// Goal: a cut that the journal itself cannot show, because the head was put back with it, is shown by a head that somebody
// noted down; and without that head the report is what it has to be: sound, with an older head.
#[test]
fn a_perfect_cut_needs_the_expected_head() {
    let journal = Journal::new();
    let old = {
        // What the journal's own head was after record 4, as an attacker may have copied it.
        let key = JournalKey::read(&journal.dir().join("journal.key"))
            .unwrap()
            .unwrap();
        SignedHead::seal(4, journal.hash(4), &key)
    };
    let newest = journal.hash(6).to_owned();
    let journal = journal.rolled_back_to(4, &old);
    assert!(journal.verify().is_sound());
    let report = journal.expecting(&newest);
    assert_eq!(found(&report), Some((FlawKind::Truncated, None)));
    assert!(journal.expecting(journal.hash(4)).is_sound());
}

// Goal: a journal that was signed anew with another key, in whole or in part, is found with the public key that is kept
// elsewhere, also where the public key beside the journal was exchanged too.
#[test]
fn a_forged_journal_is_found() {
    let elsewhere = tempfile::tempdir().unwrap();
    for (seqs, first) in [(1..=6, 1), (5..=6, 5)] {
        let journal = Journal::new();
        let pinned = elsewhere.path().join(format!("pinned-{first}"));
        std::fs::copy(journal.dir().join(PUBLIC_KEY), &pinned).unwrap();
        let forger = JournalKey::make(&elsewhere.path().join(format!("forger-{first}"))).unwrap();
        journal.signed_anew(&forger, seqs);
        assert_eq!(
            found(&journal.verify()),
            Some((FlawKind::Forged, Some(first)))
        );
        std::fs::write(journal.dir().join(PUBLIC_KEY), forger.public().pem()).unwrap();
        let report = verify(&journal.dir(), Some(&pinned), None).unwrap();
        assert_eq!(found(&report), Some((FlawKind::Forged, Some(first))));
        assert!(report.flaw.unwrap().what.contains(forger.public().id()));
    }
}

// Goal: a forger who writes the right key's name on his records is found by their signatures.
#[test]
fn a_borrowed_name_does_not_help() {
    let journal = Journal::new();
    let own = PublicKey::read(&journal.dir().join(PUBLIC_KEY)).unwrap();
    let forger = JournalKey::make(&journal.top.path().join("forger")).unwrap();
    let record = &journal.records[0];
    let content = (&record.run, "x", record.at);
    let mut row = Row::unsigned(1, GENESIS, content, "{}".into(), own.id());
    row.sig = forger.sign(format!("evenkeel signed journal record 1\n{}", row.hash).as_bytes());
    journal
        .db()
        .execute(
            "UPDATE records SET payload = ?1, hash = ?2, sig = ?3 WHERE seq = 1",
            params![row.payload, row.hash, row.sig],
        )
        .unwrap();
    assert_eq!(found(&journal.verify()), Some((FlawKind::Changed, Some(1))));
}

// Goal: kept content that is altered, missing or foreign is found, and named with the record that needs it.
#[test]
fn kept_content_is_proved() {
    let journal = Journal::new();
    std::fs::write(journal.kept(b"before"), "after").unwrap();
    assert_eq!(found(&journal.verify()), Some((FlawKind::Changed, Some(3))));
    std::fs::remove_file(journal.kept(b"before")).unwrap();
    assert_eq!(found(&journal.verify()), Some((FlawKind::Removed, Some(3))));

    let journal = Journal::new();
    std::fs::write(journal.kept(b"also"), "").unwrap();
    assert_eq!(found(&journal.verify()), Some((FlawKind::Changed, None)));

    let journal = Journal::new();
    std::fs::write(journal.kept(b"also").with_file_name("x"), "").unwrap();
    assert_eq!(found(&journal.verify()), Some((FlawKind::Changed, None)));
}

// Goal: damage below SQL is a finding and no crash, wherever it strikes. Method: each page of the file is overwritten in
// turn, with nothing and with noise.
#[test]
fn damaged_pages_are_found() {
    let pages = std::fs::metadata(Journal::new().dir().join(DATABASE))
        .unwrap()
        .len()
        / 4096;
    assert!(pages >= 5);
    for page in 0..pages as usize {
        for filler in [0x00, 0xa5] {
            let journal = Journal::new();
            let path = journal.dir().join(DATABASE);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[page * 4096..(page + 1) * 4096].fill(filler);
            std::fs::write(&path, bytes).unwrap();
            assert!(!journal.verify().is_sound(), "page {page} with {filler:#x}");
        }
    }
}

// Goal: an index that hides records from questions is found, although no record was changed.
#[test]
fn a_lying_index_is_found() {
    let journal = Journal::new();
    let db = journal.db();
    db.execute_batch(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX records_by_run ON records (run) WHERE seq > 100' WHERE name = 'records_by_run';
         PRAGMA writable_schema = RESET;
         REINDEX records_by_run;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX records_by_run ON records (run)' WHERE name = 'records_by_run';",
    )
    .unwrap();
    drop(db);
    assert_eq!(found(&journal.verify()), Some((FlawKind::Changed, None)));
}

// Goal: a journal that is being written to can be verified, and a directory that another user owns can be audited.
#[test]
fn verifying_needs_no_lock() {
    let journal = Journal::new();
    let _writer = Store::open(&journal.dir(), None).unwrap();
    assert!(journal.verify().is_sound());
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(journal.dir(), open).unwrap();
    assert!(journal.verify().is_sound());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: proptest::prelude::ProptestConfig::default().cases / 4,
        ..proptest::prelude::ProptestConfig::default()
    })]
    // Goal: bytes of a state file that end the program that reads them, or a journal that is sound and says something else than
    // was written. Method: any bytes of any of its files changed, taken out or put in.
    #[test]
    fn changed_bytes_are_told(
        edits in proptest::collection::vec(
            (0..5_usize, proptest::prelude::any::<proptest::sample::Index>(), 0..3_u8, proptest::prelude::any::<u8>()),
            1..4,
        ),
    ) {
        static WHOLE: std::sync::LazyLock<Journal> = std::sync::LazyLock::new(Journal::new);
        let copy = tempfile::tempdir().unwrap();
        let dir = copy.path().join(".evenkeel");
        copy_folder(&WHOLE.dir(), &dir);
        for (file, at, how, byte) in edits {
            let kept = WHOLE.kept(b"before");
            let kept = kept.strip_prefix(WHOLE.dir()).unwrap();
            let names = [DATABASE, DATABASE, PUBLIC_KEY, "journal.key"].map(std::path::Path::new);
            let path = dir.join(names.get(file).copied().unwrap_or(kept));
            let mut bytes = std::fs::read(&path).unwrap();
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
            std::fs::write(&path, bytes).unwrap();
        }
        let report = verify(&dir, None, Some(WHOLE.hash(6)));
        let read = Store::read_only(&dir, None).and_then(|store| store.records(&RecordQuery::default()));
        if report.is_ok_and(|report| report.is_sound()) {
            proptest::prop_assert_eq!(&read.unwrap(), &WHOLE.records);
        }
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &to),
            false => drop(std::fs::copy(&path, &to).unwrap()),
        }
    }
}
