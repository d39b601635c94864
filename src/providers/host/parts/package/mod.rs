//! `Package`: a package of Debian's, by dpkg's database, brought about by apt.
//!
//! Fields of the state, as far as the manifest asks for them: `status`, `held`; `version`; `files` and `conffiles`, path →
//! what is wrong with it; and `found`, path → all that stood there instead, so that a person can put it back.
//!
//! **Invariant:** a version newer than what is asked for is never replaced by `minimum`, and what dpkg's database does not
//! tell for certain is "not evaluated".

mod apt;
mod listed;
mod terms;

pub use listed::{judge_listed, terms_of_tree};

use self::terms::{Terms, Version};
use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, TERMS, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::dpkg::files::{self, DIVERTED, Differing, REDIRECTED};
use crate::providers::host::dpkg::status::Entry;
use crate::providers::host::dpkg::{Name, version};
use crate::providers::host::fs::{Fs, Want};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::place;
use crate::providers::host::tree::Keep;

/// The place of all packages.
pub const PLACE: &str = "package";
/// The kind of one.
pub const KIND: &str = "Package";
const STATUS: &str = "status";
const HELD: &str = "held";
const VERSION: &str = "version";
const FILES: &str = "files";
const CONFFILES: &str = "conffiles";
const FOUND: &str = "found";
/// The status of a package that is wholly there.
const INSTALLED: &str = "installed";
/// What evenkeel itself comes in by, or what every change of a package needs.
const ROAD: [&str; 6] = ["openssh-server", "sudo", "libc6", "dpkg", "apt", "systemd"];

pub struct Package;

impl Part for Package {
    fn kind(&self) -> &'static str {
        KIND
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
        let Some(name) = name_of(address) else {
            let reason = Reason::new(ReasonCode::Unsupported, "its name is none of Debian's");
            return Observed::NotEvaluated(reason);
        };
        let terms = Terms::of(options);
        let found = host
            .packages()
            .and_then(|packages| packages.find(host.fs, name));
        match found {
            Err(reason) => Observed::NotEvaluated(reason),
            Ok(None) => Observed::Absent,
            Ok(Some(entry)) => match state(host, entry, &terms, keep) {
                Ok(state) => Observed::Present(state),
                Err(reason) => Observed::NotEvaluated(reason),
            },
        }
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let name = name_of(&step.address)
            .ok_or_else(|| ActError::Refused("its name is none of Debian's".into()))?;
        let see = |view: &View<'_>| {
            let mut kept = Contents::default();
            self.see(view, &step.address, &step.options, &mut kept)
        };
        apt::Task {
            host,
            name,
            step,
            context,
            see: &see,
        }
        .run(now)
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        match name_of(&step.address) {
            Some(name) => apt::Task::tidy(host, name, step, nonce),
            None => Ok(()),
        }
    }

    #[cfg(feature = "controller")]
    fn takes(&self) -> std::time::Duration {
        apt::LIMIT_IN_ALL
    }

    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        Some(remedy(desired.expected()?, observed.state()?))
    }

    fn one_way(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let expected = desired.expected()?;
        let state = observed.state()?;
        let differs = |field: &str| {
            let wanted = expected.get(field);
            wanted.is_some() && wanted != state.fields.get(field)
        };
        if differs(VERSION) {
            return Some("the version before may not be in the archive any more".to_owned());
        }
        differs(STATUS).then(|| "a package is not left half installed again".to_owned())
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        let expected = desired.expected()?;
        if remedy(expected, state) != *state {
            return None;
        }
        let differs = |field: &str| {
            expected.contains_key(field)
                && state.fields.get(field) != Some(&Value::Map(Fields::new()))
        };
        if differs(FILES) {
            return Some(
                "dpkg would not put these files where they belong; take the diversion or the link away, or list the path in verify.ignore".to_owned(),
            );
        }
        differs(CONFFILES).then(|| {
            "apt leaves configuration files as they are; manage this one as a File, put the package's back, or list it in verify.ignore".to_owned()
        })
    }
}

/// What a step can bring about: all that is expected, but for files that apt would leave as they are.
fn remedy(expected: &Fields, state: &State) -> State {
    let mut fields = state.fields.clone();
    for (field, value) in expected {
        match field.as_str() {
            CONFFILES => {}
            FILES => {
                let stays = |what: &Value| matches!(what.as_text(), Some(DIVERTED | REDIRECTED));
                for field in [FILES, FOUND] {
                    let kept = map(state, FILES)
                        .filter(|(_, what)| stays(what))
                        .filter_map(|(path, _)| {
                            let value = map(state, field).find(|(other, _)| *other == path)?.1;
                            Some((path.clone(), value.clone()))
                        });
                    fields.insert(field.to_owned(), Value::Map(kept.collect()));
                }
            }
            _ => {
                fields.insert(field.clone(), value.clone());
            }
        }
    }
    State::of(fields)
}

/// The entries of a field that is a map.
fn map<'a>(state: &'a State, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    match state.fields.get(field) {
        Some(Value::Map(entries)) => Some(entries.iter()),
        _ => None,
    }
    .into_iter()
    .flatten()
}

/// The name in an address.
fn name_of(address: &Address) -> Option<Name<'_>> {
    Name::of(address.0.strip_prefix("//package/")?)
}

/// What dpkg and the files say of a package that is there.
fn state(
    host: &View<'_>,
    entry: &Entry,
    terms: &Terms,
    keep: &mut Contents,
) -> Result<State, Reason> {
    let mut fields = Fields::new();
    let status = match entry.is_broken {
        true => format!("{}, to be installed anew", entry.status),
        false => entry.status.clone(),
    };
    fields.insert(STATUS.to_owned(), Value::Text(status));
    fields.insert(HELD.to_owned(), Value::Bool(entry.want == "hold"));
    if let Some(version) = terms.version.told(&entry.version) {
        fields.insert(VERSION.to_owned(), Value::Text(version));
    }
    if let Some(verify) = &terms.verify {
        let differing = files::differing(host.fs, entry, &verify.which())?;
        let mut keep = Keep {
            contents: keep,
            bytes_left: host.keep_bytes,
            overflowed: false,
        };
        let found = found(host.fs, &differing, &mut keep)?;
        fields.insert(FILES.to_owned(), words(&differing));
        fields.insert(FOUND.to_owned(), Value::Map(found));
        if verify.conffiles {
            let differing = files::differing_conffiles(host.fs, entry, &verify.ignore)?;
            fields.insert(CONFFILES.to_owned(), words(&differing));
        }
    }
    Ok(State::of(fields))
}

fn words(differing: &Differing) -> Value {
    let words = differing.iter();
    Value::Map(
        words
            .map(|(address, wrong)| (address.clone(), wrong.what.into()))
            .collect(),
    )
}

/// What stands in the place of each file that differs; its content is kept as far as there is room.
fn found(fs: &dyn Fs, differing: &Differing, keep: &mut Keep<'_>) -> Result<Fields, Reason> {
    let mut found = Fields::new();
    for (address, wrong) in differing {
        if !matches!(wrong.what, files::CHANGED | files::TOO_LARGE) {
            continue;
        }
        let want = match keep.bytes_left {
            0 => Want::Digest,
            max_bytes => Want::Bytes {
                unless: None,
                max_bytes,
            },
        };
        let look = fs.look(&wrong.path, want);
        match place::kept(fs, &wrong.path, &look, place::Terms::Whole, Some(keep)) {
            Observed::Present(state) => found.insert(address.clone(), Value::Map(state.fields)),
            Observed::NotEvaluated(reason) => return Err(reason),
            Observed::Absent => {
                let text = format!("{address} changed while it was looked at");
                return Err(Reason::new(ReasonCode::Unstable, text));
            }
        };
    }
    Ok(found)
}

fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Option<Draft<'a>> {
    let at = spec.node();
    let name = match spec.take("name") {
        Some(node) => node.text(&mut decoding.problems).map(|text| (text, node)),
        None => Some((declared.id.name.as_str(), at)),
    };
    let name = name.and_then(|(text, node)| checked(text, node, decoding));
    let absent = decoding.is_absent(spec.take("state"))?;
    let asked = terms::Asked::decode(spec, decoding)?;
    if absent && asked.says_something() {
        decoding.problems.push(
            at.problem("a package that has to be absent has no version, hold or files")
                .hint("leave out version, minimum, held and verify, or state: absent"),
        );
        return None;
    }
    let name = name?;
    let terms = match absent {
        true => Terms {
            version: Version::AsItIs,
            verify: None,
        },
        false => asked.terms,
    };
    let presence = match absent {
        true => Presence::Absent,
        false => Presence::Present(terms.expected(asked.held)),
    };
    let mut desired = blank(declared, &nowhere(), presence);
    desired.address = address(PLACE, name);
    desired.risk = match ROAD.contains(&name.split(':').next().unwrap_or(name)) {
        true => Risk::new(
            RiskLevel::High,
            "changes what evenkeel comes in by or acts with",
        ),
        false => Risk::new(RiskLevel::Medium, "changes installed software"),
    };
    desired.create_with = terms.made();
    desired.options.insert(TERMS.to_owned(), terms.option());
    if absent {
        let why = "a package that was removed may not be in the archive any more";
        desired.one_way = Some(why.to_owned());
    }
    Some(Draft::new(desired, nowhere(), at))
}

fn checked<'a>(text: &'a str, node: &Yaml, decoding: &mut Decoding<'_>) -> Option<&'a str> {
    if Name::of(text).is_some() {
        return Some(text);
    }
    decoding.problems.push(
        node.problem(format!(
            "\"{}\" is no name of a package",
            text.escape_debug()
        ))
        .hint("as for apt: procps, or libc6:i386 for one architecture"),
    );
    None
}
