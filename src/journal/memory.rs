//! State stores without a disk: one that remembers for as long as it lives, one that keeps nothing.
//!
//! **Invariant:** nothing here outlives the process, and records are chained by the same hashes as on the disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::format::{GENESIS, Row};
use super::mentions;
use crate::model::{Digest, RunId};
use crate::ports::{Record, RecordQuery, StateStore, StoreError};

/// A journal in memory, for drills: the same calls give the same hashes in each run.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    records: Vec<Record>,
    kept: BTreeMap<Digest, Arc<[u8]>>,
}

/// The store of `--state none`: it remembers nothing, and refuses to record.
#[derive(Debug, Default)]
pub struct NoStore;

impl MemoryStore {
    /// The key under which a simulated world's content is shown. There is nothing to protect in it.
    const DISCLOSURE_KEY: [u8; 32] = *b"evenkeel drill: nothing is real.";

    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryStore {
    fn append(
        &self,
        run: &RunId,
        kind: &str,
        at: Timestamp,
        payload: Json,
    ) -> Result<Record, StoreError> {
        let mut state = self.state();
        let seq = state.records.len() as u64 + 1;
        let prev = state.records.last().map_or(GENESIS, |record| &record.hash);
        let row = Row::unsigned(seq, prev, (run, kind, at), payload.to_string(), "");
        let record = Record {
            seq,
            run: run.clone(),
            kind: kind.to_owned(),
            at,
            payload,
            hash: row.hash,
        };
        state.records.push(record.clone());
        Ok(record)
    }

    fn records(&self, query: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        let is_asked = |record: &&Record| {
            record.seq > query.after
                && query.run.as_ref().is_none_or(|run| *run == record.run)
                && (query.kinds.is_empty() || query.kinds.contains(&record.kind.as_str()))
                && query
                    .resource
                    .as_ref()
                    .is_none_or(|id| mentions::mentions(&record.payload, id))
        };
        Ok(self
            .state()
            .records
            .iter()
            .filter(is_asked)
            .cloned()
            .collect())
    }

    fn head(&self) -> Result<Option<(u64, String)>, StoreError> {
        let state = self.state();
        let newest = state.records.last();
        Ok(newest.map(|record| (record.seq, record.hash.clone())))
    }

    fn keep(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let mut state = self.state();
        state.kept.entry(digest).or_insert_with(|| bytes.into());
        Ok(digest)
    }

    fn kept(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.state().kept.get(digest).cloned())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn disclosure_key(&self) -> Option<[u8; 32]> {
        Some(Self::DISCLOSURE_KEY)
    }
}

impl StateStore for NoStore {
    fn append(&self, _: &RunId, _: &str, _: Timestamp, _: Json) -> Result<Record, StoreError> {
        Err(StoreError::None)
    }

    fn records(&self, _: &RecordQuery) -> Result<Vec<Record>, StoreError> {
        Ok(Vec::new())
    }

    fn head(&self) -> Result<Option<(u64, String)>, StoreError> {
        Ok(None)
    }

    fn keep(&self, _: &[u8]) -> Result<Digest, StoreError> {
        Err(StoreError::None)
    }

    fn kept(&self, _: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(None)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn disclosure_key(&self) -> Option<[u8; 32]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{ResourceId, TargetName};

    fn filled() -> MemoryStore {
        let store = MemoryStore::new();
        let at = "2026-11-24T03:50:32Z".parse().unwrap();
        let id = ResourceId::new(&TargetName("t".into()), "File", "a");
        for (run, kind) in [("r1", "intent"), ("r1", "outcome"), ("r2", "intent")] {
            let payload = match kind {
                "intent" => json!({"resource": id}),
                _ => json!({}),
            };
            store.append(&RunId(run.into()), kind, at, payload).unwrap();
        }
        store
    }

    // Goal: each part of a query narrows the answer, as it does on the disk.
    #[test]
    fn queries_narrow() {
        let store = filled();
        let seqs = |query: RecordQuery| -> Vec<u64> {
            let records = store.records(&query).unwrap();
            records.iter().map(|record| record.seq).collect()
        };
        let all = RecordQuery::default;
        assert_eq!(seqs(all()), [1, 2, 3]);
        let run = Some(RunId("r1".into()));
        assert_eq!(seqs(RecordQuery { run, ..all() }), [1, 2]);
        let kinds = vec!["intent"];
        assert_eq!(seqs(RecordQuery { kinds, ..all() }), [1, 3]);
        let resource = "t/File/a".parse().ok();
        assert_eq!(seqs(RecordQuery { resource, ..all() }), [1, 3]);
        assert_eq!(seqs(RecordQuery { after: 2, ..all() }), [3]);
    }

    // Goal: two drills with the same story have the same head, and the head covers the story.
    #[test]
    fn same_story_same_head() {
        let (a, b) = (filled(), filled());
        assert_eq!(a.head().unwrap(), b.head().unwrap());
        let at = "2026-11-24T03:50:33Z".parse().unwrap();
        b.append(&RunId("r3".into()), "x", at, json!(1)).unwrap();
        assert_ne!(a.head().unwrap(), b.head().unwrap());
    }

    // Goal: without a store nothing can be recorded or kept, so that nothing will be done.
    #[test]
    fn no_store_refuses_to_record() {
        let at = "2026-11-24T03:50:32Z".parse().unwrap();
        let run = RunId("r".into());
        assert!(matches!(
            NoStore.append(&run, "x", at, json!(1)),
            Err(StoreError::None)
        ));
        assert!(matches!(NoStore.keep(b"x"), Err(StoreError::None)));
        assert!(!NoStore.is_durable());
    }
}
