//! `KernelModules`: the complete list of modules that may be loaded into a kernel.
//!
//! Flow: `/proc/modules` and `/sys/module` ([`loaded`]) → what no entry allows is `Extra`, a member of kind `KernelModule` at
//! `//kernel-module/NAME`. Fields: `observers`, whether both tell the same; `unread`, what is no module's line or name;
//! `taint` of the kernel, and `tainted` with those of its flags that are not allowed.
//!
//! **Invariant:** nothing is ever unloaded: a module's own code runs then, and one that lies says that it is gone.

mod loaded;

use std::collections::BTreeSet;

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields};
use crate::model::{
    AGREE, Address, Completeness, Contents, Desired, Fields, Kind, Listing, Member, OBSERVERS,
    Observation, Observed, Presence, Reason, ReasonCode, Risk, RiskLevel, Scope, State, Step,
    Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::glob::Globs;
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::listing::MAX_MEMBERS;
use crate::providers::host::machine::{Machine, not_running};

/// The kind and the place of one module, which only a listing names.
const MODULE: &str = "KernelModule";
const PLACE: &str = "kernel-module";
/// The options with the allowed names and, where given, the allowed flags.
const ALLOWED: &str = "allowed";
const TAINT: &str = "taint";
const TAINTED: &str = "tainted";
const UNREAD: &str = "unread";
/// The most names and globs.
const MAX_ALLOWED: usize = 5000;

pub struct KernelModules;

impl Part for KernelModules {
    fn kind(&self) -> &'static str {
        "KernelModules"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let problems = &mut decoding.problems;
        let allow = spec.require("allow", problems);
        let taint = spec.take(TAINT);
        let Some(allow) = allow else {
            return Vec::new();
        };
        let names = allow.texts(problems).unwrap_or_default();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-*?[]!".contains(&byte);
        let wrong = names
            .iter()
            .find(|name| name.is_empty() || !name.bytes().all(is_part));
        if let Some(wrong) = wrong {
            problems.push(
                allow
                    .problem(format!("{wrong:?} is no name of a module"))
                    .hint("as `lsmod` shows it, such as nf_tables, or a glob: \"nft_*\""),
            );
        } else if names.len() > MAX_ALLOWED {
            problems.push(allow.problem(format!("more than {MAX_ALLOWED} names")));
        } else if let Err((at, why)) = Globs::new(&names) {
            problems.push(allow.problem(format!("{:?} is no glob: {why}", names[at])));
        }
        let texts = |texts: Vec<String>| Value::List(texts.into_iter().map(Value::Text).collect());
        let mut options = Fields::from([(ALLOWED.to_owned(), texts(names))]);
        let mut expected = Fields::from([
            (OBSERVERS.to_owned(), AGREE.into()),
            (UNREAD.to_owned(), "".into()),
        ]);
        if let Some(node) = taint {
            let letters = node.texts(problems).unwrap_or_default();
            if let Some(wrong) = letters.iter().find(|text| !loaded::is_letter(text)) {
                problems.push(
                    node.problem(format!("{wrong:?} is no flag of a kernel"))
                        .hint(
                            "letters such as O (built elsewhere), E (unsigned) or P (proprietary)",
                        ),
                );
            }
            options.insert(TAINT.to_owned(), texts(letters));
            expected.insert(TAINTED.to_owned(), "".into());
        }
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        // Of one place only, since two lists of all that may be would deny each other.
        desired.address = address("kernel-modules", "all");
        desired.options.extend(options);
        desired.scope = Some(Scope {
            within: BTreeSet::from([Address(format!("//{PLACE}"))]),
            ..Scope::default()
        });
        desired.risk = Risk::new(RiskLevel::High, "is part of the kernel");
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let Some(machine) = host.fs.machine() else {
            return Observation::plain(Observed::NotEvaluated(not_running()));
        };
        look(machine, desired)
            .unwrap_or_else(|reason| Observation::plain(Observed::NotEvaluated(reason)))
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
        let differs = |(name, value): (&String, &Value)| state.get(name) != Some(value);
        desired.expected()?.iter().any(differs).then(|| {
            "look at the host from outside, and rebuild it where nobody can say why: a kernel that was changed cannot be asked about itself".to_owned()
        })
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        let prefix = format!("//{PLACE}/");
        let name = member.address.0.strip_prefix(&prefix);
        let Some(name) = name.filter(|name| loaded::is_name(name) && member.kind.0 == MODULE)
        else {
            return false;
        };
        let state = member.observed.state();
        let letters = state.and_then(|state| state.get(TAINT)?.as_text());
        if letters.is_some_and(|letters| Allowed::of(desired).allows(name, letters)) {
            return false;
        }
        member.remedy = None;
        member.by_hand = Some(
            "find out who loaded it, and rebuild the host, or start it anew without it: it is never unloaded, since that runs its code".to_owned(),
        );
        true
    }
}

const NEVER: &str = "modules are never loaded or unloaded";

/// What a baseline allows.
struct Allowed<'a> {
    names: Globs,
    taint: Option<BTreeSet<&'a str>>,
}

impl<'a> Allowed<'a> {
    fn of(desired: &'a Desired) -> Self {
        let texts = |option| match desired.options.get(option) {
            Some(Value::List(items)) => Some(items.iter().filter_map(Value::as_text)),
            _ => None,
        };
        let names: Vec<_> = texts(ALLOWED)
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        Self {
            // What does not parse allows nothing.
            names: Globs::new(&names).unwrap_or_default(),
            taint: texts(TAINT).map(Iterator::collect),
        }
    }

    /// An allowed name is not enough where flags are named: what an intruder built has any name.
    fn allows(&self, name: &str, letters: &str) -> bool {
        let is_allowed = |letters: &BTreeSet<&str>, letter: char| {
            letters.contains(letter.encode_utf8(&mut [0; 4]) as &str)
        };
        let taint = self.taint.as_ref();
        self.names.matches(name.as_bytes())
            && taint.is_none_or(|allowed| letters.chars().all(|it| is_allowed(allowed, it)))
    }
}

fn look(machine: &dyn Machine, desired: &Desired) -> Result<Observation, Reason> {
    let found = loaded::loaded(machine)?;
    let taint = loaded::taint(machine)?;
    let allowed = Allowed::of(desired);
    let beyond = taint.iter().map(String::as_str);
    let beyond = beyond.filter(|it| allowed.taint.as_ref().is_some_and(|all| !all.contains(it)));
    let fields = Fields::from([
        (OBSERVERS.to_owned(), Value::Text(found.observers)),
        (UNREAD.to_owned(), Value::Text(found.unread)),
        (
            TAINTED.to_owned(),
            Value::Text(beyond.collect::<Vec<_>>().join(" ")),
        ),
        (TAINT.to_owned(), Value::Text(taint.join(" "))),
    ]);
    let strange = found
        .modules
        .into_iter()
        .filter(|(name, letters)| !allowed.allows(name, letters));
    let mut members: Vec<_> = strange
        .map(|(name, letters)| member(&name, letters))
        .collect();
    let is_cut = members.len() > MAX_MEMBERS;
    members.truncate(MAX_MEMBERS);
    let complete = match is_cut {
        false => Completeness::Complete,
        true => Completeness::Partial(Reason::new(
            ReasonCode::TooLarge,
            format!("more than {MAX_MEMBERS} modules are loaded that git does not list"),
        )),
    };
    let listing = Listing {
        members,
        complete,
        ignored: 0,
    };
    Ok(Observation {
        listing: Some(listing),
        ..Observation::plain(Observed::Present(State::of(fields)))
    })
}

fn member(name: &str, letters: String) -> Member {
    let fields = Fields::from([
        ("name".to_owned(), name.into()),
        (TAINT.to_owned(), Value::Text(letters)),
    ]);
    Member {
        address: address(PLACE, name),
        kind: Kind(MODULE.to_owned()),
        observed: Observed::Present(State::of(fields)),
        remedy: None,
        by_hand: None,
    }
}

#[cfg(test)]
mod tests;
