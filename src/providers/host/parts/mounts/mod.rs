//! `Mounts`: the complete list of what may be mounted where. A mount over a watched path hides what lies below it from
//! whoever looks, so that any that is not allowed is `Extra`, a member of kind `Mount` at `//mount/etc/cron.d`.
//!
//! Flow: `/proc/self/mountinfo` ([`table`]) → what no entry allows. Fields: `unread`, how many lines are no mount; `missing`,
//! the required entries of which there is none; `namespace`, whether evenkeel sees the mounts that the first process sees.
//!
//! **Invariant:** nothing is ever unmounted: what lies below is not known before, and whoever uses it would lose it.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use self::table::{Allowed, Mount};
use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{
    Address, Completeness, Contents, Desired, Fields, Kind, Listing, Member, Observation, Observed,
    Presence, Reason, ReasonCode, Risk, RiskLevel, Scope, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::glob::Globs;
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::listing::MAX_MEMBERS;
use crate::providers::host::machine::{Machine, not_running};

/// The kind and the place of one mount, which only a listing names.
const MOUNT: &str = "Mount";
const PLACE: &str = "//mount";
const ALLOWED: &str = "allowed";
const UNREAD: &str = "unread";
const MISSING: &str = "missing";
const NAMESPACE: &str = "namespace";
const SAME: &str = "the host's";
/// How many mounts are at one place.
const LAYERS: &str = "layers";
const MOUNTINFO: &str = "/proc/self/mountinfo";
const MAX_BYTES: u64 = 16 << 20;
const NEVER: &str = "nothing is ever mounted or unmounted";

pub struct Mounts;

impl Part for Mounts {
    fn kind(&self) -> &'static str {
        "Mounts"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let Some(list) = spec.require("allow", &mut decoding.problems) else {
            return Vec::new();
        };
        let nodes = list.list(&mut decoding.problems).unwrap_or_default();
        let entries = nodes.iter().filter_map(|node| entry(node, decoding));
        let entries: Vec<Value> = entries.map(|entry| entry.value()).collect();
        let expected = Fields::from([
            (UNREAD.to_owned(), Value::Int(0)),
            (MISSING.to_owned(), Value::List(Vec::new())),
            (NAMESPACE.to_owned(), SAME.into()),
        ]);
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        // Of one place only, since two lists of all that may be would deny each other.
        desired.address = address("mounts", "all");
        desired
            .options
            .insert(ALLOWED.to_owned(), Value::List(entries));
        desired.scope = Some(Scope {
            within: BTreeSet::from([Address(PLACE.to_owned())]),
            ..Scope::default()
        });
        desired.risk = Risk::new(RiskLevel::High, "hides what lies below it");
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let seen = match host.fs.machine() {
            Some(machine) => look(machine, desired),
            None => Err(not_running()),
        };
        seen.unwrap_or_else(|reason| Observation::plain(Observed::NotEvaluated(reason)))
    }

    /// Nothing is ever done at this address.
    fn see(&self, _: &View<'_>, _: &Address, _: &Fields, _: &mut Contents) -> Observed {
        Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, NEVER))
    }

    fn act(
        &self,
        _: &View<'_>,
        _: &Step,
        _: &Observed,
        _: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        Err(ActError::Refused(NEVER.to_owned()))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        let expected = desired.expected()?;
        let differs = |field: &str| state.get(field) != expected.get(field);
        if differs(NAMESPACE) {
            return Some("find out why a login sees other mounts than the host's first process: nothing that was seen is certain to be the host's".to_owned());
        }
        if differs(UNREAD) {
            return Some(
                "look at /proc/self/mountinfo, which holds what no kernel writes".to_owned(),
            );
        }
        differs(MISSING).then(|| "mount what is missing, as /etc/fstab says it".to_owned())
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        let path = member.address.0.strip_prefix(PLACE);
        let Some(path) = path.filter(|path| path.starts_with('/') && member.kind.0 == MOUNT) else {
            return false;
        };
        let state = member.observed.state();
        let layers = state
            .and_then(|state| state.get(LAYERS)?.as_int())
            .unwrap_or(0);
        let mount = state.and_then(|state| Mount::of(path, &state.fields));
        let allowed = allowed_by(desired);
        let is_allowed = mount.is_some_and(|mount| {
            usize::try_from(layers)
                .is_ok_and(|layers| allowed.iter().any(|one| one.allows(&mount, layers)))
        });
        member.remedy = None;
        member.by_hand = Some(
            "find out who mounted it and what it hides, then unmount it or list it".to_owned(),
        );
        !is_allowed
    }
}

fn allowed_by(desired: &Desired) -> Vec<Allowed> {
    match desired.options.get(ALLOWED) {
        Some(Value::List(entries)) => entries.iter().filter_map(Allowed::of).collect(),
        _ => Vec::new(),
    }
}

fn look(machine: &dyn Machine, desired: &Desired) -> Result<Observation, Reason> {
    let text = machine.read(MOUNTINFO, MAX_BYTES)?.ok_or_else(|| {
        let text = format!("there is no {MOUNTINFO}, so nothing of /proc can be told");
        Reason::new(ReasonCode::Unsupported, text)
    })?;
    let (mounts, unread) = table::parse(&text);
    let allowed = allowed_by(desired);
    let missing = allowed
        .iter()
        .filter(|one| one.is_required && !mounts.iter().any(|mount| one.allows(mount, 1)))
        .map(|one| Value::Text(one.path.clone()));
    let unread = i64::try_from(unread).unwrap_or(i64::MAX);
    let fields = Fields::from([
        (UNREAD.to_owned(), Value::Int(unread)),
        (MISSING.to_owned(), Value::List(missing.collect())),
        (NAMESPACE.to_owned(), namespace(machine)?.into()),
    ]);
    Ok(Observation {
        listing: Some(listing(&mounts, &allowed)),
        ..Observation::plain(Observed::Present(State::of(fields)))
    })
}

/// Whose mounts are seen.
fn namespace(machine: &dyn Machine) -> Result<&'static str, Reason> {
    let of = |process: &str| machine.link(&format!("/proc/{process}/ns/mnt"));
    match (of("self")?, of("1")?) {
        (Some(own), Some(first)) if own == first => Ok(SAME),
        (Some(_), Some(_)) => Ok("another"),
        _ => Err(Reason::new(
            ReasonCode::Unsupported,
            "whose mounts are seen cannot be told: /proc has no namespaces",
        )),
    }
}

/// The mounts that no entry allows: of one place the uppermost of those, with how many there are.
fn listing(mounts: &[Mount], allowed: &[Allowed]) -> Listing {
    let mut places: BTreeMap<&str, Vec<&Mount>> = BTreeMap::new();
    for mount in mounts {
        places.entry(&mount.path).or_default().push(mount);
    }
    let strange = places.values().filter_map(|layers| {
        let is_allowed =
            |mount: &&&Mount| allowed.iter().any(|one| one.allows(mount, layers.len()));
        let strange = layers.iter().rev().find(|mount| !is_allowed(mount))?;
        Some(member(strange, layers.len()))
    });
    let mut members: Vec<_> = strange.take(MAX_MEMBERS + 1).collect();
    let complete = match members.len() > MAX_MEMBERS {
        false => Completeness::Complete,
        true => Completeness::Partial(Reason::new(
            ReasonCode::TooLarge,
            format!("more than {MAX_MEMBERS} mounts are not listed"),
        )),
    };
    members.truncate(MAX_MEMBERS);
    Listing {
        members,
        complete,
        ignored: 0,
    }
}

fn member(mount: &Mount, layers: usize) -> Member {
    let mut fields = mount.fields();
    let layers = i64::try_from(layers).unwrap_or(i64::MAX);
    fields.insert(LAYERS.to_owned(), Value::Int(layers));
    Member {
        address: Address(format!("{PLACE}{}", mount.path)),
        kind: Kind(MOUNT.to_owned()),
        observed: Observed::Present(State::of(fields)),
        remedy: None,
        by_hand: None,
    }
}

/// A path or glob, or a map that says more.
fn entry(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Allowed> {
    let problems = &mut decoding.problems;
    if !matches!(node.value, YamlValue::Map(_)) {
        return Some(Allowed {
            path: path(node, decoding)?,
            ..Allowed::default()
        });
    }
    let mut fields = node.fields(problems)?;
    let at = fields.require("path", problems);
    let mut text = |name| match fields.take(name) {
        Some(node) => node.text(problems).map(str::to_owned),
        None => Some(String::new()),
    };
    let (kind, source, root) = (text("type"), text("source"), text("root"));
    let options = match fields.take("options") {
        Some(node) => node.texts(problems),
        None => Some(Vec::new()),
    };
    let required = fields.take("required").map(|node| node.boolean(problems));
    fields.finish(problems);
    let entry = Allowed {
        path: path(at?, decoding)?,
        kind: kind?,
        source: source?,
        root: root?,
        options: options?,
        is_required: match required {
            Some(required) => required?,
            None => false,
        },
    };
    if entry.options.iter().any(|one| one.contains(',')) {
        let problem = node.problem("an option has no comma: write several as a list");
        decoding.problems.push(problem);
    }
    Some(entry)
}

fn path(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let text = node.text(&mut decoding.problems)?;
    let is_glob = Globs::new(&[text.to_owned()]).is_ok();
    if text.starts_with('/') && is_glob && !text.chars().any(char::is_control) {
        return Some(text.to_owned());
    }
    decoding.problems.push(
        node.problem("this is no place of a mount")
            .hint("an absolute path or a glob of one, such as /boot/efi or /run/user/*"),
    );
    None
}
