//! `User`: an account, and which groups it is in.
//!
//! A membership is a part of its own, at `//user/NAME/in/GROUP`, so that a list in `groups` says nothing of other
//! groups; with `exclusiveGroups` the place `//user/NAME/in` lists them all. A managed account has one line in passwd, does
//! without no password, and is the superuser only where its `uid` says so.
//!
//! **Invariant:** a password is taken away and brought back, never made and never told.

use std::collections::BTreeSet;

use super::account::{self, NO, SUPERUSER, WITHOUT_PASSWORD};
use super::files::{self, COMING, Files, LEAVING, Which};
use super::lines::Lines;
use super::secret::{self, LOCKED, SET};
use super::{IN, MAX_ID, USER, USERS, below, leaf, membership, name_of, plain_name, risk};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Completeness, Contents, Desired, Fields, Kind, Listing, Member, Observation, Observed,
    Presence, Reason, ReasonCode, Scope, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::parts::{Part, View, address, nowhere};
use crate::providers::host::path::escape;

/// The field of a membership.
const MEMBER: &str = "member";
/// The shell of an account for which none is said.
pub const NO_SHELL: &str = "/usr/sbin/nologin";
/// No dates, as nobody has set a password yet, and the usual bounds.
pub const NEVER_SET: &str = ":0:99999:7:::";
/// What the state of one line in passwd says of nothing but that line.
const OF_PASSWD: [&str; 7] = [
    account::LINES,
    account::UID,
    account::GID,
    account::IN_PASSWD,
    account::GECOS,
    account::HOME,
    account::SHELL,
];
const OF_SHADOW: [&str; 2] = [account::HASH, account::AGING];

pub struct UserPart;

/// What an address of a user stands for.
pub enum Subject {
    Account(Vec<u8>),
    Membership(Vec<u8>, Vec<u8>),
    /// All memberships of an account.
    Memberships(Vec<u8>),
}

/// The address of an account.
pub fn address_of(name: &[u8]) -> Address {
    address(USERS, &leaf(name))
}

/// What stands at an address.
pub fn subject(address: &Address) -> Option<Subject> {
    match below(address, USERS)?[..] {
        [user] => Some(Subject::Account(name_of(user)?)),
        [user, IN] => Some(Subject::Memberships(name_of(user)?)),
        [user, IN, group] => Some(Subject::Membership(name_of(user)?, name_of(group)?)),
        _ => None,
    }
}

impl Part for UserPart {
    fn kind(&self) -> &'static str {
        USER
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let name = match spec.take("name") {
            Some(node) => plain_name(node, &mut decoding.problems),
            None => Some(declared.id.name.clone()),
        };
        let state = spec.take("state");
        let is_absent = decoding.is_absent(state);
        let given = Given::read(spec, decoding);
        let (Some(name), Some(is_absent)) = (name, is_absent) else {
            return Vec::new();
        };
        if name_of(&name).as_deref() != Some(name.as_bytes()) {
            let message = "metadata.name is no name of an account";
            decoding
                .problems
                .push(at.problem(message).hint("say `name`"));
            return Vec::new();
        }
        if is_absent {
            if name == "root" {
                decoding.problems.push(at.problem("root stays"));
            } else if given.says_something {
                let message = "an account that has to be absent has no other fields";
                decoding.problems.push(at.problem(message));
            }
            return vec![draft(declared, at, &name, Presence::Absent)];
        }
        present(declared, at, &name, given)
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let files = match Files::read(host.fs) {
            Ok(files) => files,
            Err(reason) => return Observation::plain(Observed::NotEvaluated(reason)),
        };
        // Not into what may be shown: a hash is nobody's to see.
        let observed = observed(&files, &desired.address, &mut Contents::default());
        let mut seen = Observation::plain(observed);
        if let Some(Subject::Memberships(user)) = subject(&desired.address) {
            seen.listing = Some(memberships(&files, &user, &desired.address));
        }
        seen
    }

    fn see(
        &self,
        host: &View<'_>,
        address: &Address,
        _options: &Fields,
        keep: &mut Contents,
    ) -> Observed {
        match Files::read(host.fs) {
            Ok(files) => observed(&files, address, keep),
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
        let refused = |why: String| ActError::Refused(why);
        let _lock = files::hold(host.fs)?;
        let mut files = Files::read(host.fs).map_err(|reason| refused(reason.text))?;
        let now = observed(&files, &step.address, &mut Contents::default());
        if now.digest() != Some(step.expect) {
            let found = "somebody else changed it".to_owned();
            return Err(ActError::Stale { found });
        }
        let find = |digest: &_| context.contents.content(digest);
        match (subject(&step.address), &step.state) {
            (Some(Subject::Account(name)), Some(state)) => {
                account::put(&mut files, &name, state, &find).map_err(refused)?;
            }
            (Some(Subject::Account(name)), None) if name == b"root" => {
                return Err(refused("root stays".to_owned()));
            }
            (Some(Subject::Account(name)), None) => account::remove(&mut files, &name),
            (Some(Subject::Membership(user, group)), state) => {
                let word = state.as_ref().and_then(|state| state.fields.get(MEMBER));
                let places = state.as_ref().and_then(|state| state.beyond.get("places"));
                let word = word.and_then(Value::as_text);
                if !membership::put(&mut files, &user, &group, word, places) && word.is_some() {
                    let group = escape(&group);
                    return Err(refused(format!("the target has no group named {group}")));
                }
            }
            _ => return Err(refused("its address is none of a user".to_owned())),
        }
        let order = match step.state {
            Some(_) => COMING,
            None => LEAVING,
        };
        files.write(host.fs, context.nonce, order)
    }

    fn tidy(&self, host: &View<'_>, step: &Step, nonce: &str) -> Result<(), ActError> {
        let user = match subject(&step.address) {
            Some(Subject::Account(user) | Subject::Membership(user, _)) => user,
            _ => return Ok(()),
        };
        let is_account = matches!(subject(&step.address), Some(Subject::Account(_)));
        let is_made =
            |which: Which, lines: &Lines| is_account && is_made(step, which, lines, &user);
        let strip = |which: Which, lines: &mut Lines| match which {
            Which::Passwd | Which::Shadow => lines.set(&user, &[], &[]),
            Which::Group | Which::Gshadow => {
                lines.set(&user, &[], &[]);
                membership::strip(lines, which, &user);
            }
        };
        files::tidy(host.fs, nonce, &is_made, &strip)
    }

    fn remedy(&self, desired: &Desired, observed: &Observed) -> Option<State> {
        match (subject(&desired.address)?, desired.expected(), observed) {
            (_, None, _) | (_, _, Observed::NotEvaluated(_)) => None,
            (Subject::Account(_), Some(expected), _) => {
                Some(remedy(expected, &desired.create_with, observed.state()))
            }
            (_, Some(expected), _) => Some(State::of(expected.clone())),
        }
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let expected = desired.expected()?;
        match subject(&desired.address)? {
            Subject::Account(name) => by_hand(&escape(&name), expected, observed),
            _ => None,
        }
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        let Some(Subject::Memberships(of)) = subject(&desired.address) else {
            return false;
        };
        let is_one = matches!(
            subject(&member.address),
            Some(Subject::Membership(user, _)) if user == of
        );
        is_one && member.kind.0 == USER
    }
}

/// What a manifest says of an account that has to be there.
#[derive(Default)]
struct Given {
    expected: Fields,
    uid: Option<i64>,
    groups: Vec<String>,
    has_all_groups: bool,
    says_something: bool,
}

impl Given {
    fn read(spec: &mut YamlFields<'_>, decoding: &mut Decoding<'_>) -> Self {
        let mut given = Self::default();
        let mut say = |name: &str, value: Option<Value>| {
            given.says_something = true;
            if let Some(value) = value {
                given.expected.insert(name.to_owned(), value);
            }
        };
        if let Some(node) = spec.take("uid") {
            given.uid = node.integer(0, MAX_ID, &mut decoding.problems);
            say(account::UID, given.uid.map(Value::Int));
        }
        if let Some(node) = spec.take("group") {
            let gid = decoding.group(node);
            say(account::GID, gid.map(|gid| Value::Int(gid.into())));
        }
        if let Some(node) = spec.take("comment") {
            say(account::GECOS, text_of(node, decoding));
        }
        if let Some(node) = spec.take("home") {
            say(account::HOME, path_of(node, decoding));
        }
        if let Some(node) = spec.take("shell") {
            say(account::SHELL, path_of(node, decoding));
        }
        if let Some(node) = spec.take("password") {
            let word = node.one_of(&[(LOCKED, LOCKED), (SET, SET)], &mut decoding.problems);
            say(account::PASSWORD, word.map(Value::from));
        }
        if let Some(node) = spec.take("groups") {
            given.says_something = true;
            given.groups = groups_of(node, decoding);
        }
        if let Some(node) = spec.take("exclusiveGroups") {
            given.says_something = true;
            given.has_all_groups = node.boolean(&mut decoding.problems).unwrap_or(false);
        }
        given
    }
}

/// A text that can stand in a line.
fn text_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Value> {
    let text = node.text(&mut decoding.problems)?;
    if text.len() <= 1024 && !text.chars().any(|c| c.is_control() || c == ':') {
        return Some(Value::Text(escape(text.as_bytes())));
    }
    let message = "a field of passwd has no colon and no control character";
    decoding.problems.push(node.problem(message));
    None
}

fn path_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Value> {
    let value = text_of(node, decoding)?;
    if value.as_text().is_some_and(|text| text.starts_with('/')) {
        return Some(value);
    }
    let problem = node.problem("the path is not absolute");
    decoding.problems.push(problem.hint("start it with /"));
    None
}

fn groups_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let problems = &mut decoding.problems;
    let items = node.list(problems).unwrap_or_default();
    let mut groups = Vec::new();
    for item in items {
        match plain_name(item, problems) {
            Some(name) if seen.insert(name.clone()) => groups.push(name),
            Some(_) => problems.push(item.problem("the group is listed twice")),
            None => {}
        }
    }
    groups
}

fn draft<'a>(declared: &'a Declared, at: &'a Yaml, name: &str, presence: Presence) -> Draft<'a> {
    let mut desired = blank(declared, &nowhere(), presence);
    desired.address = address_of(name.as_bytes());
    desired.risk = risk();
    Draft::new(desired, nowhere(), at)
}

/// The account, its memberships and, where they are all, their place.
fn present<'a>(declared: &'a Declared, at: &'a Yaml, name: &str, given: Given) -> Vec<Draft<'a>> {
    let mut expected = given.expected;
    let mut expect = |name: &str, value: Value| {
        expected.insert(name.to_owned(), value);
    };
    expect(account::LINES, Value::Int(1));
    expect(WITHOUT_PASSWORD, NO.into());
    let may_be_root = given.uid == Some(0) || given.uid.is_none() && name == "root";
    if !may_be_root {
        expect(SUPERUSER, NO.into());
    }
    let mut own = draft(declared, at, name, Presence::Present(expected));
    let home = match name {
        "root" => "/root".to_owned(),
        name => format!("/home/{name}"),
    };
    own.desired.create_with = [
        (account::GECOS, String::new()),
        (account::HOME, home),
        (account::SHELL, NO_SHELL.to_owned()),
        (account::IN_PASSWD, secret::SHADOWED.to_owned()),
        (account::HASH, secret::LOCK.to_owned()),
        (account::AGING, NEVER_SET.to_owned()),
        (account::PASSWORD, LOCKED.to_owned()),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), Value::Text(text)))
    .collect();
    let mut drafts = Vec::new();
    let place = own.desired.address.join(IN);
    for group in &given.groups {
        let member = Fields::from([(MEMBER.to_owned(), Value::from(membership::MEMBER))]);
        let mut one = draft(declared, at, name, Presence::Present(member));
        one.desired.address = place.join(&leaf(group.as_bytes()));
        one.desired.id.name = format!("{}/{IN}/{group}", declared.id.name);
        one.desired.depends_on.insert(declared.id.clone());
        drafts.push(one);
    }
    if given.has_all_groups {
        let mut all = draft(declared, at, name, Presence::Present(Fields::new()));
        all.desired.address = place.clone();
        all.desired.id.name = format!("{}/{IN}", declared.id.name);
        all.desired.scope = Some(Scope {
            within: BTreeSet::from([place]),
            ..Scope::default()
        });
        drafts.push(all);
    }
    drafts.insert(0, own);
    drafts
}

/// What stands at an address of this kind.
pub fn observed(files: &Files, address: &Address, keep: &mut Contents) -> Observed {
    match subject(address) {
        Some(Subject::Account(name)) => account::see(files, &name, keep),
        Some(Subject::Membership(user, group)) => match membership::see(files, &user, &group) {
            Some((word, places)) => Observed::Present(State {
                fields: Fields::from([(MEMBER.to_owned(), Value::Text(word))]),
                beyond: Fields::from([("places".to_owned(), places)]),
            }),
            None => Observed::Absent,
        },
        Some(Subject::Memberships(_)) => Observed::Present(State::default()),
        None => Observed::NotEvaluated(Reason::new(
            ReasonCode::Unsupported,
            "its address is none of a user",
        )),
    }
}

fn memberships(files: &Files, user: &[u8], place: &Address) -> Listing {
    let groups = membership::groups_of(files, user);
    let member = |group: &Vec<u8>| {
        let address = place.join(&leaf(group));
        let observed = observed(files, &address, &mut Contents::default());
        Member {
            address,
            kind: Kind(USER.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        }
    };
    Listing {
        members: groups.iter().map(member).collect(),
        complete: Completeness::Complete,
        ignored: 0,
    }
}

/// The account as it will be: what is said laid over what is there, in plain lines, with no password where one may not be.
fn remedy(expected: &Fields, create_with: &Fields, before: Option<&State>) -> State {
    let mut fields = create_with.clone();
    fields.extend(before.map(|state| state.fields.clone()).unwrap_or_default());
    let puttable = expected.iter().filter(|(name, _)| {
        ![WITHOUT_PASSWORD, SUPERUSER, account::PASSWORD].contains(&name.as_str())
    });
    fields.extend(puttable.map(|(name, value)| (name.clone(), value.clone())));
    fields.remove(account::RAW);
    let word = |name: &str| before.and_then(|state| state.get(name)).cloned();
    let is_open = word(WITHOUT_PASSWORD).is_some_and(|word| word != Value::from(NO));
    let has_to_be_locked = expected.get(account::PASSWORD) == Some(&LOCKED.into())
        && fields.get(account::PASSWORD) != Some(&LOCKED.into());
    if is_open || has_to_be_locked {
        for (name, text) in [
            (account::IN_PASSWD, secret::SHADOWED),
            (account::HASH, secret::LOCK),
            (account::PASSWORD, LOCKED),
        ] {
            fields.insert(name.to_owned(), text.into());
        }
    }
    let is_superuser = fields.get(account::UID) == Some(&Value::Int(0));
    let mut state = State::of(fields);
    account::describe(&mut state, false, is_superuser);
    state
}

fn by_hand(name: &str, expected: &Fields, observed: &Observed) -> Option<String> {
    let state = match observed {
        Observed::NotEvaluated(_) => return None,
        Observed::Present(state) => Some(state),
        Observed::Absent => None,
    };
    let has = |field: &str| {
        expected.contains_key(field) || state.is_some_and(|state| state.fields.contains_key(field))
    };
    if !has(account::UID) || !has(account::GID) {
        return Some(format!(
            "evenkeel chooses no numbers: say `uid` and `group` of {name}, so that it can be made"
        ));
    }
    let state = state?;
    let is_root = state.fields.get(account::UID) == Some(&Value::Int(0));
    if is_root && expected.contains_key(SUPERUSER) && !expected.contains_key(account::UID) {
        return Some(format!(
            "{name} has the number 0 and is root by that: say its `uid`, so that it can be put right"
        ));
    }
    let mut differs = expected
        .iter()
        .filter(|(field, value)| state.get(field) != Some(value));
    let is_only_password = differs.all(|(field, _)| field == account::PASSWORD);
    let has_to_be_set = expected.get(account::PASSWORD) == Some(&SET.into())
        && state.get(account::PASSWORD) != Some(&SET.into());
    (has_to_be_set && is_only_password)
        .then(|| format!("no password comes from git: set one on the host with `passwd {name}`"))
}

/// Whether a file holds of an account what the step leaves there, as far as that can be told without its password.
fn is_made(step: &Step, which: Which, lines: &Lines, user: &[u8]) -> bool {
    let found: Vec<_> = lines
        .of_name(user)
        .into_iter()
        .map(|at| lines.get(at))
        .collect();
    let Some(state) = &step.state else {
        return match which {
            Which::Passwd | Which::Shadow => found.is_empty(),
            Which::Group | Which::Gshadow => {
                let mut stripped = lines.clone();
                membership::strip(&mut stripped, which, user);
                stripped == *lines
            }
        };
    };
    let mut keep = Contents::default();
    let (is, names): (State, &[&str]) = match which {
        Which::Passwd => (account::of_lines(user, &found, &[], &mut keep), &OF_PASSWD),
        Which::Shadow => (account::of_lines(user, &[], &found, &mut keep), &OF_SHADOW),
        Which::Group | Which::Gshadow => return false,
    };
    !state.fields.contains_key(account::RAW)
        && names
            .iter()
            .all(|name| is.fields.get(*name) == state.fields.get(*name))
}
