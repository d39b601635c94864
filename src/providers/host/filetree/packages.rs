//! A tree held against what dpkg's database of the host itself says of it.
//!
//! Flow: what all packages list and the alternatives' links ([`index`](super::index)) → a walk, as for a manifest → each
//! package with a file that is missing or has another content is one member, at the package's address: it is put right as
//! a whole, by the part `Package` → what nobody owns is a member at its path.
//!
//! **Invariant:** nothing is told to be nobody's unless all that packages own is known, and dpkg was at rest meanwhile.

use std::collections::BTreeSet;

use super::bounds::Bounds;
use super::index::{Index, Owner};
use super::judge::Terms;
use super::members::{LookAt, Members};
use super::walk::{Ground, Walk, What};
use crate::model::{
    Address, Completeness, Contents, Fields, Kind, Listing, Member, Observed, Reason, ReasonCode,
};
use crate::providers::host::dpkg;
use crate::providers::host::kinds;
use crate::providers::host::listing::Claims;
use crate::providers::host::parts::{self, Part, View, package};

/// The kind of a package that has to be put right.
pub const KIND: &str = package::KIND;

/// Lists the packages with files that differ in a tree and, where that counts, what no package owns.
///
/// # Errors
/// dpkg's database could not be read, or changed meanwhile.
pub fn survey(
    view: &View<'_>,
    terms: &Terms<'_>,
    claims: &Claims,
    options: &Fields,
    look: LookAt<'_>,
) -> Result<Listing, Reason> {
    let before = dpkg::mark(view.fs)?;
    let index = Index::of(view, terms.top())?;
    let ground = Ground {
        fs: view.fs,
        bounds: &terms.bounds,
        exclusive: terms.exclusive && index.lacks.is_none(),
        claims,
    };
    let walk = Walk::through(ground, &index);
    let mut members = Members::new(&walk, ground, terms, look);
    let mut packages: BTreeSet<&str> = BTreeSet::new();
    let mut unowned = Vec::new();
    for odd in walk.take_odd() {
        match (index.owner(odd.at), odd.what) {
            (_, What::Unseen(reason)) => {
                members.member(&odd.path, kinds::FILE, Observed::NotEvaluated(reason));
            }
            (Owner::Package(name), _) => {
                packages.insert(name);
            }
            (Owner::Alternative, What::Differs) if ground.exclusive => unowned.push(odd.path),
            (Owner::Alternative | Owner::Nobody, _) => {}
        }
    }
    for name in packages {
        if let Some(member) = seen(view, terms, options, name) {
            members.add(member);
        }
    }
    for (name, reason) in &index.unread {
        members.add(member(name, Observed::NotEvaluated(reason.clone())));
    }
    unowned.extend(walk.take_extras());
    unowned.sort_unstable();
    for path in unowned {
        members.extra(&path);
    }
    if dpkg::mark(view.fs)? != before {
        let text = "dpkg was at work while the tree was looked at";
        return Err(Reason::new(ReasonCode::Unstable, text));
    }
    let mut listing = members.listing();
    if let (Completeness::Complete, true, Some(reason)) =
        (&listing.complete, terms.exclusive, index.lacks)
    {
        listing.complete = Completeness::Partial(reason);
    }
    Ok(listing)
}

fn member(name: &str, observed: Observed) -> Member {
    Member {
        address: parts::address(package::PLACE, name),
        kind: Kind(KIND.to_owned()),
        observed,
        remedy: None,
        by_hand: None,
    }
}

/// A package in the terms of a step; none where nothing of it differs any more.
fn seen(view: &View<'_>, terms: &Terms<'_>, options: &Fields, name: &str) -> Option<Member> {
    let address: Address = parts::address(package::PLACE, name);
    let observed = package::Package.see(view, &address, options, &mut Contents::default());
    let mut member = member(name, observed);
    judge(&terms.bounds, &mut member).then_some(member)
}

/// Whether a listing may hold such a package; sets what is to be made of it.
pub fn judge(bounds: &Bounds, member: &mut Member) -> bool {
    member.kind.0 == KIND && package::judge_listed(bounds, member)
}
