//! `Preload`: what every program of a host is made to load, and the PAM modules that decide who is let in; each list is
//! complete.
//!
//! Flow: the host's texts ([`scan`]) → what git does not allow. Fields, each a map that should be empty: `libraries` of
//! `/etc/ld.so.preload`, those that git lists and that are not loaded included; `variables`, lines of global environments
//! that name a variable of the dynamic linker; `modules` of PAM.
//!
//! **Invariant:** what cannot be read makes it not evaluated; a link is not followed, but told. Nothing is put right here:
//! the files are those of `File` and `Directory`, and a list must not be in their way.

mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields};
use crate::model::{
    Address, Contents, Desired, Fields, Observation, Observed, Presence, Reason, ReasonCode, Risk,
    RiskLevel, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::fs::{Fs, HostPath, Look, NodeType, Want};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::path::{escape, parse};
use scan::Asked;

const LIBRARIES: &str = "libraries";
const VARIABLES: &str = "variables";
const MODULES: &str = "modules";
const LINKER: &str = "/etc/ld.so.preload";
const PAM: &str = "/etc/pam.d";
/// Files and folders of global environments.
const ENVIRONMENTS: [&str; 13] = [
    "/etc/environment",
    "/etc/environment.d",
    "/etc/security/pam_env.conf",
    "/etc/default",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/bash.bashrc",
    "/etc/systemd/system.conf",
    "/etc/systemd/system.conf.d",
    "/etc/systemd/user.conf",
    "/etc/systemd/user.conf.d",
    "/usr/lib/environment.d",
    "/usr/lib/systemd/system.conf.d",
];
/// The largest file that is read, in bytes, the most files of a folder, and the most that is told of each sort.
const MAX_BYTES: u64 = 1 << 20;
const MAX_FILES: usize = 1000;
const MAX_TOLD: usize = 100;

pub struct Preload;

impl Part for Preload {
    fn kind(&self) -> &'static str {
        "Preload"
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let problems = &mut decoding.problems;
        let fields = [LIBRARIES, MODULES].map(|field| (field, spec.take(field)));
        let variables = spec.take(VARIABLES);
        let mut expected = Fields::from([LIBRARIES, VARIABLES].map(none_of));
        let mut options = Fields::new();
        for (field, node) in fields {
            let Some(node) = node else { continue };
            let texts = node.texts(problems).unwrap_or_default();
            let texts = texts.into_iter().map(Value::Text).collect();
            options.insert(field.to_owned(), Value::List(texts));
            expected.extend([none_of(field)]);
        }
        let mut lines = Vec::new();
        let nodes = variables.and_then(|node| node.list(problems));
        for node in nodes.unwrap_or_default() {
            let Some(mut entry) = node.fields(problems) else {
                continue;
            };
            let mut text = |name| Some(entry.require(name, problems)?.text(problems)?.to_owned());
            if let (Some(file), Some(line)) = (text("file"), text("line")) {
                lines.push(Value::List(vec![
                    Value::Text(file),
                    Value::Text(escape(line.trim().as_bytes())),
                ]));
            }
            entry.finish(problems);
        }
        options.insert(VARIABLES.to_owned(), Value::List(lines));
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        // Of one place only, since two lists of all that may be would deny each other.
        desired.address = address("preload", "all");
        desired.options.extend(options);
        desired.risk = Risk::new(RiskLevel::High, "runs in every program");
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        Observation::plain(match look(host.fs, &desired.options) {
            Ok(fields) => Observed::Present(State::of(fields)),
            Err(reason) => Observed::NotEvaluated(reason),
        })
    }

    /// Nothing is ever done at this address.
    fn see(&self, _: &View<'_>, _: &Address, _: &Fields, _: &mut Contents) -> Observed {
        Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, NOT_HERE))
    }

    fn act(
        &self,
        _: &View<'_>,
        _: &Step,
        _: &Observed,
        _: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        Err(ActError::Refused(NOT_HERE.to_owned()))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        let expected = desired.expected()?;
        let differs = expected
            .iter()
            .any(|(name, value)| state.get(name) != Some(value));
        differs.then(|| {
            "find out who put it there, and put the files back that it names: a `File` or an exclusive `Directory` of the baseline does".to_owned()
        })
    }
}

const NOT_HERE: &str = "the files that it names are put right, and not the list";

fn none_of(field: &str) -> (String, Value) {
    (field.to_owned(), Value::Map(BTreeMap::new()))
}

/// What git does not allow, by field.
fn look(fs: &dyn Fs, options: &Fields) -> Result<Fields, Reason> {
    let mut fields = Fields::new();
    let mut set = |field: &str, told: BTreeMap<String, Value>| {
        fields.insert(field.to_owned(), Value::Map(bounded(told)));
    };
    set(LIBRARIES, libraries(fs, &texts(options, LIBRARIES))?);
    set(VARIABLES, variables(fs, options)?);
    if options.contains_key(MODULES) {
        set(MODULES, modules(fs, &texts(options, MODULES))?);
    }
    Ok(fields)
}

fn libraries(fs: &dyn Fs, allowed: &BTreeSet<&str>) -> Result<BTreeMap<String, Value>, Reason> {
    let mut told = BTreeMap::new();
    let mut loaded = BTreeSet::new();
    for (file, said) in files(fs, LINKER)? {
        match said {
            Said::Text(text) => loaded.extend(scan::libraries(&text)),
            Said::Link(target) => drop(told.insert(file, Value::Text(target))),
        }
    }
    for library in loaded.iter().filter(|one| !allowed.contains(one.as_str())) {
        told.insert(library.clone(), "preloaded".into());
    }
    for library in allowed.iter().filter(|one| !loaded.contains(**one)) {
        told.insert((*library).to_owned(), "not preloaded".into());
    }
    Ok(told)
}

fn variables(fs: &dyn Fs, options: &Fields) -> Result<BTreeMap<String, Value>, Reason> {
    let allowed = match options.get(VARIABLES) {
        Some(Value::List(lines)) => &lines[..],
        _ => &[],
    };
    let mut told = BTreeMap::new();
    for place in ENVIRONMENTS {
        for (file, said) in files(fs, place)? {
            let lines = match said {
                Said::Text(text) => scan::variables(&text)
                    .into_iter()
                    .map(|line| (format!("{file}:{}", line.number), line.text))
                    .collect(),
                Said::Link(target) => vec![(file.clone(), target)],
            };
            for (place, text) in lines {
                let entry = Value::List(vec![Value::text(&file), Value::text(&text)]);
                if !allowed.contains(&entry) {
                    told.insert(place, Value::Text(text));
                }
            }
        }
    }
    Ok(told)
}

fn modules(fs: &dyn Fs, allowed: &BTreeSet<&str>) -> Result<BTreeMap<String, Value>, Reason> {
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let mut tell = |what: String, place: String| {
        told.entry(what)
            .or_insert_with(|| Value::Text(format!("named by {place}")));
    };
    for (file, said) in files(fs, PAM)? {
        let text = match said {
            Said::Text(text) => text,
            Said::Link(target) => {
                tell(target, file);
                continue;
            }
        };
        for (number, asked) in scan::pam(&text) {
            let place = format!("{file}:{number}");
            match asked {
                Asked::Module(module) if allowed.contains(module.as_str()) => {}
                // Every file of the folder is read by itself.
                Asked::File(name) if !name.contains('/') => {}
                Asked::Module(module) => tell(module, place),
                Asked::File(name) => tell(name, place),
                Asked::Unclear => tell(format!("what {place} says"), place),
            }
        }
    }
    Ok(told)
}

/// What a file is to a reader that follows no link.
enum Said {
    Text(Vec<u8>),
    /// `-> target`
    Link(String),
}

/// A file, or those of a folder, by their addresses; none where nothing is there.
fn files(fs: &dyn Fs, place: &str) -> Result<Vec<(String, Said)>, Reason> {
    let path = parse(place).unwrap_or_default();
    let is_folder = matches!(fs.look(&path, Want::Nothing), Look::Present(node, _) if node.node_type == NodeType::Directory);
    if !is_folder {
        return Ok(file(fs, &path)?.into_iter().collect());
    }
    let mut paths = Vec::new();
    fs.list(&path, &mut |entry| {
        paths.push(path.join(&entry.name));
        match paths.len() > MAX_FILES {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    if paths.len() > MAX_FILES {
        let text = format!("{place} has more than {MAX_FILES} entries");
        return Err(Reason::new(ReasonCode::TooLarge, text));
    }
    let mut found = Vec::new();
    for path in paths {
        found.extend(file(fs, &path)?);
    }
    Ok(found)
}

fn file(fs: &dyn Fs, path: &HostPath) -> Result<Option<(String, Said)>, Reason> {
    let want = Want::Bytes {
        unless: None,
        max_bytes: MAX_BYTES,
    };
    let said = match fs.look(path, want) {
        Look::Absent => return Ok(None),
        Look::Unseen(reason) => return Err(reason),
        Look::Present(_, Some(bytes)) => Said::Text(bytes.to_vec()),
        Look::Present(node, None) => match (node.target, node.node_type) {
            (Some(target), _) => Said::Link(format!("-> {}", escape(&target))),
            // Nothing of these folders reads what lies in another one.
            (None, NodeType::Directory) => return Ok(None),
            (None, _) => {
                let text = format!("{} is no file of a sensible size", path.address());
                return Err(Reason::new(ReasonCode::Unsupported, text));
            }
        },
    };
    Ok(Some((path.address().0, said)))
}

fn texts<'a>(options: &'a Fields, option: &str) -> BTreeSet<&'a str> {
    match options.get(option) {
        Some(Value::List(items)) => items.iter().filter_map(Value::as_text).collect(),
        _ => BTreeSet::new(),
    }
}

fn bounded(mut told: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let more = told.len().saturating_sub(MAX_TOLD);
    if more > 0 {
        let keys: BTreeSet<_> = told.keys().take(MAX_TOLD).cloned().collect();
        told.retain(|key, _| keys.contains(key));
        told.insert("more".to_owned(), Value::Text(more.to_string()));
    }
    told
}
