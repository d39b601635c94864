//! What makes a drift's author milder than suspicious.
//!
//! **Invariant:** what an attacker can write makes nothing milder. A [`Proof`] is made of git, or of records of which each is
//! [`Trust::Authenticated`]; there is no other way to a class below [`Class::Suspicious`].

use super::known::{Commit, Known, Party, Window};
use crate::model::{Class, ResourceId, Trust};

/// Why a class may be milder.
pub(super) enum Proof<'a> {
    Commit(&'a Commit),
    Window(&'a Party, &'a Window),
    Controller(&'a Party),
    Person(&'a Party),
}

impl<'a> Proof<'a> {
    /// Git's own word.
    pub(super) fn of_git(known: &'a Known, resource: &ResourceId) -> Option<Self> {
        known.commit(resource).map(Self::Commit)
    }

    /// The word of records, the least believed of which has this trust.
    pub(super) fn of_records(
        known: &'a Known,
        trust: Trust,
        party: &'a Party,
        time: jiff::Timestamp,
    ) -> Option<Self> {
        if trust != Trust::Authenticated {
            return None;
        }
        if let Some(window) = known.window(&party.name, time) {
            return Some(Self::Window(party, window));
        }
        let is_controller = known.controllers.iter().any(|it| std::ptr::eq(it, party));
        Some(match is_controller {
            true => Self::Controller(party),
            false => Self::Person(party),
        })
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Commit(_) | Self::Window(..) => Class::Intended,
            Self::Controller(_) => Class::Controller,
            Self::Person(_) => Class::Manual,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Commit(commit) => format!(
                "commit {} of {} says what is there",
                commit.id, commit.author
            ),
            Self::Window(party, window) => {
                format!(
                    "{} may do so in the approved window {}",
                    party.name, window.id
                )
            }
            Self::Controller(party) => {
                format!("{} is a known controller and proved to be it", party.name)
            }
            Self::Person(party) => format!("{} did it outside of the process", party.name),
        }
    }
}
