//! The journal: a signed chain of records on the disk, and the states before that undo needs.
//!
//! Flow: `folder` makes and judges the state directory, `key` the signing key, `format` turns one record into bytes to hash
//! and sign, `database` opens SQLite, `rows` reads and writes its rows, `kept` keeps content beside it; `store` makes of
//! these what the port asks for, `memory` does the same without a disk; `verify` and `show` read.
//!
//! **Invariant:** a record that was appended is never changed or removed, and reading writes nothing in the state directory.

mod database;
mod error;
mod folder;
mod format;
mod kept;
mod key;
mod memory;
mod mentions;
mod rows;
pub mod show;
mod store;
mod verify;

pub use key::PublicKey;
pub use memory::{MemoryStore, NoStore};
pub use store::Store;
pub use verify::{Flaw, FlawKind, Head, VerifyReport, verify};

/// Makes the state directory, or judges the one that is there, so that it can be locked before a [`Store`] is opened.
///
/// # Errors
/// It is a symbolic link, belongs to somebody else, is open to others, or cannot be made.
pub fn prepare(dir: &std::path::Path) -> Result<(), crate::ports::StoreError> {
    folder::Folder::prepare(dir).map(|_| ())
}
