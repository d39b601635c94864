//! The host provider on real folders: what it sees, what it does, what it withstands.

mod access;
mod accounts;
mod acting;
mod cron;
pub mod fixture;
mod limits;
mod listing;
mod manifests;
mod modules;
pub mod mount;
mod packages;
mod preload;
mod restoring;
mod sysctl;
mod tampering;
