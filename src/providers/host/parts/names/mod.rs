//! `Hosts` and `Resolver`: which names the machine takes to be which addresses, and whom it asks for others; by what
//! `/etc/hosts` and `/etc/resolv.conf` say, apart from comments and layout.
//!
//! Fields: what the file says ([`text`]); `unread`, how many lines of it are not understood; and `file`, all that stands at its
//! path, so that an undo brings its comments back.
//!
//! **Invariant:** what is put differs from what stood there in the content alone.

mod text;

use super::{Part, View, address, nowhere};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
use crate::model::{
    Address, Blob, Contents, Desired, Fields, Observation, Observed, Presence, Problems, Reason,
    ReasonCode, Risk, RiskLevel, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::act::{act_error, wanted};
use crate::providers::host::fs::{FsError, HostPath, Leftover, Look, Want};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::path::parse;
use crate::providers::host::place;
use crate::providers::host::tree::Keep;

const FILE: &str = "file";
const UNREAD: &str = "unread";
const CONTENT: &str = "content";
/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
const MAX_ENTRIES: usize = 10_000;

/// One of the two.
pub struct Names {
    kind: &'static str,
    place: &'static str,
    path: &'static str,
    read: fn(&str) -> text::Said,
    write: fn(&Fields) -> String,
    decode: fn(&mut YamlFields<'_>, &mut Problems) -> Option<Fields>,
}

pub const HOSTS: Names = Names {
    kind: "Hosts",
    place: "hosts",
    path: "/etc/hosts",
    read: text::hosts,
    write: text::write_hosts,
    decode: entries,
};

pub const RESOLVER: Names = Names {
    kind: "Resolver",
    place: "resolver",
    path: "/etc/resolv.conf",
    read: text::resolver,
    write: text::write_resolver,
    decode: servers,
};

impl Part for Names {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let Some(mut expected) = (self.decode)(spec, &mut decoding.problems) else {
            return Vec::new();
        };
        let content = (self.write)(&expected);
        // What is written is what was meant, or it would differ for ever.
        let (mut said, unread) = (self.read)(&content);
        said.retain(|field, _| expected.contains_key(field));
        if said != expected || unread > 0 {
            decoding.problems.push(
                at.problem(format!("{} cannot say this", self.path))
                    .hint("addresses in their shortest form, and names without blanks"),
            );
            return Vec::new();
        }
        expected.insert(UNREAD.to_owned(), Value::Int(0));
        decoding.contents.keep(content.into_bytes());
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        desired.address = address(self.place, "all");
        desired.risk = Risk::new(RiskLevel::Medium, "decides which machine a name leads to");
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let mut kept = Contents::default();
        Observation::plain(self.see(host, &desired.address, &desired.options, &mut kept))
    }

    fn see(
        &self,
        host: &View<'_>,
        _address: &Address,
        _options: &Fields,
        keep: &mut Contents,
    ) -> Observed {
        let path = match self.at() {
            Ok(path) => path,
            Err(reason) => return Observed::NotEvaluated(reason),
        };
        let want = Want::Bytes {
            unless: None,
            max_bytes: MAX_BYTES,
        };
        let look = host.fs.look(&path, want);
        let mut keep = Keep {
            contents: keep,
            bytes_left: MAX_BYTES,
            overflowed: false,
        };
        let observed = place::kept(host.fs, &path, &look, place::Terms::Whole, Some(&mut keep));
        let (file, bytes) = match (observed, look) {
            (Observed::Present(state), Look::Present(_, Some(bytes))) => (state.fields, bytes),
            (Observed::Present(_), _) => {
                let text = format!("{} is no file of at most {MAX_BYTES} bytes", self.path);
                return Observed::NotEvaluated(Reason::new(ReasonCode::Redirected, text));
            }
            (other, _) => return other,
        };
        let (mut fields, unread) = match std::str::from_utf8(&bytes) {
            Ok(text) => (self.read)(text),
            Err(_) => (self.read)(&String::from_utf8_lossy(&bytes)),
        };
        fields.insert(UNREAD.to_owned(), Value::Int(unread));
        fields.insert(FILE.to_owned(), Value::Map(file));
        Observed::Present(State::of(fields))
    }

    fn act(
        &self,
        host: &View<'_>,
        step: &Step,
        now: &Observed,
        context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let path = self.at().map_err(|reason| ActError::Refused(reason.text))?;
        let fs = host.fs;
        let seen = place::see(fs, &path, place::Terms::Whole);
        let of_now = now.state().and_then(file_of).map(|file| file.digest());
        if of_now.is_some() && of_now != seen.digest() {
            let found = format!("{} changed meanwhile", self.path);
            return Err(ActError::Stale { found });
        }
        let verify = |at: &HostPath, look: &Look| {
            let again = place::observed(fs, at, look, place::Terms::Whole);
            match again.digest() == seen.digest() {
                true => Ok(()),
                false => Err(FsError::Stale(format!("{} changed meanwhile", self.path))),
            }
        };
        let file = step.state.as_ref().and_then(file_of);
        match file {
            Some(file) => {
                let wanted = wanted(&file, &seen, context)?;
                let put = fs.put(&path, &wanted, context.nonce, &verify, &|_| Ok(()));
                put.map_err(act_error)?;
            }
            None => fs
                .remove(&path, context.nonce, &verify)
                .map_err(act_error)?,
        }
        Ok(Vec::new())
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        let path = self.at().map_err(|reason| ActError::Refused(reason.text))?;
        let made = step
            .state
            .as_ref()
            .and_then(file_of)
            .map(|file| file.digest());
        let judge = |at: &HostPath, look: &Look| {
            let seen = place::observed(host.fs, at, look, place::Terms::Whole);
            match made.is_some() && seen.digest() == made {
                true => Leftover::Made,
                false => Leftover::Foreign,
            }
        };
        host.fs.tidy(&path, nonce, &judge).map_err(act_error)
    }

    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        let expected = desired.expected()?;
        let state = observed.state()?;
        let Some(Value::Map(file)) = state.get(FILE) else {
            return None;
        };
        let mut fields = state.fields.clone();
        fields.extend(expected.clone());
        let mut file = file.clone();
        let content = (self.write)(&fields);
        file.insert(
            CONTENT.to_owned(),
            Value::Blob(Blob::of(content.as_bytes())),
        );
        fields.insert(FILE.to_owned(), Value::Map(file));
        Some(State::of(fields))
    }

    fn by_hand(&self, _desired: &Desired, observed: &Observed) -> Option<String> {
        let is_absent = matches!(observed, Observed::Absent);
        is_absent.then(|| format!("make {} anew: a `File` of it would do that", self.path))
    }
}

impl Names {
    fn at(&self) -> Result<HostPath, Reason> {
        parse(self.path).map_err(|_| Reason::new(ReasonCode::Unsupported, "it is no path"))
    }
}

/// Finds a file that is also held by what it says: the two would fight.
pub fn check(drafts: &[Draft<'_>], problems: &mut Problems) {
    for names in [HOSTS, RESOLVER] {
        let whole = drafts
            .iter()
            .find(|draft| draft.desired.address.0 == names.path);
        let said = drafts
            .iter()
            .find(|draft| draft.desired.id.kind.0 == names.kind);
        if let (Some(whole), Some(said)) = (whole, said) {
            let id = said.desired.id.short();
            let problem = whole
                .at
                .problem(format!("{} is held by {id} already", names.path));
            problems.push(problem.hint(format!("that one is at {}", said.at.span())));
        }
    }
}

/// What stands at the path in this state.
fn file_of(state: &State) -> Option<State> {
    match state.get(FILE) {
        Some(Value::Map(fields)) => Some(State::of(fields.clone())),
        _ => None,
    }
}

/// The `entries` of a `Hosts`: names by address.
fn entries(spec: &mut YamlFields<'_>, problems: &mut Problems) -> Option<Fields> {
    let node = spec.require("entries", problems)?;
    let YamlValue::Map(items) = &node.value else {
        problems.push(node.problem(format!("expected a map, found {}", node.type_name())));
        return None;
    };
    if items.len() > MAX_ENTRIES {
        problems.push(node.problem(format!("more than {MAX_ENTRIES} addresses")));
        return None;
    }
    let mut entries = Fields::new();
    for (key, names) in items {
        if key.name.parse::<std::net::IpAddr>().is_err() {
            problems.push(node.problem_with_key(key, "this is no address of a host"));
            return None;
        }
        let mut names = words(names, problems)?;
        names
            .iter_mut()
            .for_each(|name| name.make_ascii_lowercase());
        names.sort();
        entries.insert(key.name.clone(), text::list(names));
    }
    Some(Fields::from([("entries".to_owned(), Value::Map(entries))]))
}

/// The fields of a `Resolver`; one that is not given does not count.
fn servers(spec: &mut YamlFields<'_>, problems: &mut Problems) -> Option<Fields> {
    let servers = spec.require("nameservers", problems);
    let nodes = [spec.take("search"), spec.take("options")];
    let mut fields = Fields::from([(
        "nameservers".to_owned(),
        text::list(words(servers?, problems)?),
    )]);
    for (name, node) in ["search", "options"].into_iter().zip(nodes) {
        let mut listed = match node {
            Some(node) => words(node, problems)?,
            None => Vec::new(),
        };
        if name == "options" {
            listed.sort();
        }
        fields.insert(name.to_owned(), text::list(listed));
    }
    Some(fields)
}

fn words(node: &Yaml, problems: &mut Problems) -> Option<Vec<String>> {
    node.texts(problems)
}
