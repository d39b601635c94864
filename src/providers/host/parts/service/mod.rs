//! `Service`: a unit of systemd, with the files of `/etc` and `/run` that change what it is.
//!
//! Fields: `load`, whether systemd could read it; `enabled`, `running`, `masked`; `drop_ins` and `overrides`, the files that
//! change it besides its package's; `found`, what stands at those of them that the manifest does not list, so that they can be
//! put back; and `needs_reload`, where nothing but that is wrong.
//!
//! **Invariant:** systemd reads its files anew only after what is not listed was taken away.

mod act;
mod files;
mod unit;

use std::collections::BTreeSet;
use std::time::Duration;

use self::unit::Unit;
use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, TERMS, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::machine::{Machine, not_running};
use crate::providers::host::path::escape;
use crate::providers::host::tool::Said;
use crate::providers::host::tree::Keep;

/// The place of all units.
const PLACE: &str = "service";
const LOAD: &str = "load";
const ENABLED: &str = "enabled";
const RUNNING: &str = "running";
const MASKED: &str = "masked";
const DROP_INS: &str = "drop_ins";
const OVERRIDES: &str = "overrides";
const FOUND: &str = "found";
const NEEDS_RELOAD: &str = "needs_reload";
/// The option of the terms that lets a unit file stand over the package's.
const OVERRIDE: &str = "override";
const LOADED: &str = "loaded";
/// What is enabled until the next boot only.
const FOR_NOW: &str = "enabled-runtime";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Units that a login or the host's defences depend on, without their types.
const VITAL: [&str; 10] = [
    "ssh",
    "sshd",
    "networking",
    "systemd-networkd",
    "systemd-resolved",
    "NetworkManager",
    "nftables",
    "auditd",
    "systemd-journald",
    "rsyslog",
];

pub struct Service;

impl Part for Service {
    fn kind(&self) -> &'static str {
        "Service"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        decode(declared, spec, decoding).into_iter().collect()
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let mut kept = Contents::default();
        Observation::plain(self.see(host, &desired.address, &desired.options, &mut kept))
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        options: &Fields,
        keep: &mut Contents,
    ) -> Observed {
        match see(host, address, &Terms::of(options), keep) {
            Ok(state) => Observed::Present(state),
            Err(reason) => Observed::NotEvaluated(reason),
        }
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let name = name_at(&step.address)
            .ok_or_else(|| ActError::Refused("its name is none of a unit".to_owned()))?;
        let machine = host.fs.machine();
        let machine = machine.ok_or_else(|| ActError::Refused(not_running().text))?;
        let (Some(wanted), Some(now)) = (&step.state, now.state()) else {
            return Err(ActError::Refused("a unit cannot be taken away".to_owned()));
        };
        let task = act::Task {
            host,
            machine,
            name,
            step,
            wanted,
            context,
        };
        task.run(now)
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        act::tidy(host, step, nonce)
    }

    #[cfg(feature = "controller")]
    fn takes(&self) -> Duration {
        act::LIMIT_IN_ALL
    }

    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        let mut fields = observed.state()?.fields.clone();
        fields.extend(desired.expected()?.clone());
        fields.insert(FOUND.to_owned(), Value::Map(Fields::new()));
        Some(State::of(fields))
    }

    fn one_way(&self, _desired: &Desired, observed: &Observed) -> Option<String> {
        let needs = observed.state()?.get(NEEDS_RELOAD) == Some(&Value::Bool(true));
        needs.then(|| "systemd does not go back to what its files said before".to_owned())
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        by_hand(desired.expected()?, observed.state()?)
    }
}

/// What of a unit is let be; the rest that changes it is kept for a way back.
struct Terms {
    drop_ins: BTreeSet<String>,
    may_override: bool,
}

impl Terms {
    fn of(options: &Fields) -> Self {
        let terms = match options.get(TERMS) {
            Some(Value::Map(terms)) => Some(terms),
            _ => None,
        };
        let field = |name: &str| terms.and_then(|terms| terms.get(name));
        Self {
            drop_ins: field(DROP_INS).map(texts).unwrap_or_default(),
            may_override: field(OVERRIDE) == Some(&Value::Bool(true)),
        }
    }

    fn option(&self) -> Value {
        Value::Map(Fields::from([
            (DROP_INS.to_owned(), list(&self.drop_ins)),
            (OVERRIDE.to_owned(), Value::Bool(self.may_override)),
        ]))
    }
}

fn see(
    host: &View<'_>,
    address: &Address,
    terms: &Terms,
    keep: &mut Contents,
) -> Result<State, Reason> {
    let unsupported = |text: String| Reason::new(ReasonCode::Unsupported, text);
    let name = name_at(address).ok_or_else(|| unsupported("its name is none of a unit".into()))?;
    let unit = ask(host.fs.machine().ok_or_else(not_running)?, name)?;
    let overrides = files::overrides(host.fs, name)?;
    if unit.id != name && overrides.is_empty() {
        let id = escape(unit.id.as_bytes());
        return Err(unsupported(format!(
            "it is another name of {id}: keep that one"
        )));
    }
    // What systemd has read may be gone from the disk, and what is there it may not have read yet.
    let mut drop_ins = files::drop_ins(host.fs, name)?;
    drop_ins.extend(unit.drop_ins.iter().map(|path| escape(path.as_bytes())));
    let mut strange: BTreeSet<String> = drop_ins.difference(&terms.drop_ins).cloned().collect();
    if !terms.may_override {
        strange.extend(overrides.iter().cloned());
    }
    if drop_ins.len() + overrides.len() > files::MAX_FILES {
        let text = format!("more than {} files change it", files::MAX_FILES);
        return Err(Reason::new(ReasonCode::TooLarge, text));
    }
    let is_masked = unit.load == "masked";
    let mut keep = Keep {
        contents: keep,
        bytes_left: host.keep_bytes,
        overflowed: false,
    };
    let found = files::found(host.fs, &strange, &mut keep)?;
    let is_wanted = files::is_wanted(host.fs, name)?;
    let load = if is_masked { LOADED } else { &unit.load };
    let word = match unit.file_state.as_str() {
        // Only the links tell.
        _ if is_masked => Value::Bool(is_wanted),
        "enabled" => Value::Bool(true),
        // The next boot reads the disk.
        "disabled" | "" => Value::Bool(is_wanted),
        other => Value::text(escape(other.as_bytes())),
    };
    Ok(State::of(Fields::from([
        (LOAD.to_owned(), Value::text(escape(load.as_bytes()))),
        (ENABLED.to_owned(), word),
        (RUNNING.to_owned(), Value::Bool(unit.is_running)),
        (MASKED.to_owned(), Value::Bool(is_masked)),
        (DROP_INS.to_owned(), list(&drop_ins)),
        (OVERRIDES.to_owned(), list(&overrides)),
        (
            NEEDS_RELOAD.to_owned(),
            Value::Bool(unit.needs_reload && strange.is_empty()),
        ),
        (FOUND.to_owned(), Value::Map(found)),
    ])))
}

/// What systemd says of a unit, by the program that asks it over D-Bus.
fn ask(machine: &dyn Machine, name: &str) -> Result<Unit, Reason> {
    let arguments = ["show", "--no-pager", unit::PROPERTIES, "--", name];
    let said = machine.call(SYSTEMCTL, &arguments, b"", PATIENCE)?;
    let text = match Unit::parse(&said.output) {
        Some(mut unit) if said.succeeded => {
            if unit.load == LOADED {
                // Afresh from the disk, where `show` tells what was read before.
                let arguments = ["is-enabled", "--", name];
                let said = machine.call(SYSTEMCTL, &arguments, b"", PATIENCE)?;
                let word = String::from_utf8_lossy(&said.output);
                unit.file_state = word.lines().next().unwrap_or_default().to_owned();
            }
            return Ok(unit);
        }
        _ if said.succeeded => "what systemctl says of it is not understood".to_owned(),
        _ => format!("systemctl cannot ask systemd: {}", words(&said)),
    };
    Err(Reason::new(ReasonCode::Unsupported, text))
}

fn words(said: &Said) -> String {
    said.first_line().unwrap_or_default()
}

/// What only a person can put right.
fn by_hand(expected: &Fields, state: &State) -> Option<String> {
    if expected.contains_key(LOAD) && state.get(LOAD) != expected.get(LOAD) {
        // What stands over the package's file may be to blame, and goes.
        let is_covered = state.get(OVERRIDES) != Some(&Value::List(Vec::new()))
            && expected.contains_key(OVERRIDES);
        if !is_covered {
            return Some("put its unit file where systemd finds and understands it".to_owned());
        }
    }
    match (expected.get(ENABLED), state.get(ENABLED)) {
        (Some(_), Some(Value::Text(word))) if word != FOR_NOW => Some(format!(
            "systemd calls it \"{word}\", which is neither enabled nor disabled; leave `enabled` out or put its unit file right"
        )),
        _ => {
            let found = match state.get(FOUND) {
                Some(Value::Map(found)) => found,
                _ => return None,
            };
            let stays = found.keys().find(|path| !files::is_editable(path));
            stays.map(|path| format!("{path} changes it, which is no file for evenkeel to remove"))
        }
    }
}

fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let at = spec.node();
    let (text, node) = match spec.take("name") {
        Some(node) => (node.text(&mut decoding.problems), node),
        None => (Some(declared.id.name.as_str()), at),
    };
    let name = text.and_then(|text| checked(text, node, decoding));
    let [enabled, running, masked, may_override] = [ENABLED, RUNNING, MASKED, OVERRIDE]
        .map(|field| spec.take(field))
        .map(|node| match node {
            Some(node) => node.boolean(&mut decoding.problems).map(Some),
            None => Some(None),
        });
    let listed = match spec.take("dropIns") {
        Some(node) => drop_ins(node, decoding),
        None => Some(BTreeSet::new()),
    };
    let (name, enabled, running, masked) = (name?, enabled?, running?, masked?.unwrap_or(false));
    let is_used = [enabled, running].contains(&Some(true));
    if masked && is_used {
        decoding.problems.push(
            at.problem("a masked unit can neither be enabled nor run")
                .hint("leave out masked, or say enabled: false and running: false"),
        );
        return None;
    }
    let terms = Terms {
        drop_ins: listed?,
        may_override: may_override?.unwrap_or(false),
    };
    let mut expected = Fields::from([
        (MASKED.to_owned(), Value::Bool(masked)),
        (DROP_INS.to_owned(), list(&terms.drop_ins)),
        (NEEDS_RELOAD.to_owned(), Value::Bool(false)),
    ]);
    for (field, value) in [(ENABLED, enabled), (RUNNING, running)] {
        if let Some(value) = value {
            expected.insert(field.to_owned(), Value::Bool(value));
        }
    }
    if is_used {
        expected.insert(LOAD.to_owned(), LOADED.into());
    }
    if !terms.may_override {
        expected.insert(OVERRIDES.to_owned(), Value::List(Vec::new()));
    }
    let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
    let stem = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem);
    desired.risk = match VITAL.contains(&stem) {
        true => Risk::new(
            RiskLevel::High,
            "changes what a login or a defence depends on",
        ),
        false => Risk::new(RiskLevel::Medium, "changes what runs on the host"),
    };
    desired.address = address(PLACE, &name);
    desired.options.insert(TERMS.to_owned(), terms.option());
    Some(Draft::new(desired, nowhere(), at))
}

fn checked(text: &str, node: &Yaml, decoding: &mut Decoding<'_>) -> Option<String> {
    let name = unit::name_of(text);
    if name.is_none() {
        decoding.problems.push(
            node.problem(format!("\"{}\" is no name of a unit", text.escape_debug()))
                .hint("such as ssh, ssh.socket or getty@tty1.service"),
        );
    }
    name
}

/// The drop-ins that may be there, as systemd names them.
fn drop_ins(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for item in node.list(&mut decoding.problems)? {
        let text = item.text(&mut decoding.problems)?;
        if !files::is_editable(text) || !text.ends_with(".conf") || files::path_of(text).is_err() {
            decoding.problems.push(
                item.problem("this is no drop-in of a unit")
                    .hint("such as /etc/systemd/system/ssh.service.d/10-limits.conf; those below /usr/lib are a package's and need not be listed"),
            );
            return None;
        }
        paths.insert(text.to_owned());
    }
    Some(paths)
}

fn name_at(address: &Address) -> Option<&str> {
    let name = address.0.strip_prefix("//service/")?;
    (unit::name_of(name).as_deref() == Some(name)).then_some(name)
}

fn list(texts: &BTreeSet<String>) -> Value {
    Value::List(texts.iter().cloned().map(Value::Text).collect())
}

fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::List(items) => items
            .iter()
            .filter_map(Value::as_text)
            .map(str::to_owned)
            .collect(),
        _ => BTreeSet::new(),
    }
}
