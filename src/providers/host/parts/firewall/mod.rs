//! `Firewall`: one table of nftables, or all of them, in the kernel's own form.
//!
//! Flow: the manifest's rules → the host's `nft` in a network namespace of its own, which is thrown away → the one form →
//! compared with what `nft` lists → put by one transaction, of which the kernel takes all or nothing.
//!
//! **Invariant:** nothing but whole tables is put or removed, and always at once: there is no moment with half the rules.

mod form;
mod words;

use std::time::Duration;

use super::{Form, Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, Value, Verb,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::fs::Fs;
use crate::providers::host::kinds::{Decoding, Draft, UNASKED, blank};
use crate::providers::host::machine::{Machine, not_running};

/// The place of all of them.
const PLACE: &str = "firewall";
/// The name of what is all tables.
const WHOLE: &str = "ruleset";
const FAMILIES: [&str; 6] = ["inet", "ip", "ip6", "arp", "bridge", "netdev"];
const NFT: &str = "/usr/sbin/nft";
/// A name for its input that is there whatever /dev holds; nft wants one for JSON.
const STDIN: &str = "/proc/self/fd/0";
const UNSHARE: &str = "/usr/bin/unshare";
/// Reads the rules where nothing is connected to anything, and lists what came of them.
const TRY: [&str; 4] = [
    "--net",
    "/bin/sh",
    "-c",
    "/usr/sbin/nft -f - && exec /usr/sbin/nft -j list ruleset",
];
/// How long nft may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The longest rules of a manifest, and what they may come to, in bytes.
const MAX_RULES: usize = 1 << 20;
const MAX_FORM: usize = 8 << 20;
/// The longest name of a table.
const MAX_NAME: usize = 128;

pub struct Firewall;

impl Part for Firewall {
    fn kind(&self) -> &'static str {
        "Firewall"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let part = part_of(spec, decoding);
        let rules = rules_of(declared, spec, decoding);
        let (Some(part), Some((rules, node))) = (part, rules) else {
            return Vec::new();
        };
        let mut desired = blank(declared, &nowhere(), Presence::Present(Fields::new()));
        desired.address = address_of(&part);
        desired.risk = Risk::new(RiskLevel::High, "decides who reaches this host");
        match decoding.form(declared, &rules) {
            Some(Form::Is(said)) => match expected(&said, &part, decoding) {
                Ok(mut fields) => {
                    let order = fields.remove_entry(form::ORDER);
                    desired.options.extend(order);
                    desired.presence = Presence::Present(fields);
                }
                Err(why) => unresolved(decoding, node, &why),
            },
            Some(Form::Wrong(why)) => unresolved(decoding, node, &format!("nft says {why}")),
            Some(Form::Unknown(reason)) => {
                desired
                    .options
                    .insert(UNASKED.into(), Value::Text(reason.text));
            }
            None => {
                let text = Value::text("the host was not asked for the form of its rules");
                desired.options.insert(UNASKED.into(), text);
            }
        }
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn form(&self, host: &View<'_>, text: &str) -> Form {
        let Some(machine) = host.fs.machine() else {
            return Form::Unknown(not_running());
        };
        match machine.call(UNSHARE, &TRY, text.as_bytes(), LIMIT) {
            Err(reason) => Form::Unknown(reason),
            Ok(said) if !said.succeeded => {
                let line = said.first_line().unwrap_or_default();
                match line.contains(": Error: ") {
                    true => Form::Wrong(line.replace("/dev/stdin:", "line ")),
                    // There is no nft, or no right to make a namespace for it.
                    false => Form::Unknown(Reason::new(
                        ReasonCode::Unsupported,
                        format!("the host cannot try the rules: {line}"),
                    )),
                }
            }
            Ok(said) if said.is_cut || said.output.len() > MAX_FORM => {
                Form::Wrong("more than evenkeel takes".to_owned())
            }
            Ok(said) => match String::from_utf8(said.output) {
                Ok(text) => Form::Is(text),
                Err(_) => Form::Wrong("what is no text".to_owned()),
            },
        }
    }

    fn may_cut_off(&self) -> bool {
        true
    }

    fn look(&self, host: &View<'_>, desired: &Desired, shown: &mut Contents) -> Observation {
        Observation::plain(self.see(host, &desired.address, &desired.options, shown))
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        keep: &mut Contents,
    ) -> Observed {
        match see(host.fs, address, keep) {
            Ok(Some(fields)) => Observed::Present(State::of(fields)),
            Ok(None) => Observed::Absent,
            Err(reason) => Observed::NotEvaluated(reason),
        }
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        _now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let refused = |why: &str| ActError::Refused(why.to_owned());
        let part = part_at(&step.address).ok_or_else(|| refused("it is no part of a ruleset"))?;
        let fields = match (step.verb, &step.state) {
            (Verb::Put, Some(state)) => Some(&state.fields),
            (Verb::Remove, _) if part != form::Part::Whole => None,
            _ => return Err(refused("the step has no rules to put")),
        };
        let find = |digest: &_| context.contents.content(digest);
        let text = form::transaction(&part, fields, &find).map_err(ActError::Refused)?;
        let machine = host.fs.machine();
        let machine = machine.ok_or_else(|| ActError::Refused(not_running().text))?;
        let said = machine
            .call(NFT, &["-j", "-f", STDIN], text.as_bytes(), LIMIT)
            .map_err(|reason| ActError::Failed(reason.text))?;
        match said.succeeded {
            true => Ok(Vec::new()),
            // All or nothing: nothing.
            false => Err(ActError::Refused(format!(
                "nft refused the rules: {}",
                said.first_line().unwrap_or_default()
            ))),
        }
    }

    fn remedy(&self, desired: &Desired, _observed: &Observed) -> Option<State> {
        let mut fields = desired.expected()?.clone();
        let order = desired.options.get(form::ORDER)?;
        fields.insert(form::ORDER.to_owned(), order.clone());
        Some(State::of(fields))
    }

    fn by_hand(&self, _desired: &Desired, observed: &Observed) -> Option<String> {
        match observed.state()?.fields.get(form::IPTABLES)? {
            Value::List(chains) => Some(format!(
                "take the rules of iptables out of {}: nft could not put them back, so there would be no undo",
                chains.first().and_then(Value::as_text).unwrap_or("it")
            )),
            _ => None,
        }
    }
}

fn see(fs: &dyn Fs, address: &Address, keep: &mut Contents) -> Result<Option<Fields>, Reason> {
    let unsupported = |text: String| Reason::new(ReasonCode::Unsupported, text);
    let part = part_at(address)
        .ok_or_else(|| unsupported("its address is no part of a ruleset".to_owned()))?;
    let said = listing(fs.machine().ok_or_else(not_running)?)?;
    form::fields(&said, &part, keep)
        .map_err(|why| unsupported(format!("what nft lists is not understood: {why}")))
}

fn listing(machine: &dyn Machine) -> Result<Vec<u8>, Reason> {
    let said = machine.call(NFT, &["-j", "list", "ruleset"], b"", LIMIT)?;
    if !said.succeeded {
        let line = said.first_line().unwrap_or_default();
        let code = match line.contains("not permitted") {
            true => ReasonCode::PermissionDenied,
            false => ReasonCode::Io,
        };
        return Err(Reason::new(
            code,
            format!("nft failed to list the rules: {line}"),
        ));
    }
    if said.is_cut {
        let text = "there are more rules than evenkeel reads";
        return Err(Reason::new(ReasonCode::TooLarge, text));
    }
    Ok(said.output)
}

/// What the baseline expects, from what nft made of its rules.
fn expected(said: &str, part: &form::Part, decoding: &mut Decoding<'_>) -> Result<Fields, String> {
    let mut contents = Contents::default();
    let fields = form::fields(said.as_bytes(), part, &mut contents)
        .map_err(|why| format!("what nft made of the rules is not understood: {why}"))?
        .ok_or("the rules do not make this table")?;
    let whole = form::fields(
        said.as_bytes(),
        &form::Part::Whole,
        &mut Contents::default(),
    );
    let count = |fields: &Fields| match fields.get(form::TABLES) {
        Some(Value::Map(tables)) => tables.len(),
        _ => 0,
    };
    if whole.ok().flatten().as_ref().map(count) != Some(count(&fields)) {
        return Err("the rules make other tables too".to_owned());
    }
    if fields.contains_key(form::IPTABLES) {
        return Err("the rules have what only iptables can make".to_owned());
    }
    decoding.contents.extend(contents);
    Ok(fields)
}

fn unresolved(decoding: &mut Decoding<'_>, node: &Yaml, why: &str) {
    decoding.unresolved.get_or_insert(Reason::new(
        ReasonCode::Unresolved,
        format!("the rules at {}: {why}", node.span()),
    ));
}

/// `table` or `ruleset: true`.
fn part_of(spec: &mut YamlFields<'_>, decoding: &mut Decoding<'_>) -> Option<form::Part> {
    let problems = &mut decoding.problems;
    let node = spec.node();
    let whole = match spec.take(WHOLE) {
        None => false,
        Some(node) => node.boolean(problems)?,
    };
    match (spec.take("table"), whole) {
        (None, true) => Some(form::Part::Whole),
        (Some(node), false) => {
            let mut fields = node.fields(problems)?;
            let family = fields.require("family", problems)?;
            let name = fields.require("name", problems)?;
            fields.finish(problems);
            let families = FAMILIES.map(|family| (family, family));
            let family = family.one_of(&families, problems)?.to_owned();
            let text = name.text(problems)?;
            if !is_name(text) {
                problems.push(name.problem("this is no name of a table"));
                return None;
            }
            let name = text.to_owned();
            Some(form::Part::Table { family, name })
        }
        _ => {
            problems.push(
                node.problem("a firewall is either one table or all of them")
                    .hint("write `table: { family: inet, name: filter }` or `ruleset: true`"),
            );
            None
        }
    }
}

/// The rules and the node to blame for them.
fn rules_of<'a>(
    declared: &Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<(String, &'a Yaml)> {
    let at = spec.node();
    let (text, node) = match (spec.take("rules"), spec.take("rulesFrom")) {
        (Some(node), None) => (node.text(&mut decoding.problems)?.to_owned(), node),
        (None, Some(node)) => {
            let bytes = decoding.side_file(declared, node)?;
            match String::from_utf8(bytes.to_vec()) {
                Ok(text) => (text, node),
                Err(_) => {
                    decoding.problems.push(node.problem("the file is no text"));
                    return None;
                }
            }
        }
        _ => {
            decoding.problems.push(
                at.problem("either `rules` or `rulesFrom` is needed")
                    .hint("rulesFrom names a file beside the manifest"),
            );
            return None;
        }
    };
    let problem = if text.len() > MAX_RULES {
        "the rules are too long"
    } else if includes(&text) {
        "the rules include a file of the host, which the baseline does not know"
    } else {
        return Some((text, node));
    };
    decoding.problems.push(node.problem(problem));
    None
}

/// Whether nft would read another file.
fn includes(text: &str) -> bool {
    text.split(['\n', ';', '{', '}'])
        .any(|piece| piece.trim_start().starts_with("include"))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn address_of(part: &form::Part) -> Address {
    match part {
        form::Part::Whole => address(PLACE, WHOLE),
        form::Part::Table { family, name } => address(PLACE, &format!("{family}/{name}")),
    }
}

fn part_at(address: &Address) -> Option<form::Part> {
    let name = address.0.strip_prefix("//firewall/")?;
    if name == WHOLE {
        return Some(form::Part::Whole);
    }
    let (family, name) = name.split_once('/')?;
    (FAMILIES.contains(&family) && is_name(name)).then(|| form::Part::Table {
        family: family.to_owned(),
        name: name.to_owned(),
    })
}
