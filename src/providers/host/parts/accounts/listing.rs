//! `Accounts`: who may log in, who is root, and who may become root by sudo; each list is complete.
//!
//! An account may log in when its shell lets somebody in, whatever its password is, since a key needs none; or when it has
//! a password or does without one, whatever its shell is, since not all that asks for it starts a shell. `uid0` is `root`
//! where it says nothing else. What sudo grants is a resource of its own, `//accounts/NAME/sudo` ([`sudo`]).
//!
//! What is not listed is a member, a `User` by its address. It goes, with all of its lines; but an account of the system,
//! as which a program may run, loses its shell and password instead, and of root only the password is ever taken.
//!
//! **Invariant:** pure but for `look`: what is made of a member follows from its state and from git.

use std::collections::{BTreeMap, BTreeSet};

use super::account::{self, AGING, HASH, IN_PASSWD, LINES, PASSWORD, RAW, SHELL, SUPERUSER, UID};
use super::files::{Files, Which};
use super::secret::{self, LOCKED};
use super::user::{NEVER_SET, NO_SHELL, Subject, address_of, subject};
use super::{ACCOUNTS, USER, USERS, below, lines, plain_name, risk, sudo};
use crate::document::{Declared, Fields as YamlFields, Yaml};
use crate::model::{
    Address, Completeness, Contents, Desired, Fields, Kind, Listing, Member, Observation, Observed,
    Presence, Reason, ReasonCode, Scope, State, Step, Value,
};
use crate::ports::{ActContext, ActError};
use crate::providers::host::kinds::{Decoding, Draft, blank};
use crate::providers::host::parts::{Part, View, address, nowhere};
use crate::providers::host::path::escape;

const PLACE: &str = "accounts";
const SUDO: &str = "sudo";
const LOGIN: &str = "login";
const UID0: &str = "uid0";
/// The field with lines of passwd that are no accounts.
const UNREADABLE: &str = "unreadable";
const ROOT: &str = "root";
/// The most accounts that are members of one listing, and the most lines that are told of.
const MAX_ACCOUNTS: usize = 1000;
const MAX_LINES: usize = 20;

/// Programs that end at once, as shells of those who shall not log in. By their whole paths: a name proves nothing.
const NO_SHELLS: [&str; 14] = [
    "/usr/sbin/nologin",
    "/sbin/nologin",
    "/usr/bin/nologin",
    "/bin/nologin",
    "/bin/false",
    "/usr/bin/false",
    "/bin/true",
    "/usr/bin/true",
    "/bin/sync",
    "/usr/bin/sync",
    "/sbin/halt",
    "/usr/sbin/halt",
    "/sbin/shutdown",
    "/usr/sbin/shutdown",
];

pub struct AccountsPart;

impl Part for AccountsPart {
    fn kind(&self) -> &'static str {
        ACCOUNTS
    }

    fn decode<'a>(
        &self,
        declared: &'a Declared,
        spec: &mut YamlFields<'a>,
        decoding: &mut Decoding<'_>,
    ) -> Vec<Draft<'a>> {
        let at = spec.node();
        let problems = &mut decoding.problems;
        let login = spec.take(LOGIN).map(|node| names_of(node, problems));
        let uid0_node = spec.take(UID0);
        let uid0 = uid0_node.map_or_else(|| vec![ROOT.to_owned()], |node| names_of(node, problems));
        if let Some(node) = uid0_node.filter(|_| !uid0.iter().any(|name| name == ROOT)) {
            problems.push(node.problem("root always is root: list it"));
        }
        let rights = spec
            .take(SUDO)
            .and_then(|node| sudo::of_manifest(node, problems));
        let nothing = Value::Map(BTreeMap::new());
        let expected = Fields::from([(UNREADABLE.to_owned(), nothing)]);
        let mut desired = blank(declared, &nowhere(), Presence::Present(expected));
        desired.address = address(PLACE, &declared.id.name);
        desired.risk = risk();
        desired.scope = Some(Scope {
            within: BTreeSet::from([Address(format!("//{USERS}"))]),
            ..Scope::default()
        });
        let list = |names: Vec<String>| Value::List(names.into_iter().map(Value::Text).collect());
        desired.options.insert(UID0.into(), list(uid0));
        if let Some(login) = login {
            desired.options.insert(LOGIN.into(), list(login));
        }
        let mut drafts = Vec::new();
        if let Some(rights) = rights {
            let expected = Fields::from([(sudo::RIGHTS.to_owned(), rights)]);
            let mut granted = blank(declared, &nowhere(), Presence::Present(expected));
            granted.address = desired.address.join(SUDO);
            granted.id.name = format!("{}/{SUDO}", declared.id.name);
            granted.risk = risk();
            drafts.push(Draft::new(granted, nowhere(), at));
        }
        drafts.push(Draft::new(desired, nowhere(), at));
        drafts
    }

    fn look(&self, host: &View<'_>, desired: &Desired, _shown: &mut Contents) -> Observation {
        let files = match Files::read(host.fs) {
            Ok(files) => files,
            Err(reason) => return Observation::plain(Observed::NotEvaluated(reason)),
        };
        if is_of_sudo(&desired.address) {
            return Observation::plain(sudo::see(host.fs, &files, desired));
        }
        let lines = Fields::from([(UNREADABLE.to_owned(), unreadable(&files))]);
        Observation {
            listing: Some(listing(&files, desired)),
            ..Observation::plain(Observed::Present(State::of(lines)))
        }
    }

    /// Nothing is ever done at this address.
    fn see(
        &self,
        _host: &View<'_>,
        _address: &Address,
        _options: &Fields,
        _keep: &mut Contents,
    ) -> Observed {
        let text = "what it lists is put right, and not the list";
        Observed::NotEvaluated(Reason::new(ReasonCode::Unsupported, text))
    }

    fn act(
        &self,
        _host: &View<'_>,
        _step: &Step,
        _now: &Observed,
        _context: &ActContext<'_>,
    ) -> Result<Vec<String>, ActError> {
        let text = "what it lists is put right, and not the list";
        Err(ActError::Refused(text.to_owned()))
    }

    fn by_hand(&self, desired: &Desired, observed: &Observed) -> Option<String> {
        let state = observed.state()?;
        if is_of_sudo(&desired.address) {
            return sudo::by_hand(desired, state);
        }
        let lines = match state.get(UNREADABLE) {
            Some(Value::Map(lines)) if !lines.is_empty() => lines,
            _ => return None,
        };
        let numbers: Vec<_> = lines.keys().take(5).map(String::as_str).collect();
        Some(format!(
            "look at {} of /etc/passwd, which no program reads the same way, and take out what does not belong there",
            numbers.join(", ")
        ))
    }

    fn judge(&self, desired: &Desired, member: &mut Member) -> bool {
        let Some(Subject::Account(name)) = subject(&member.address) else {
            return false;
        };
        if member.kind.0 != USER || is_of_sudo(&desired.address) {
            return false;
        }
        let state = match &member.observed {
            Observed::Present(state) => state,
            Observed::NotEvaluated(_) => return true,
            Observed::Absent => return false,
        };
        match verdict(desired, &escape(&name), state) {
            Verdict::Fine => return false,
            Verdict::Goes => {}
            Verdict::Becomes(remedy) => member.remedy = Some(remedy),
            Verdict::ByHand(why) => member.by_hand = Some(why),
        }
        true
    }
}

fn is_of_sudo(address: &Address) -> bool {
    matches!(below(address, PLACE).as_deref(), Some([_, last]) if *last == SUDO)
}

fn names_of(node: &Yaml, problems: &mut crate::model::Problems) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in node.list(problems).unwrap_or_default() {
        match plain_name(item, problems) {
            Some(name) if names.contains(&name) => {
                problems.push(item.problem("the account is listed twice"));
            }
            Some(name) => names.push(name),
            None => {}
        }
    }
    names
}

/// What is to be made of an account.
enum Verdict {
    Fine,
    Goes,
    Becomes(State),
    ByHand(String),
}

/// Judges one account by its state.
fn verdict(desired: &Desired, name: &str, state: &State) -> Verdict {
    let lists = |option: &str| match desired.options.get(option) {
        Some(Value::List(names)) => names.contains(&Value::text(name)),
        _ => true,
    };
    let count = state.fields.get(LINES).and_then(Value::as_int).unwrap_or(0);
    let uid = state.fields.get(UID).and_then(Value::as_int);
    let is_root = uid == Some(0) || state.beyond.get(SUPERUSER) == Some(&"yes".into());
    let is_locked = state.fields.get(PASSWORD) == Some(&LOCKED.into());
    let is_unlisted_login = !lists(LOGIN) && may_log_in(state);
    let several = || {
        Verdict::ByHand(format!(
            "passwd has {count} lines for {name}, of which programs take different ones: take out the wrong ones, or say what is right in a `User`"
        ))
    };
    if name == ROOT {
        return match (count > 1, !lists(LOGIN) && !is_locked) {
            (true, _) => several(),
            (false, true) => Verdict::Becomes(disarmed(state, false)),
            (false, false) => Verdict::Fine,
        };
    }
    if is_root && !lists(UID0) {
        let is_somebody = desired.options.contains_key(LOGIN) && lists(LOGIN);
        return match is_somebody {
            true => Verdict::ByHand(format!(
                "{name} is listed to log in, and is root by the number 0: say its `uid` in a `User`, which puts that right"
            )),
            false => Verdict::Goes,
        };
    }
    if is_unlisted_login {
        return match uid.is_some_and(is_of_system) {
            true => Verdict::Becomes(disarmed(state, true)),
            false => Verdict::Goes,
        };
    }
    if count > 1 { several() } else { Verdict::Fine }
}

/// Whether somebody could log in, by its shell or by its password.
fn may_log_in(state: &State) -> bool {
    let shell = state.fields.get(SHELL).and_then(Value::as_text);
    shell.is_some_and(lets_in) || state.fields.get(PASSWORD) != Some(&LOCKED.into())
}

/// Whether a shell lets anybody in. An empty one does: it stands for `/bin/sh`.
fn lets_in(shell: &str) -> bool {
    !NO_SHELLS.contains(&shell)
}

/// Whether packages give such numbers to what they run, and `nobody` has it.
fn is_of_system(uid: i64) -> bool {
    (1..1000).contains(&uid) || (60_000..=65_535).contains(&uid)
}

/// The account without a password and, where that goes too, without a shell.
fn disarmed(state: &State, shell_too: bool) -> State {
    let mut fields = state.fields.clone();
    fields.remove(RAW);
    let mut set = |name: &str, text: &str| fields.insert(name.to_owned(), text.into());
    set(IN_PASSWD, secret::SHADOWED);
    set(HASH, secret::LOCK);
    set(PASSWORD, LOCKED);
    if shell_too {
        set(SHELL, NO_SHELL);
    }
    fields.insert(LINES.into(), Value::Int(1));
    fields
        .entry(AGING.into())
        .or_insert_with(|| NEVER_SET.into());
    let is_root = fields.get(UID) == Some(&Value::Int(0));
    let mut state = State::of(fields);
    account::describe(&mut state, false, is_root);
    state
}

/// All accounts of which something is to be made.
fn listing(files: &Files, desired: &Desired) -> Listing {
    let mut names: BTreeSet<&Vec<u8>> = files.passwd.index.keys().collect();
    if let Ok(shadow) = &files.shadow {
        names.extend(shadow.index.keys());
    }
    let mut members = Vec::new();
    let mut complete = match &files.shadow {
        Ok(_) => Completeness::Complete,
        Err(reason) => Completeness::Partial(reason.clone()),
    };
    for name in names {
        let Some(observed) = candidate(files, desired, name) else {
            continue;
        };
        if members.len() >= MAX_ACCOUNTS {
            let text = format!("more than {MAX_ACCOUNTS} accounts are not listed in git");
            complete = Completeness::Partial(Reason::new(ReasonCode::TooLarge, text));
            break;
        }
        members.push(Member {
            address: address_of(name),
            kind: Kind(USER.to_owned()),
            observed,
            remedy: None,
            by_hand: None,
        });
    }
    Listing {
        members,
        complete,
        ignored: 0,
    }
}

/// The state of an account of which something is to be made; cheap for all others.
fn candidate(files: &Files, desired: &Desired, name: &[u8]) -> Option<Observed> {
    super::name_of(&super::leaf(name))?;
    let take = |which: Which| -> Vec<&[u8]> {
        let at = files.of_name(which, name).iter();
        at.filter_map(|at| Some(files.get(which)?.lines.get(*at)))
            .collect()
    };
    let (passwd, shadow) = (take(Which::Passwd), take(Which::Shadow));
    let state = account::of_lines(name, &passwd, &shadow, &mut Contents::default());
    if !state.fields.contains_key(UID) && state.fields.get(PASSWORD) == Some(&LOCKED.into()) {
        return None;
    }
    if let Verdict::Fine = verdict(desired, &escape(name), &state) {
        return None;
    }
    Some(account::see(files, name, &mut Contents::default()))
}

/// Lines of passwd that are no accounts to the C library, by their numbers, since others may read them otherwise.
fn unreadable(files: &Files) -> Value {
    let lines = files.passwd.lines.iter().enumerate();
    let found = lines
        .filter(|(_, line)| !lines::is_blank(line))
        .filter_map(|(at, line)| {
            let entry = lines::fields::<7>(line);
            let why = match entry[0].first() {
                None => "it has no name",
                Some(b'+' | b'-') => "it asks NIS",
                _ if lines::number(entry[2]).is_none() => "it has no number",
                _ if lines::number(entry[3]).is_none() => "it has no group",
                _ => return None,
            };
            Some((format!("line {}", at + 1), Value::from(why)))
        });
    Value::Map(found.take(MAX_LINES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(passwd: &[&str], shadow: &[&str]) -> State {
        let bytes = |lines: &[&'static str]| -> Vec<&'static [u8]> {
            lines.iter().map(|line| line.as_bytes()).collect()
        };
        let leak = |lines: &[&str]| -> Vec<&'static str> {
            lines.iter().map(|line| &*line.to_string().leak()).collect()
        };
        let (passwd, shadow) = (bytes(&leak(passwd)), bytes(&leak(shadow)));
        account::of_lines(b"x", &passwd, &shadow, &mut Contents::default())
    }

    // Goal: no way to let somebody in is passed over: a shell with a locked password (a key), a password without a shell,
    // no password at all, a shell that only looks like none, a line that ends before its shell.
    #[test]
    fn every_way_in_counts() {
        for (passwd, shadow, expected) in [
            ("x:x:5:5::/:/bin/bash", "x:!:1::::::", true),
            ("x:x:5:5::/:/usr/sbin/nologin", "x:$6$a$b:1::::::", true),
            ("x:x:5:5::/:/usr/sbin/nologin", "x::1::::::", true),
            ("x::5:5::/:/usr/sbin/nologin", "x:*:1::::::", true),
            ("x:x:5:5::/:/tmp/nologin", "x:*:1::::::", true),
            ("x:x:5:5::/:/usr/sbin/nologin:", "x:*:1::::::", true),
            ("x:x:5:5", "x:*:1::::::", true),
            ("x:x:5:5::/:/usr/sbin/nologin", "x:*:1::::::", false),
            ("x:x:5:5::/:/bin/sync", "x:!$6$a$b:1::::::", false),
        ] {
            assert_eq!(
                may_log_in(&seen(&[passwd], &[shadow])),
                expected,
                "{passwd} {shadow}"
            );
        }
    }

    // Goal: which numbers an account has decides whether it goes or is disarmed, and nothing does for two lines of one name.
    #[test]
    fn numbers_of_the_system_are_those_of_packages() {
        for (uid, of_system) in [
            (0, false),
            (33, true),
            (999, true),
            (1000, false),
            (65_534, true),
        ] {
            assert_eq!(is_of_system(uid), of_system, "{uid}");
        }
        let two = seen(&["x:x:1000:5:::/bin/sh", "x:x:0:5:::/bin/sh"], &[]);
        assert_eq!(two.get(SUPERUSER), Some(&"yes".into()));
    }
}
