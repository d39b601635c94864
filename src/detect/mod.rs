//! Findings: what records mean, by rules.
//!
//! Flow: [`Record`](crate::model::Record) → the views of its format ([`fields`]) → Sigma rules ([`sigma`]) → hits → the
//! correlations between them. Beside them, what is done is held against what was learned ([`heuristics`]).
//!
//! **Invariant:** no I/O, clock or chance. The time is what the records say, and one order of records gives one result.

pub mod attribution;
pub mod collect;
pub mod drift;
pub mod fields;
pub mod heuristics;
pub mod incidents;
mod logins;
pub mod rule_tests;
pub mod scan;
pub mod sigma;
pub mod suppress;
