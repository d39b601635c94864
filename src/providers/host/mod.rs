//! The host provider.
pub mod fs;
