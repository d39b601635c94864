//! Something strange about an act: how much, and why, in numbers.

use std::fmt;

use super::novelty::New;
use super::profile::Above;
use crate::model::EventRef;

/// What a heuristic has to say of an act.
#[derive(Clone, Debug)]
pub struct Strange {
    /// Finite, and above zero. Only comparable within one heuristic.
    pub score: f64,
    /// Who it is told of: the actor, or where an actor is only what a stranger typed, the address.
    pub who: Who,
    pub why: Why,
    /// Records before this one that belong to it.
    pub before: Vec<EventRef>,
}

/// Whom something is told of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Actor,
    Address,
}

/// Why, in the numbers that made the score.
#[derive(Clone, PartialEq, Debug)]
pub enum Why {
    New {
        kind: &'static str,
        thing: String,
        new: New,
    },
    Above {
        what: &'static str,
        above: Above,
    },
    Succeeded {
        what: String,
        failures: u32,
        seconds: i64,
        usual: f64,
    },
    Travelled {
        from: String,
        to: String,
        kilometres: f64,
        seconds: i64,
        speed: f64,
    },
}

impl Strange {
    pub fn new(score: f64, why: Why) -> Self {
        Self {
            score,
            who: Who::Actor,
            why,
            before: Vec::new(),
        }
    }

    pub fn of_address(self) -> Self {
        Self {
            who: Who::Address,
            ..self
        }
    }
}

impl Why {
    /// The same for one reason, whatever its numbers.
    pub fn reason(&self) -> String {
        match self {
            Self::New { kind, thing, .. } => format!("{kind} {thing}"),
            Self::Above { what, .. } => (*what).to_owned(),
            Self::Succeeded { what, .. } => what.clone(),
            Self::Travelled { from, to, .. } => format!("{from} {to}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { kind, thing, new } => write!(
                f,
                "{kind} {thing} {}: something new came up in {} of {} hours before",
                match new.again {
                    true => "was met on one day only",
                    false => "was never met",
                },
                new.novel,
                new.active
            ),
            Self::Above { what, above } => write!(
                f,
                "{:.0} {what} in one hour, where {:.1} are usual ({} weeks of this hour are known)",
                above.count, above.usual, above.weeks
            ),
            Self::Succeeded {
                what,
                failures,
                seconds,
                usual,
            } => write!(
                f,
                "{failures} failures of {what} within {seconds} s, then a success; {usual:.1} are usual"
            ),
            Self::Travelled {
                from,
                to,
                kilometres,
                seconds,
                speed,
            } => write!(
                f,
                "from {from} to {to}: {kilometres:.0} km in {seconds} s, which takes {speed:.0} km/h"
            ),
        }
    }
}
