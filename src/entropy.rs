//! Chance: the system's, or a seeded one that gives the same names in every run of a drill.
//!
//! **Invariant:** the system's names cannot be guessed; the seeded ones are never used on a real system.

use std::sync::atomic::{AtomicU64, Ordering};

use rand_core::{OsRng, RngCore};

use crate::ports::Entropy;

/// The system's random numbers.
#[derive(Debug, Default)]
pub struct SystemEntropy;

/// Names made from a seed and a counter.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    next: AtomicU64,
}

impl SeededEntropy {
    /// Starts the sequence of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            next: AtomicU64::new(0),
        }
    }
}

impl Entropy for SystemEntropy {
    fn nonce(&self) -> String {
        let mut bytes = [0_u8; 16];
        OsRng.fill_bytes(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Entropy for SeededEntropy {
    fn nonce(&self) -> String {
        let count = self.next.fetch_add(1, Ordering::SeqCst);
        let mut input = [0_u8; 16];
        input[..8].copy_from_slice(&self.seed.to_le_bytes());
        input[8..].copy_from_slice(&count.to_le_bytes());
        blake3::hash(&input).to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the same seed names the same things in the same order, another seed others, and no name comes twice.
    #[test]
    fn seeds_decide() {
        let names = |seed| {
            let entropy = SeededEntropy::new(seed);
            [entropy.nonce(), entropy.nonce()]
        };
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        assert_ne!(names(1)[0], names(1)[1]);
        assert_eq!(SystemEntropy.nonce().len(), 32);
        assert_ne!(SystemEntropy.nonce(), SystemEntropy.nonce());
    }
}
