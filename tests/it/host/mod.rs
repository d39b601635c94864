//! The host provider on real folders: what it sees, what it does, what it withstands.

mod access;
mod acting;
mod cron;
mod file_tree;
pub mod fixture;
mod limits;
mod manifests;
pub mod mount;
mod restoring;
mod tampering;
