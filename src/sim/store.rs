//! A state store whose writes are effects that can go wrong.
//!
//! **Invariant:** reading never fails, and a write that is said to have failed may nevertheless be there.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::faults::{Faults, Pass};
use crate::model::{Digest, RunId};
use crate::ports::{Record, RecordQuery, StateStore, StoreError};

/// A store behind faults. What it wraps outlives the simulated process.
pub struct FaultyStore<S> {
    store: S,
    faults: Arc<Faults>,
}

impl<S: StateStore> FaultyStore<S> {
    /// Puts faults in front of a store.
    pub fn new(store: S, faults: Arc<Faults>) -> Self {
        Self { store, faults }
    }

    /// The store behind.
    pub fn inner(&self) -> &S {
        &self.store
    }

    fn write<T>(
        &self,
        action: &'static str,
        write: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let why = match self.faults.pass(action) {
            Pass::Go | Pass::After(_) => return write(),
            Pass::Refused(why) => why,
            Pass::Broken { done } => {
                if done {
                    write()?;
                }
                "input/output error"
            }
        };
        Err(StoreError::Io {
            action,
            path: "simulated".into(),
            source: why.into(),
        })
    }
}

impl<S: StateStore> StateStore for FaultyStore<S> {
    fn append(
        &self,
        run: &RunId,
        kind: &str,
        at: Timestamp,
        payload: Json,
    ) -> Result<Record, StoreError> {
        self.write("append to", || self.store.append(run, kind, at, payload))
    }

    fn records(&self, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        self.store.records(query)
    }

    fn head(&self) -> Result<Option<(u64, String)>, StoreError> {
        self.store.head()
    }

    fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.write("keep content in", || self.store.keep(bytes))
    }

    fn kept(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.store.kept(digest)
    }

    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    fn disclosure_key(&self) -> Option<[u8; 32]> {
        self.store.disclosure_key()
    }
}
