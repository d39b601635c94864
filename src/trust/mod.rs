//! Whose commits are believed: allowed signers, SSH signatures of commits, and the rule that judges a commit.
//!
//! Flow: `allowed_signers` text → [`AllowedSigners`]; a commit's signature and payload → [`verify`] → [`Signer`]; all that
//! is known of a commit → [`judge`] → trusted or not, with the reason.
//!
//! **Invariant:** a commit's own trust setting never judges that commit.

mod allowed;
mod judge;
mod signature;

pub use allowed::{AllowedSigner, AllowedSigners};
pub use judge::{Candidate, Distrust, Standing, judge};
pub use signature::{Signer, verify};
