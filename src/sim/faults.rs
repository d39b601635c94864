//! Faults: which effect of a run goes wrong, and how.
//!
//! An effect is one indivisible change: a name that moves, a file that is made, a record that is appended. The world and
//! the state store of a drill count theirs together, so that "the k-th effect" names every boundary of a run once.
//!
//! **Invariant:** without a fault that was asked for, every effect happens; after a kill, none does.

use std::sync::{Arc, Mutex, PoisonError};

use super::deed::Deed;

/// How an effect goes wrong.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// The system says no, and nothing happens.
    Refused,
    /// The file system is full, and nothing happens.
    NoSpace,
    /// It breaks before anything happened.
    FailsBefore,
    /// It happens, and the answer is an error all the same.
    FailsAfter,
    /// The process is killed before it happens.
    KilledBefore,
    /// The process is killed right after it happened.
    KilledAfter,
    /// Somebody else does this right before it, and it goes on.
    Meanwhile(Vec<Deed>),
}

/// Whether an effect happens, and what its caller is told.
#[derive(Clone, PartialEq, Debug)]
pub enum Pass {
    Go,
    /// It does not happen; the words say why.
    Refused(&'static str),
    /// It breaks, before (`false`) or after (`true`) it happened.
    Broken {
        done: bool,
    },
    /// As `Go`, after these deeds.
    After(Vec<Deed>),
}

/// Counts effects and lets one of them go wrong. Shared by everything that belongs to one simulated process.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    effects: Vec<&'static str>,
    armed: Option<(usize, Fault)>,
    killed: bool,
}

impl Faults {
    /// No fault; effects are only counted.
    pub fn none() -> Arc<Self> {
        Arc::default()
    }

    /// Begins to count anew, revives the process, and lets the effect with this number, counted from 0, go wrong.
    pub fn arm(&self, at: usize, fault: Fault) {
        *self.lock() = Inner {
            armed: Some((at, fault)),
            ..Inner::default()
        };
    }

    /// Begins to count anew and revives the process; nothing goes wrong any more.
    pub fn disarm(&self) {
        *self.lock() = Inner::default();
    }

    /// The effects so far, by what they do.
    pub fn effects(&self) -> Vec<&'static str> {
        self.lock().effects.clone()
    }

    /// Whether the process was killed.
    pub fn is_killed(&self) -> bool {
        self.lock().killed
    }

    /// Asks whether the next effect happens.
    pub fn pass(&self, what: &'static str) -> Pass {
        let mut inner = self.lock();
        if inner.killed {
            return Pass::Broken { done: false };
        }
        let number = inner.effects.len();
        inner.effects.push(what);
        let fault = match &inner.armed {
            Some((at, fault)) if *at == number => fault.clone(),
            _ => return Pass::Go,
        };
        inner.killed = matches!(fault, Fault::KilledBefore | Fault::KilledAfter);
        match fault {
            Fault::Refused => Pass::Refused("permission denied"),
            Fault::NoSpace => Pass::Refused("no space left on the file system"),
            Fault::FailsBefore | Fault::KilledBefore => Pass::Broken { done: false },
            Fault::FailsAfter | Fault::KilledAfter => Pass::Broken { done: true },
            Fault::Meanwhile(deeds) => Pass::After(deeds),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
