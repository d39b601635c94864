//! How failures below the journal become the port's [`StoreError`].
//!
//! **Invariant:** a damaged store is never reported as an empty one, nor a full disk as damage.

use std::error::Error;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::ports::StoreError;

/// Tells a person that nothing was done because nothing could be written down.
#[derive(Debug, thiserror::Error)]
#[error("no journal, no action")]
pub(super) struct NotJournalled(#[source] pub(super) Box<dyn Error + Send + Sync>);

/// What a person does about a damaged store, appended to each message about damage.
const WHAT_TO_DO: &str = "run `evenkeel journal verify` to see how far it holds, keep the state directory as evidence, \
     and move it aside to start a new journal";

/// An operation on a file failed.
pub(super) fn io(
    action: &'static str,
    path: &Path,
    source: impl Into<Box<dyn Error + Send + Sync>>,
) -> StoreError {
    StoreError::Io {
        action,
        path: path.display().to_string(),
        source: source.into(),
    }
}

/// Something in the store is not what evenkeel wrote.
pub(super) fn damaged(path: &Path, what: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged {
        path: path.display().to_string(),
        what: format!("{what}; {WHAT_TO_DO}"),
    }
}

/// A statement failed: damage where SQLite or a value says so, otherwise a failure of the system.
pub(super) fn sql(action: &'static str, path: &Path, source: rusqlite::Error) -> StoreError {
    if is_damage(&source) {
        damaged(path, source)
    } else {
        io(action, path, source)
    }
}

/// Whether the error is about what is stored, not about storing.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::InvalidColumnName(..)
    ) || matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
    )
}
