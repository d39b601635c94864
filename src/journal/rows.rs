//! Rows in and out of SQLite.
//!
//! **Invariant:** a row is only ever inserted at the end, together with the head that names it.

use rusqlite::{Connection, OptionalExtension, Row as SqlRow, ToSql, params};

use super::format::{Row, SignedHead};
use super::key::PublicKey;
use crate::ports::RecordQuery;

const COLUMNS: &str = "seq, version, run, kind, at, prev, signer, hash, sig, payload";

/// Reads the columns of [`COLUMNS`].
fn from_sql(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: number(row)?,
        version: row.get(1)?,
        run: row.get(2)?,
        kind: row.get(3)?,
        at: row.get(4)?,
        prev: row.get(5)?,
        signer: row.get(6)?,
        hash: row.get(7)?,
        sig: row.get(8)?,
        payload: row.get(9)?,
    })
}

/// Reads the first column as a number that cannot be negative.
fn number(row: &SqlRow<'_>) -> rusqlite::Result<u64> {
    let value: i64 = row.get(0)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, value))
}

/// The number as SQLite keeps it. No journal reaches the bound; one that says so fails to be unique.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Calls `take` with each row that the query's run, kinds and number choose, in order, until it says false.
pub(super) fn each(
    db: &Connection,
    query: &RecordQuery,
    take: &mut dyn FnMut(Row) -> bool,
) -> rusqlite::Result<()> {
    let after = stored(query.after);
    let mut conditions = vec!["seq > ?".to_owned()];
    let mut values: Vec<&dyn ToSql> = vec![&after];
    if let Some(run) = &query.run {
        conditions.push("run = ?".to_owned());
        values.push(&run.0);
    }
    if !query.kinds.is_empty() {
        let marks = vec!["?"; query.kinds.len()].join(", ");
        conditions.push(format!("kind IN ({marks})"));
        values.extend(query.kinds.iter().map(|kind| kind as &dyn ToSql));
    }
    let condition = conditions.join(" AND ");
    let sql = format!("SELECT {COLUMNS} FROM records WHERE {condition} ORDER BY seq");
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        if !take(from_sql(row)?) {
            break;
        }
    }
    Ok(())
}

/// The row with the highest number.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM records ORDER BY seq DESC LIMIT 1");
    db.query_row(&sql, [], from_sql).optional()
}

/// The first row that says that it follows the record with this hash.
pub(super) fn follower_of(db: &Connection, hash: &str) -> rusqlite::Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE prev = ?1 ORDER BY seq LIMIT 1");
    db.query_row(&sql, [hash], from_sql).optional()
}

/// How many rows there are.
pub(super) fn count(db: &Connection) -> rusqlite::Result<u64> {
    // Not from an index: those are not signed.
    db.query_row("SELECT count(*) FROM records NOT INDEXED", [], number)
}

/// The highest number, 0 when there are no rows.
pub(super) fn highest(db: &Connection) -> rusqlite::Result<u64> {
    db.query_row("SELECT coalesce(max(seq), 0) FROM records", [], number)
}

/// The signed head.
pub(super) fn head(db: &Connection) -> rusqlite::Result<Option<SignedHead>> {
    db.query_row("SELECT seq, hash, sig FROM meta WHERE id = 1", [], |row| {
        Ok(SignedHead {
            seq: number(row)?,
            hash: row.get(1)?,
            sig: row.get(2)?,
        })
    })
    .optional()
}

/// Adds a row and moves the head to it, inside the caller's transaction.
pub(super) fn insert(db: &Connection, row: &Row, head: &SignedHead) -> rusqlite::Result<()> {
    db.execute(
        &format!(
            "INSERT INTO records ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        ),
        params![
            stored(row.seq),
            row.version,
            row.run,
            row.kind,
            row.at,
            row.prev,
            row.signer,
            row.hash,
            row.sig,
            row.payload
        ],
    )?;
    db.execute(
        "INSERT OR REPLACE INTO meta (id, seq, hash, sig) VALUES (1, ?1, ?2, ?3)",
        params![stored(head.seq), head.hash, head.sig],
    )
    .map(|_| ())
}

/// Checks the newest row and the head against each other and against the key; the text says what is wrong.
pub(super) fn judge_tail(
    newest: Option<&Row>,
    head: Option<&SignedHead>,
    key: &PublicKey,
) -> Result<(), String> {
    let (row, head) = match (newest, head) {
        (None, None) => return Ok(()),
        (None, Some(head)) => {
            return Err(format!("its {} records have been removed", head.seq));
        }
        (Some(_), None) => return Err("the signed note of where it ends is missing".to_owned()),
        (Some(row), Some(head)) => (row, head),
    };
    row.check(key)
        .map_err(|unsound| format!("record {} {}", row.seq, unsound.describe(key)))?;
    if !head.is_signed_by(key) {
        return Err(format!(
            "the note of where it ends has a signature that the key {} did not make",
            key.id()
        ));
    }
    if head.seq != row.seq || head.hash != row.hash {
        return Err(format!(
            "it should end with record {} and ends with {}",
            head.seq, row.seq
        ));
    }
    Ok(())
}
