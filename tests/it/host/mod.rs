//! The host provider on real folders: what it sees, what it does, what it withstands.

mod access;
mod accounts;
mod acting;
mod cron;
mod file_tree;
pub mod fixture;
mod limits;
mod listing;
mod manifests;
mod modules;
pub mod mount;
mod mounts;
mod names;
mod packages;
mod preload;
mod processes;
mod restoring;
mod services;
mod sysctl;
mod tampering;
mod tree_packages;
