//! Sigma: rules as they are published, evaluated as the specification says or refused.
//!
//! Flow: files → [`Rules::load`] → for each [`Record`](crate::model::Record) [`Rules::hits`] → [`Correlator::feed`] →
//! [`Fired`]. The engine is rsigma's for what a single record meets; it is asked only what it answers as specified, which
//! docs/sigma.md lists with the test for each. Correlations are counted here.
//!
//! **Invariant:** this is the only module that knows rsigma. A rule that is not refused means what the specification says,
//! and the same records in the same order give the same hits.

mod correlate;
mod correlation;
mod documents;
mod encode;
mod filter;
mod item;
mod link;
mod load;
mod modifiers;
mod pieces;
mod reading;
mod route;
mod rule;
mod selection;
mod text;
mod view;
mod window;
mod written;

pub use correlate::{Correlator, Evidence, Fired, Limits, Uncounted};
pub use correlation::{Against, Correlation, Counts, Hitting, Taken, When};
pub use load::{Loaded, Options, RuleFile, RuleProblem};
pub use route::{Hit, Rules};
pub use rule::{LooksFor, Rule, RuleIndex};
