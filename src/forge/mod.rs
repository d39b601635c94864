//! Pull requests: what is proposed, what becomes of it, and who approved it.
//!
//! Flow: the engine gathers a [`lifecycle::Situation`]; [`lifecycle::decide`] says what to do with each pull request;
//! [`body`] writes the words; [`ports::Forge`](crate::ports::Forge) carries it out (the `github` module does that for
//! GitHub); [`approval::judge`] says whether a merged approval counts; [`adopt`] makes the opposite edit, where the
//! live state becomes the baseline.
//!
//! **Invariant:** nothing here approves anything: an approval is what a person merged, judged against the plan made now.

pub mod adopt;
pub mod approval;
pub mod body;
#[cfg(feature = "github")]
pub mod github;
pub mod lifecycle;
pub mod marker;
pub mod text;
