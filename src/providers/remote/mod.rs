//! A host at the other end of a connection, where a worker of ours looks and acts.
//!
//! Flow: [`RemoteHost`] (here) → [`wire`] messages in [`packet`]s over a [`link`] → [`worker`] (there), which runs the very
//! same `Host` that a local root has. [`ssh`] makes the connection.
//!
//! **Invariant:** whatever a worker answers may come from an attacker. It is bounded before it is read, and it decides
//! nothing that the controller can work out itself: remedies, names of resources and what may be sent are not its to say.

pub mod packet;
mod pledge;
pub mod wire;
pub mod worker;

#[cfg(feature = "controller")]
pub use controller::*;

#[cfg(feature = "controller")]
mod check;
#[cfg(feature = "controller")]
mod host;
#[cfg(feature = "controller")]
pub mod link;
#[cfg(feature = "controller")]
mod program;
#[cfg(feature = "controller")]
pub mod ssh;
#[cfg(feature = "controller")]
mod way_in;

#[cfg(feature = "controller")]
mod controller {
    pub use super::host::{RemoteConfig, RemoteHost};
    pub use super::program::{Program, ProgramError};
    pub use super::way_in::WayIn;
}
