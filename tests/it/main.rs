//! The one integration-test binary: each file is a part of it, since each binary costs a link of everything.

mod adopt;
#[cfg(feature = "github")]
mod adopt_forge;
mod attribution;
mod cli;
mod detect;
mod events;
mod faults;
#[cfg(feature = "github")]
mod github;
mod groups;
mod host;
mod hostile;
mod hosts;
mod indicators;
mod journal;
mod kill;
mod kinds;
mod main_job;
mod recorded;
mod remote;
mod scenarios;
mod schema;
mod sigma;
mod support;
mod tidy;
mod trust;
mod trust_support;
mod untrusted;
