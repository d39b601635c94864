//! What two findings have in common that makes them one cause.
//!
//! Strong enough is what one party alone has: its own name, key or public address, the resource that differs, a host that
//! somebody is on. What many have (`root`, a private address, an account of a cloud) joins within one place or not at all.
//! Across places join only names and keys that are unique in the world, and public addresses of what is at least `high`: all
//! hosts hear from the same strangers who try passwords. What anybody may have written joins within one place only.
//!
//! **Invariant:** a finding has a bounded number of links, and who writes many names into one has none by them.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Finding, FindingSource, Level, Trust};

/// A finding that names more addresses is about no one in particular.
const MAX_ADDRESSES: usize = 8;
/// A host on which so many strangers are at work says nothing of any other host by their addresses.
const MAX_STRANGERS: usize = 8;
/// How many of a finding's targets may be an actor elsewhere.
const MAX_MADE: usize = 32;

/// Names that everybody on a host has, or that stand for nobody.
const COMMON: [&str; 14] = [
    "root", "0", "nobody", "daemon", "bin", "sys", "www-data", "nginx", "admin", "ubuntu",
    "debian", "ec2-user", "unknown", "-",
];

/// Kinds of objects that act themselves.
const WHO: [&str; 8] = [
    "user",
    "User",
    "AuthorizedKeys",
    "users",
    "serviceaccounts",
    "AWS::IAM::User",
    "AWS::IAM::Role",
    "AWS::IAM::AccessKey",
];

/// What is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Link<'a> {
    Resource(&'a str),
    /// The host itself.
    Host(&'a str),
    Actor(&'a str, &'a str),
    /// A name that is unique in the world.
    Named(&'a str),
    AccessKey(&'a str),
    /// An address as seen at one place.
    At(&'a str, IpAddr),
    Public(IpAddr),
    /// Somebody who was made, and who acted: joins only where there are both.
    Made(&'a str, String),
}

/// The findings of each link that several have, by their place in the list.
pub(super) fn shared<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<Vec<usize>> {
    let findings: Vec<_> = findings.collect();
    let places: Vec<_> = findings.iter().map(|finding| place(finding)).collect();
    let crowded = crowded(&findings, &places);
    let mut by_link: BTreeMap<Link<'_>, Shared> = BTreeMap::new();
    for (at, (finding, place)) in findings.iter().zip(&places).enumerate() {
        let mut put = |link: Link<'a>, acts: bool, made: bool| {
            let shared = by_link.entry(link).or_default();
            shared.acts |= acts;
            shared.made |= made;
            shared.findings.push(at);
        };
        of_places(finding, *place, &mut |link| put(link, true, true));
        of_actor(finding, *place, &mut put);
        let is_crowded = crowded.contains(place);
        of_addresses(finding, *place, is_crowded, &mut |link| {
            put(link, true, true);
        });
    }
    let both = by_link.into_values().filter(|it| it.acts && it.made);
    both.map(|it| it.findings)
        .filter(|all| all.len() > 1)
        .collect()
}

#[derive(Default)]
struct Shared {
    findings: Vec<usize>,
    acts: bool,
    made: bool,
}

/// Where a finding is: the target that drifted, or the host, the account or the log that its records are of.
fn place(finding: &Finding) -> Place<'_> {
    match &finding.resource {
        Some(resource) => Place {
            name: &resource.target.0,
            is_host: true,
        },
        None => {
            let scope = finding.targets.first().map_or("", String::as_str);
            match scope.strip_prefix("host/") {
                Some(host) => Place {
                    name: host,
                    is_host: true,
                },
                None => Place {
                    name: scope,
                    is_host: false,
                },
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    name: &'a str,
    is_host: bool,
}

/// A drift needs power over the host, and so does what a rule calls high; what is milder may come from anybody outside.
fn of_places<'a>(finding: &'a Finding, place: Place<'a>, put: &mut impl FnMut(Link<'a>)) {
    if finding.resource.is_some()
        && let Some(id) = finding.targets.first()
    {
        put(Link::Resource(id));
    }
    let least = match finding.source {
        FindingSource::Drift => Level::Medium,
        _ => Level::High,
    };
    if place.is_host && finding.level >= least {
        put(Link::Host(place.name));
    }
}

fn of_actor<'a>(
    finding: &'a Finding,
    place: Place<'a>,
    put: &mut impl FnMut(Link<'a>, bool, bool),
) {
    if let Some(actor) = &finding.actor {
        // On a host the login counts, whoever it became; in a cloud the original is a role that many play.
        let name = match &actor.original {
            Some(original) if place.is_host => original.as_str(),
            _ => actor.name.as_str(),
        };
        if !is_common(name) {
            put(Link::Actor(place.name, name), true, true);
            if name.starts_with("arn:") && finding.trust > Trust::Unauthenticated {
                put(Link::Named(name), true, true);
            }
        }
        for name in [Some(&actor.name), actor.original.as_ref()] {
            let name = name.map_or("", String::as_str);
            if !is_common(name) {
                put(Link::Made(place.name, who(name)), true, false);
            }
        }
        let key = actor.session.as_deref().filter(|key| is_access_key(key));
        if let Some(key) = key.filter(|_| finding.trust > Trust::Unauthenticated) {
            put(Link::AccessKey(key), true, true);
        }
    }
    let resource = finding.resource.as_ref();
    let drifted = resource.map(|id| (id.kind.0.as_str(), id.name.as_str()));
    let named = finding.targets.iter().take(MAX_MADE);
    let named = named.filter_map(|target| target.split_once('/'));
    for (kind, name) in drifted.into_iter().chain(named) {
        if WHO.contains(&kind) && !is_common(name) {
            put(Link::Made(place.name, who(name)), false, true);
        }
    }
}

fn of_addresses<'a>(
    finding: &'a Finding,
    place: Place<'a>,
    is_crowded: bool,
    put: &mut impl FnMut(Link<'a>),
) {
    for address in addresses(finding) {
        put(Link::At(place.name, address));
        if !is_crowded && is_road(finding) && is_public(address) {
            put(Link::Public(address));
        }
    }
}

/// Whether an address of a finding may lead to other places.
fn is_road(finding: &Finding) -> bool {
    finding.level >= Level::High && finding.trust > Trust::Unauthenticated
}

/// The places that name too many public addresses to be led anywhere by one.
fn crowded<'a>(findings: &[&'a Finding], places: &[Place<'a>]) -> BTreeSet<Place<'a>> {
    let mut strangers: BTreeMap<Place<'a>, BTreeSet<IpAddr>> = BTreeMap::new();
    for (finding, place) in findings.iter().zip(places) {
        if is_road(finding) {
            let public = addresses(finding).into_iter().filter(|it| is_public(*it));
            strangers.entry(*place).or_default().extend(public);
        }
    }
    let many = strangers.into_iter().filter(|(place, all)| {
        // An account is as large as a company, and its log is no host's to write.
        place.is_host && all.len() > MAX_STRANGERS
    });
    many.map(|(place, _)| place).collect()
}

/// The addresses by which a finding may be joined; none where they are too many.
fn addresses(finding: &Finding) -> Vec<IpAddr> {
    if finding.addresses.len() > MAX_ADDRESSES {
        return Vec::new();
    }
    let all = finding.addresses.iter();
    let all = all.filter_map(|address| address.parse::<IpAddr>().ok());
    all.map(|address| address.to_canonical())
        .filter(|address| is_somebody(*address))
        .collect()
}

/// Whether an address can be one party's at its place: no loopback, no group, none that stands for nobody.
fn is_somebody(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(it) => it.is_link_local() || it.is_broadcast(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

/// Whether an address means the same everywhere: none that is translated or used again and again (RFC 1918, 4193, 6598).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => {
            let [a, b, ..] = it.octets();
            !(it.is_private() || (a == 100 && (64..128).contains(&b)))
        }
        IpAddr::V6(it) => !it.is_unique_local(),
    }
}

fn is_common(name: &str) -> bool {
    let is_service_account = name.starts_with("system:serviceaccount:")
        && !name.starts_with("system:serviceaccount:kube-system:");
    name.is_empty()
        || COMMON.contains(&name)
        || (name.starts_with("system:") && !is_service_account)
        || name.ends_with(".amazonaws.com")
        || name.starts_with("AWS ")
}

/// An id of AWS for a long-lived key or a session, which is given out once.
fn is_access_key(session: &str) -> bool {
    (session.starts_with("AKIA") || session.starts_with("ASIA"))
        && (16..=128).contains(&session.len())
}

/// A name as it is said of who acts and of who was made: `ops` of `arn:aws:iam::1:user/team/ops` and of
/// `//user/ops`; `ns:name` of a service account, which is `ns/name` as an object.
fn who(name: &str) -> String {
    if let Some(account) = name.strip_prefix("system:serviceaccount:") {
        return account.replace(':', "/");
    }
    let part = |name: &str, at: usize| name.split('/').nth(at).unwrap_or("").to_owned();
    match name.strip_prefix("//") {
        Some(rest) => part(rest, 1),
        // The session's name is for its caller to choose, the role's is not.
        None if name.contains(":assumed-role/") => part(name, 1),
        None if name.starts_with("arn:") => name.rsplit('/').next().unwrap_or(name).to_owned(),
        None => name.to_owned(),
    }
}
