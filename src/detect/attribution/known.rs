//! Who is known: people, controllers, commits and windows, as the baseline and git say.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;

use crate::model::ResourceId;

/// A range of addresses, such as `192.0.2.0/24`, or one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

/// What is no range of addresses.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address and no range such as 192.0.2.0/24")]
pub struct NetError(String);

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let no = || NetError(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| no())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| no())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most)
            .then_some(Self { address, bits })
            .ok_or_else(no)
    }
}

impl Net {
    /// Whether an address is in it; what is no address is in none.
    pub fn holds(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else {
            return false;
        };
        let same = |a: u128, b: u128, most: u8| {
            let rest = u32::from(most - self.bits);
            a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// Somebody who may act: a person, or a controller.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Party {
    /// For reports.
    pub name: String,
    /// The names that sources know them by: accounts, ARNs, `system:serviceaccount:ns:name`.
    pub identities: BTreeSet<String>,
    /// Fingerprints of their keys.
    pub keys: BTreeSet<String>,
    /// Where they come from.
    pub addresses: Vec<Net>,
}

/// A commit of the baseline since it was last known that nothing differed.
#[derive(Clone, PartialEq, Debug)]
pub struct Commit {
    pub id: String,
    pub time: Timestamp,
    pub author: String,
    /// Files that it touched, below the baseline.
    pub files: BTreeSet<String>,
    /// Resources whose live state is what this commit says of them.
    pub met: BTreeSet<ResourceId>,
}

/// A time in which some may change things by hand.
#[derive(Clone, PartialEq, Debug)]
pub struct Window {
    pub id: String,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Names of parties.
    pub who: BTreeSet<String>,
}

/// All that is known.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Known {
    pub people: Vec<Party>,
    pub controllers: Vec<Party>,
    /// Addresses that pass on what others ask, and say for whom.
    pub proxies: Vec<Net>,
    pub commits: Vec<Commit>,
    pub windows: Vec<Window>,
}

impl Known {
    /// Where a call came from, of the addresses in the order in which they were passed on: the last that is no proxy of
    /// ours, since what stands before it is what the caller said.
    pub(super) fn origin<'a>(&self, addresses: &'a [String]) -> Option<&'a str> {
        let is_proxy = |address: &str| self.proxies.iter().any(|net| net.holds(address));
        let last = addresses.iter().rev().find(|address| !is_proxy(address));
        last.or(addresses.first()).map(String::as_str)
    }

    /// The commit that says of a resource what is there.
    pub(super) fn commit(&self, resource: &ResourceId) -> Option<&Commit> {
        let met = self
            .commits
            .iter()
            .filter(|commit| commit.met.contains(resource));
        met.max_by_key(|commit| commit.time)
    }

    /// The window in which a party may act at a time.
    pub(super) fn window(&self, party: &str, time: Timestamp) -> Option<&Window> {
        self.windows
            .iter()
            .find(|it| it.who.contains(party) && (it.from..=it.until).contains(&time))
    }
}

impl Party {
    pub(super) fn is(&self, identity: &str) -> bool {
        self.identities.contains(identity)
    }

    pub(super) fn comes_from(&self, address: &str) -> bool {
        self.addresses.iter().any(|net| net.holds(address))
    }
}
