//! Providers: the kinds of live system that evenkeel knows. Each is the only user of its system's interfaces.
//!
//! **Invariant:** nothing outside a provider knows how its system is spoken to.

pub mod host;
pub mod remote;
#[cfg(feature = "controller")]
pub mod snapshot;
#[cfg(feature = "controller")]
pub mod unreachable;
