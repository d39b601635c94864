//! Nonces that nobody has to guess: the same seed gives the same ones.
//!
//! **Invariant:** two calls on one value never give the same nonce.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ports::Entropy;

/// The entropy of a drill.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    calls: AtomicU64,
}

impl SeededEntropy {
    /// Begins at the start of the sequence that this seed names.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            calls: AtomicU64::new(0),
        }
    }
}

impl SeededEntropy {
    /// The entropy of the process after this one.
    #[must_use]
    pub fn next(&self) -> Self {
        let hash = blake3::hash(self.nonce().as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        Self::new(u64::from_le_bytes(seed))
    }
}

impl Entropy for SeededEntropy {
    fn nonce(&self) -> String {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"evenkeel drill nonce v1");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&call.to_le_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }
}
