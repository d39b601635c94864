//! Packages that a tree found to have files that differ.
//!
//! **Invariant:** pure. A package is only made what its own version has, and only for a file that is the tree's to judge.

use super::{FILES, FOUND, INSTALLED, STATUS, map, name_of, remedy, terms};
use crate::model::{Address, Fields, Member, Observed, State, Value};
use crate::providers::host::filetree::bounds::Bounds;
use crate::providers::host::fs::HostPath;

/// The terms in which packages are looked at for a tree of these bounds.
pub fn terms_of_tree(bounds: Fields) -> Value {
    Value::Map(Fields::from([(terms::TREE.to_owned(), Value::Map(bounds))]))
}

/// Whether a tree of these bounds may list such a package; sets what is to be made of it.
pub fn judge_listed(bounds: &Bounds, member: &mut Member) -> bool {
    if name_of(&member.address).is_none() {
        return false;
    }
    let state = match &member.observed {
        Observed::Absent => return false,
        Observed::NotEvaluated(_) => return true,
        Observed::Present(state) => state,
    };
    let counts = |address: &String| {
        let path = HostPath::from_address(&Address(address.clone()));
        path.is_some_and(|path| bounds.counts(&path))
    };
    if !map(state, FILES).any(|(address, _)| counts(address)) {
        return false;
    }
    let is_whole = state.fields.get(STATUS) == Some(&INSTALLED.into());
    let none = || Value::Map(Fields::new());
    let remedied = remedy(&Fields::from([(FILES.to_owned(), none())]), state);
    let why = match (is_whole, remedied == *state) {
        (false, _) => Some(
            "the package is not wholly installed: finish what dpkg was ended in with `dpkg --configure -a`",
        ),
        (true, true) => Some(
            "dpkg would not put these files where they belong; take the diversion or the link away, or list the path in ignore",
        ),
        (true, false) => None,
    };
    member.by_hand = why.map(str::to_owned);
    member.remedy = Some(match why {
        None => remedied,
        Some(_) => {
            let mut fields = state.fields.clone();
            let should = [(STATUS, INSTALLED.into()), (FILES, none()), (FOUND, none())];
            fields.extend(should.map(|(name, value)| (name.to_owned(), value)));
            State::of(fields)
        }
    });
    true
}
