//! Simulation: the same engine against a world in memory.
//!
//! Flow: a [`World`] stands behind the host provider's port in place of a disk; [`Faults`] lets one effect of a run go
//! wrong; [`FaultyStore`] counts the journal's appends among the effects; [`SeededEntropy`] makes nonces that are the
//! same for the same seed.
//!
//! **Invariant:** nothing here reads the machine's clock, its randomness or its files; the same input gives the same bytes.

mod bench;
pub mod deed;
pub mod drill;
mod entropy;
mod faults;
pub mod scenario;
mod store;
mod world;

pub use bench::{Bench, Setup};
pub use entropy::SeededEntropy;
pub use faults::{Fault, Faults, Pass};
pub use store::FaultyStore;
pub use world::{Difference, Picture, World};
