//! `Group`: a group and, where they are said, exactly its members.
//!
//! Fields: `gid`, `members` by name, `in_group` (the password field there), `password` (a word), `hash` of gshadow where
//! that may be one, `lines` and, where the lines are not what these fields would be written as, `raw`. Beyond them:
//! `same_gid`, and what only a way back takes: `places`, `lists`, `mark`.
//!
//! **Invariant:** a managed group lets in no one by a password, and no other group stands for its number.

use std::sync::Arc;

use super::account;
use super::files::{self, COMING, Files, LEAVING, Which};
use super::lines::{self, Lines};
use super::secret::{self, LOCKED};
use super::{GROUP, GROUPS, MAX_ID, below, leaf, membership, name_of, plain_name, risk};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Blob, Contents, Desired, Digest, Fields, Observation, Observed, Presence, Reason,
    ReasonCode, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::parts::{Part, View, address, nowhere};
use crate::providers::host::path::{escape, unescape};

const GID: &str = "gid";
pub const MEMBERS: &str = "members";
const IN_GROUP: &str = "in_group";
const PASSWORD: &str = "password";
const HASH: &str = "hash";
const LINES: &str = "lines";
const RAW: &str = "raw";
const SAME_GID: &str = "same_gid";
const LISTS: &str = "lists";
const MARK: &str = "mark";
const PLACES: &str = "places";
const NONE: &str = "none";

pub struct GroupPart;

/// The address of a group.
pub fn address_of(name: &[u8]) -> Address {
    address(GROUPS, &leaf(name))
}

/// The name of the group at an address.
pub fn subject(address: &Address) -> Option<Vec<u8>> {
    match below(address, GROUPS)?[..] {
        [group] => name_of(group),
        _ => None,
    }
}

impl Part for GroupPart {
    fn kind(&self) -> &'static str {
        GROUP
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let problems = &mut decoding.problems;
        let name = match spec.take("name") {
            Some(node) => plain_name(node, problems),
            None => Some(declared.id.name.clone()),
        };
        let gid = spec.take("gid");
        let gid = gid.and_then(|node| node.integer(0, MAX_ID, problems));
        let members = spec.take("members").map(|node| members_of(node, problems));
        let state = spec.take("state");
        let (Some(name), Some(is_absent)) = (name, decoding.is_absent(state)) else {
            return Vec::new();
        };
        if name_of(&name).as_deref() != Some(name.as_bytes()) {
            let problem = at.problem("metadata.name is no name of a group");
            decoding.problems.push(problem.hint("say `name`"));
            return Vec::new();
        }
        let presence = if is_absent {
            let says_more = gid.is_some() || members.is_some();
            if says_more || name == "root" {
                let message = "a group that has to be absent has no other fields and is not root";
                decoding.problems.push(at.problem(message));
            }
            Presence::Absent
        } else {
            let mut expected = Fields::from([
                (LINES.to_owned(), Value::Int(1)),
                (PASSWORD.to_owned(), LOCKED.into()),
                (SAME_GID.to_owned(), NONE.into()),
            ]);
            expected.extend(gid.map(|gid| (GID.to_owned(), Value::Int(gid))));
            expected.extend(members.map(|members| (MEMBERS.to_owned(), members)));
            Presence::Present(expected)
        };
        let mut desired = blank(declared, &nowhere(), presence);
        desired.address = address_of(name.as_bytes());
        desired.risk = risk();
        desired.create_with = Fields::from([
            (MEMBERS.to_owned(), Value::Map(Default::default())),
            (IN_GROUP.to_owned(), secret::SHADOWED.into()),
            (PASSWORD.to_owned(), LOCKED.into()),
        ]);
        vec![Draft::new(desired, nowhere(), at)]
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let options = Fields::new();
        let mut keep = Contents::default();
        Observation::plain(self.see(host, &desired.address, &options, &mut keep))
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        keep: &mut Contents,
    ) -> Observed {
        let Some(name) = subject(address) else {
            let reason = Reason::new(ReasonCode::Unsupported, "its address is none of a group");
            return Observed::NotEvaluated(reason);
        };
        match Files::read(host.fs) {
            Ok(files) => see(&files, &name, keep),
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
        let name =
            subject(&step.address).ok_or_else(|| refused("its address is none of a group"))?;
        let _lock = files::hold(host.fs)?;
        let mut files = Files::read(host.fs).map_err(|reason| ActError::Refused(reason.text))?;
        let now = see(&files, &name, &mut Contents::default());
        if now.digest() != Some(step.expect) {
            let found = "somebody else changed it".to_owned();
            return Err(ActError::Stale { found });
        }
        let find = |digest: &_| context.contents.content(digest);
        let order = match &step.state {
            Some(state) => {
                put(&mut files, &name, state, &find).map_err(ActError::Refused)?;
                COMING
            }
            None => {
                refuse_primary(&files, now.state())?;
                for which in [Which::Group, Which::Gshadow] {
                    if let Some(lines) = files.edit(which) {
                        lines.set(&name, &[], &[]);
                    }
                }
                LEAVING
            }
        };
        files.write(host.fs, context.nonce, order)
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        let Some(name) = subject(&step.address) else {
            return Ok(());
        };
        let is_removal = step.state.is_none();
        let is_made = |_: Which, lines: &Lines| is_removal && lines.of_name(&name).is_empty();
        let strip = |_: Which, lines: &mut Lines| lines.set(&name, &[], &[]);
        files::tidy(host.fs, nonce, &is_made, &strip)
    }

    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        let expected = desired.expected()?;
        let mut fields = desired.create_with.clone();
        match observed {
            Observed::NotEvaluated(_) => return None,
            Observed::Absent => {}
            Observed::Present(state) => fields.extend(state.fields.clone()),
        }
        let puttable = expected.iter().filter(|(name, _)| *name != SAME_GID);
        fields.extend(puttable.map(|(name, value)| (name.clone(), value.clone())));
        fields.remove(RAW);
        if observed.state().and_then(|state| state.get(PASSWORD)) != Some(&LOCKED.into()) {
            fields.remove(HASH);
            fields.insert(IN_GROUP.into(), secret::SHADOWED.into());
        }
        let mut state = State::of(fields);
        state.beyond.insert(SAME_GID.into(), NONE.into());
        Some(state)
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let expected = desired.expected()?;
        let name = escape(&subject(&desired.address)?);
        let state = match observed {
            Observed::NotEvaluated(_) => return None,
            Observed::Present(state) => Some(state),
            Observed::Absent => None,
        };
        let is_there = state.is_some_and(|state| state.fields.contains_key(GID));
        if !is_there && !expected.contains_key(GID) {
            return Some(format!(
                "evenkeel chooses no numbers: say `gid` of {name}, so that it can be made"
            ));
        }
        let state = state?;
        let others = state.get(SAME_GID).and_then(Value::as_text)?;
        let is_only_this = expected
            .iter()
            .all(|(field, value)| field == SAME_GID || state.get(field) == Some(value));
        (others != NONE && is_only_this).then(|| {
            format!("{others} stands for the number of {name} too: say of each which number it has, or that it is absent")
        })
    }
}

fn members_of(node: &Yaml, problems: &mut crate::model::Problems) -> Value {
    let items = node.list(problems).unwrap_or_default();
    let mut members = std::collections::BTreeMap::new();
    for item in items {
        if let Some(name) = plain_name(item, problems)
            && members
                .insert(name, Value::from(membership::MEMBER))
                .is_some()
        {
            problems.push(item.problem("the member is listed twice"));
        }
    }
    Value::Map(members)
}

/// The state of a group.
fn see(files: &Files, name: &[u8], keep: &mut Contents) -> Observed {
    let at = files.of_name(Which::Group, name);
    let at_shadow = files.of_name(Which::Gshadow, name);
    if at.is_empty() && at_shadow.is_empty() {
        return Observed::Absent;
    }
    let lines = &files.group.lines;
    let raw: Vec<_> = at.iter().map(|at| lines.get(*at)).collect();
    let shadow_lines = files.gshadow.as_ref().map(|file| &file.lines);
    let raw_shadow: Vec<_> = at_shadow
        .iter()
        .filter_map(|at| Some(shadow_lines?.get(*at)))
        .collect();
    let mut fields = Fields::new();
    let mut beyond = Fields::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set(LINES, Value::Int(raw.len() as i64));
    set(MEMBERS, Value::Map(membership::members(files, name)));
    let valid = raw.iter().find_map(|line| {
        let entry = lines::fields::<4>(line);
        Some((entry, lines::number(entry[2])?))
    });
    let mut in_group = secret::SHADOWED.as_bytes();
    let mut lists = [&b""[..]; 3];
    if let Some((entry, gid)) = valid {
        set(GID, Value::Int(gid.into()));
        set(IN_GROUP, secret::value(entry[1], keep));
        beyond.insert(SAME_GID.into(), Value::Text(same_gid(files, name, gid)));
        in_group = entry[1];
        lists[0] = entry[3];
    }
    let mut hash = None;
    if let Some(line) = raw_shadow.first() {
        let [_, password, admins, members] = lines::fields::<4>(line);
        (lists[1], lists[2]) = (admins, members);
        hash = Some(password);
        match secret::value(password, keep) {
            Value::Text(mark) => beyond.insert(MARK.into(), Value::Text(mark)),
            blob => set(HASH, blob),
        };
    }
    set(PASSWORD, secret::of_group(in_group, hash).into());
    let written = |fields: &[&[u8]]| [&[name], fields].concat().join(&b':');
    let plain = valid.map(|(entry, gid)| {
        let gid = gid.to_string().into_bytes();
        written(&[entry[1], gid.as_slice(), lists[0]])
    });
    let plain_shadow = hash.map(|hash| written(&[hash, lists[1], lists[2]]));
    let is_plain = raw.len() == 1
        && raw_shadow.len() <= 1
        && plain.as_deref() == Some(raw[0])
        && plain_shadow.as_deref() == raw_shadow.first().copied()
        && lists.iter().all(|list| is_clean(list));
    if !is_plain {
        let raw = account::raw(&raw, &raw_shadow);
        fields.insert(RAW.into(), Value::Blob(Blob::of(&raw)));
        keep.keep(raw);
    }
    let text = |list: &[u8]| Value::Text(escape(list));
    beyond.insert(LISTS.into(), Value::List(lists.map(text).to_vec()));
    let mut places = vec![(Which::Group.name().into(), account::places(lines, at))];
    if let Some(lines) = shadow_lines {
        let place = account::places(lines, at_shadow);
        places.push((Which::Gshadow.name().into(), place));
    }
    beyond.insert(PLACES.into(), Value::Map(places.into_iter().collect()));
    Observed::Present(State { fields, beyond })
}

/// Whether a list is what its names, each once, would be written as.
fn is_clean(list: &[u8]) -> bool {
    let names: Vec<_> = lines::list(list).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().collect();
    unique.len() == names.len() && names.join(&b',') == list
}

/// The other groups of a number: whoever is in one of them is in this one.
fn same_gid(files: &Files, name: &[u8], gid: u32) -> String {
    let others: Vec<_> = files
        .group
        .lines
        .iter()
        .filter(|line| !lines::is_blank(line) && lines::name(line) != name)
        .filter(|line| lines::number(lines::fields::<4>(line)[2]) == Some(gid))
        .map(|line| escape(lines::name(line)))
        .take(10)
        .collect();
    match others.is_empty() {
        true => NONE.to_owned(),
        false => others.join(", "),
    }
}

/// Makes the group what a state says.
fn put(
    files: &mut Files,
    name: &[u8],
    state: &State,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Result<(), String> {
    let missing = || "its password is not kept anywhere, or a field of it is none".to_owned();
    let (group, gshadow) = match state.fields.get(RAW).and_then(Value::as_blob) {
        Some(blob) => {
            let raw = find(&blob.digest).ok_or("its lines are not kept anywhere")?;
            (account::of_raw(&raw, b'P'), account::of_raw(&raw, b'S'))
        }
        None => {
            let lines = plain(files, name, state, find).ok_or_else(missing)?;
            (vec![lines.0], lines.1.into_iter().collect())
        }
    };
    for (which, new) in [(Which::Group, group), (Which::Gshadow, gshadow)] {
        if let Some(lines) = files.edit(which) {
            lines.set(name, &new, &account::places_of(state, which));
        }
    }
    Ok(())
}

/// The lines that a state is written as.
fn plain(
    files: &Files,
    name: &[u8],
    state: &State,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let gid = u32::try_from(state.fields.get(GID)?.as_int()?).ok()?;
    let in_group = secret::field(state.fields.get(IN_GROUP)?, find)?;
    let Value::Map(members) = state.fields.get(MEMBERS)? else {
        return None;
    };
    let mut wanted: [Vec<Vec<u8>>; 3] = Default::default();
    for (member, word) in members {
        let lists = membership::lists_of(word.as_text()?);
        for (list, is_in) in wanted.iter_mut().zip(lists) {
            if is_in {
                list.push(unescape(member)?);
            }
        }
    }
    let line = |which: Which| {
        let at = files.of_name(which, name).first()?;
        Some(lines::fields::<4>(files.get(which)?.lines.get(*at)))
    };
    let (now, now_shadow) = (line(Which::Group), line(Which::Gshadow));
    let current = [
        now.map_or(&b""[..], |line| line[3]),
        now_shadow.map_or(&b""[..], |line| line[2]),
        now_shadow.map_or(&b""[..], |line| line[3]),
    ];
    let lists: Vec<_> = (0..3)
        .map(|at| list_of(state, at, current[at], &wanted[at]))
        .collect();
    let group = [name, &in_group, gid.to_string().as_bytes(), &lists[0]].join(&b':');
    let had_none =
        state.beyond.contains_key(PLACES) && account::places_of(state, Which::Gshadow).is_empty();
    if had_none || files.gshadow.is_none() {
        return Some((group, None));
    }
    let password = match (state.fields.get(HASH), state.beyond.get(MARK)) {
        (Some(hash), _) => secret::field(hash, find)?,
        (None, Some(mark)) => secret::field(mark, find)?,
        (None, None) => now_shadow
            .map(|line| line[1].to_vec())
            .filter(|password| secret::is_mark(password))
            .unwrap_or_else(|| secret::LOCK.into()),
    };
    let gshadow = [name, &password, &lists[1], &lists[2]].join(&b':');
    Some((group, Some(gshadow)))
}

/// A list with exactly these names: as it stood before where that is known, else with those that stay in their order.
fn list_of(state: &State, at: usize, current: &[u8], wanted: &[Vec<u8>]) -> Vec<u8> {
    let before = match state.beyond.get(LISTS) {
        Some(Value::List(lists)) => lists.get(at).and_then(Value::as_text).and_then(unescape),
        _ => None,
    };
    let holds = |list: &[u8]| {
        is_clean(list)
            && lines::list(list).count() == wanted.len()
            && lines::list(list).all(|name| wanted.iter().any(|one| one == name))
    };
    if let Some(before) = before.filter(|list| holds(list)) {
        return before;
    }
    let mut names: Vec<&[u8]> = Vec::new();
    let is_wanted = |name: &[u8]| wanted.iter().any(|one| one == name);
    for name in lines::list(current).filter(|name| is_wanted(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for name in wanted {
        if !names.contains(&name.as_slice()) {
            names.push(name);
        }
    }
    names.join(&b',')
}

/// The group that an account has for its own does not go.
fn refuse_primary(files: &Files, now: Option<&State>) -> Result<(), ActError> {
    let Some(gid) = now.and_then(|state| state.get(GID)).and_then(Value::as_int) else {
        return Ok(());
    };
    let of = files.passwd.lines.iter().find(|line| {
        let number = lines::number(lines::fields::<7>(line)[3]);
        !lines::is_blank(line) && number.map(i64::from) == Some(gid)
    });
    match of {
        None => Ok(()),
        Some(line) => Err(ActError::Refused(format!(
            "it is the primary group of {}",
            escape(lines::name(line))
        ))),
    }
}
