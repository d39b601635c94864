//! `AuthorizedKeys`: which keys let somebody log in as a user.
//!
//! Counts: each listed key with its options, with `exclusive: true` that there is no other; that the file is a regular
//! one with a single name; and that nobody but the user and root can write it. The directory that holds it, and with
//! `exclusive: true` that there is no `authorized_keys2` beside it, are resources of their own that follow from this one.
//!
//! **Invariant:** options belong to a key: the same key with others is another grant.

use std::collections::BTreeMap;

use super::{
    AUTHORIZED_KEYS, DIRECTORY, Decoding, Draft, FILE, OF_USER, blank, directory, file, set,
};
use crate::document::{Declared, Fields as YamlFields, Yaml, YamlValue};
#[cfg(feature = "controller")]
use crate::model::Snapshot;
use crate::model::{
    Desired, Fields, Kind, Observed, Presence, Reason, ReasonCode, ResourceId, Risk, RiskLevel,
    State, Value,
};
use crate::providers::host::fs::HostPath;
use crate::providers::host::keys::{self, Line};
use crate::providers::host::owner::User;
use crate::providers::host::path::parse;
use crate::providers::host::state::{NONE, file_beyond, mode_of, mode_text};

/// The option that holds the lines to write, as the manifest has them.
const LINES: &str = "lines";
/// The option that says whether these are all.
const EXCLUSIVE: &str = "exclusive";
/// What `access` is where only the right people can write.
const SOUND: &str = "sound";
/// Stands in `keys` for all that could not be read.
const UNREAD: &str = "unread";
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// Write permission for the group and for everybody.
const OTHERS_WRITE: u32 = 0o022;

/// Reads the spec of an `AuthorizedKeys`: the resource itself and those that follow from it.
pub fn decode<'a>(
    declared: &'a Declared,
    spec: &mut YamlFields<'a>,
    decoding: &mut Decoding<'_>,
) -> Vec<Draft<'a>> {
    let user_node = spec.require("user", &mut decoding.problems);
    let given_path = spec.take("path");
    let user = user_node.and_then(|node| user_of(node, given_path.is_some(), decoding));
    let path = given_path.map(|node| (decoding.path(node), node));
    let lines = spec
        .require("keys", &mut decoding.problems)
        .and_then(|node| lines_of(node, decoding));
    let exclusive = spec
        .take("exclusive")
        .and_then(|node| node.boolean(&mut decoding.problems))
        .unwrap_or(false);
    let (Some(user_node), Some(user), Some(lines)) = (user_node, user, lines) else {
        return Vec::new();
    };
    let (path, at) = match path {
        Some((Some(path), node)) => (path, node),
        Some((None, _)) => return Vec::new(),
        None => (default_path(&user, decoding), user_node),
    };
    let account = user.account;
    let mut desired = blank(declared, &path, Presence::Present(expected(&lines)));
    desired.risk = Risk::new(RiskLevel::High, "decides who may log in");
    desired.create_with = created(decoding, account.as_ref());
    let options = &mut desired.options;
    let texts = lines.iter().map(|(line, _)| Value::Text(line.clone()));
    options.insert(LINES.into(), Value::List(texts.collect()));
    options.insert(EXCLUSIVE.into(), Value::Bool(exclusive));
    let uid = account.as_ref().map(|account| i64::from(account.uid));
    set(options, OF_USER, uid.map(Value::Int));
    let own = Draft::new(desired, path, at);
    let mut drafts = Vec::new();
    if given_path.is_none() && account.is_some() {
        drafts.extend(implied(&own, exclusive, decoding, account.as_ref()));
    }
    drafts.push(own);
    drafts
}

/// A user as the manifest names it, and the account behind it where there is one.
struct NamedUser {
    name: String,
    account: Option<User>,
}

fn user_of(node: &Yaml, has_path: bool, decoding: &mut Decoding<'_>) -> Option<NamedUser> {
    let before = decoding.problems.0.len();
    let uid = decoding.user(node);
    if decoding.problems.0.len() > before {
        return None;
    }
    let (name, is_number) = match &node.value {
        YamlValue::Int(id) => (id.to_string(), true),
        _ => (node.text(&mut decoding.problems)?.to_owned(), false),
    };
    let account = match uid {
        Some(uid) if is_number && has_path => Some(User {
            uid,
            gid: decoding.creator.1,
            home: String::new(),
        }),
        Some(uid) => decoding.account(&name, uid),
        None => None,
    };
    Some(NamedUser { name, account })
}

/// The file in the user's home; without a home a place that no file can be mistaken for.
fn default_path(user: &NamedUser, decoding: &mut Decoding<'_>) -> HostPath {
    let home = user.account.as_ref().and_then(|account| {
        let home = parse(account.home.trim_end_matches('/'));
        if home.is_err() && decoding.unresolved.is_none() {
            decoding.unresolved = Some(Reason::new(
                ReasonCode::Unresolved,
                format!("the home of {} is no usable path", user.name.escape_debug()),
            ));
        }
        home.ok()
    });
    let home = match home {
        Some(home) => home,
        None => HostPath(vec![format!("~{}", user.name).into_bytes()]),
    };
    home.join(b".ssh").join(b"authorized_keys")
}

/// The lines of a manifest with their entries.
fn lines_of(node: &Yaml, decoding: &mut Decoding<'_>) -> Option<Vec<(String, keys::Entry)>> {
    let mut lines = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let before = decoding.problems.0.len();
    for item in node.list(&mut decoding.problems)? {
        let Some(text) = item.text(&mut decoding.problems) else {
            continue;
        };
        let text = text.trim();
        let single = !text.chars().any(|c| c.is_control() && c != '\t');
        let entry = match keys::parse(text.as_bytes()) {
            Line::Key(entry) if single => entry,
            _ => {
                decoding.problems.push(
                    item.problem("this is no public key")
                        .hint("one line as in authorized_keys: [options] type base64 [comment]"),
                );
                continue;
            }
        };
        let place = item.span().to_string();
        if let Some(first) = seen.insert(entry.identity.clone(), place) {
            decoding.problems.push(
                item.problem("this key is listed twice")
                    .hint(format!("the first one is at {first}")),
            );
        }
        lines.push((text.to_owned(), entry));
    }
    (decoding.problems.0.len() == before).then_some(lines)
}

fn expected(lines: &[(String, keys::Entry)]) -> Fields {
    let grants = lines
        .iter()
        .map(|(_, entry)| (entry.identity.clone(), Value::Text(entry.grant.clone())));
    let mut fields = Fields::new();
    let mut add = |name: &str, value: Value| set(&mut fields, name, Some(value));
    add("type", "file".into());
    add("keys", Value::Map(grants.collect()));
    add("access", SOUND.into());
    add("links", Value::Int(1));
    for name in ["capabilities", "flags", "acl"] {
        add(name, NONE.into());
    }
    add("special_bits", NONE.into());
    fields
}

fn created(decoding: &mut Decoding<'_>, account: Option<&User>) -> Fields {
    let mut fields = file::defaults(decoding);
    fields.insert("mode".into(), mode_text(FILE_MODE));
    belong(&mut fields, account);
    fields
}

fn belong(fields: &mut Fields, account: Option<&User>) {
    if let Some(account) = account {
        fields.insert("uid".into(), Value::Int(account.uid.into()));
        fields.insert("gid".into(), Value::Int(account.gid.into()));
    }
}

/// The directory that holds the keys, and that sshd's second file is not there.
fn implied<'a>(
    own: &Draft<'a>,
    exclusive: bool,
    decoding: &Decoding<'_>,
    account: Option<&User>,
) -> Vec<Draft<'a>> {
    let Some((dir, _)) = own.path.split() else {
        return Vec::new();
    };
    let mut drafts = Vec::new();
    let mut imply = |kind: &str, leaf: &str, path: HostPath, presence: Presence| {
        let base = &own.desired;
        let mut create_with = directory::defaults(decoding, DIRECTORY_MODE);
        belong(&mut create_with, account);
        let desired = Desired {
            id: ResourceId {
                kind: Kind(kind.to_owned()),
                // A slash, which no declared name has.
                name: format!("{}/{leaf}", base.id.name),
                ..base.id.clone()
            },
            address: path.address(),
            presence,
            create_with,
            options: base
                .options
                .iter()
                .filter(|(name, _)| *name == OF_USER)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            ..base.clone()
        };
        drafts.push(Draft {
            desired,
            path,
            at: own.at,
            implied: true,
        });
    };
    let expected = Fields::from([
        ("type".to_owned(), "directory".into()),
        ("access".to_owned(), SOUND.into()),
        ("flags".to_owned(), NONE.into()),
    ]);
    imply(DIRECTORY, ".ssh", dir.clone(), Presence::Present(expected));
    if exclusive {
        let second = dir.join(b"authorized_keys2");
        imply(FILE, "authorized_keys2", second, Presence::Absent);
    }
    drafts
}

/// Adds to what was seen of such a resource, or of the directory that follows from one, what counts of it without being
/// a field of its own. `content` is none where the file was too large to be read.
pub fn describe(desired: &Desired, observed: &mut Observed, content: Option<&[u8]>) {
    let Observed::Present(state) = observed else {
        return;
    };
    if let Some(uid) = desired.options.get(OF_USER).and_then(Value::as_int) {
        let access = access(state, uid);
        state.beyond.insert("access".into(), Value::Text(access));
    } else if desired.id.kind.0 == AUTHORIZED_KEYS {
        state.beyond.insert("access".into(), SOUND.into());
    }
    if desired.id.kind.0 != AUTHORIZED_KEYS {
        return;
    }
    let mut grants = match content {
        Some(content) => keys::grants(content),
        None if state.get("type") == Some(&"file".into()) => {
            BTreeMap::from([(UNREAD.to_owned(), "the file is too large".to_owned())])
        }
        None => BTreeMap::new(),
    };
    if !is_exclusive(desired) {
        let listed = listed(desired);
        if content.is_some() {
            grants.retain(|identity, _| listed.contains_key(identity));
        } else if grants.contains_key(UNREAD) {
            *observed = Observed::NotEvaluated(Reason::new(
                ReasonCode::TooLarge,
                format!("{} is too large to look for keys in", desired.address),
            ));
            return;
        }
    }
    let grants = grants
        .into_iter()
        .map(|(identity, grant)| (identity, Value::Text(grant)));
    state
        .beyond
        .insert("keys".into(), Value::Map(grants.collect()));
}

/// What a file of all these keys and no others is most likely to hold; none for another kind.
#[cfg(feature = "controller")]
pub fn whole_file(desired: &Desired) -> Option<Vec<u8>> {
    let Some(Value::List(lines)) = desired.options.get(LINES) else {
        return None;
    };
    let lines = lines.iter().filter_map(Value::as_text);
    Some(
        lines
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
            .into_bytes(),
    )
}

/// Whether such a file was seen without what it holds.
#[cfg(feature = "controller")]
pub fn is_unread(desired: &Desired, snapshot: &Snapshot) -> bool {
    let observation = snapshot.observations.get(&desired.id);
    let keys = observation
        .and_then(|seen| seen.observed.state())
        .and_then(|state| state.get("keys"));
    desired.id.kind.0 == AUTHORIZED_KEYS
        && matches!(keys, Some(Value::Map(keys)) if keys.contains_key(UNREAD))
}

/// Whether the file may hold no other keys than the listed ones.
pub fn is_exclusive(desired: &Desired) -> bool {
    desired.options.get(EXCLUSIVE) == Some(&Value::Bool(true))
}

/// The lines of the manifest by the identity of their keys.
fn listed(desired: &Desired) -> BTreeMap<String, &str> {
    let Some(Value::List(lines)) = desired.options.get(LINES) else {
        return BTreeMap::new();
    };
    lines
        .iter()
        .filter_map(Value::as_text)
        .filter_map(|line| match keys::parse(line.as_bytes()) {
            Line::Key(entry) => Some((entry.identity, line)),
            _ => None,
        })
        .collect()
}

/// Who else can write, in words.
fn access(state: &State, uid: i64) -> String {
    let mut wrong = Vec::new();
    let owner = state.get("uid").and_then(Value::as_int).unwrap_or(-1);
    if owner != uid && owner != 0 {
        wrong.push(format!("owned by user {owner}"));
    }
    let is_link = state.get("type") == Some(&"symlink".into());
    let mode = mode_of(state).unwrap_or(0);
    if !is_link && mode & 0o020 != 0 {
        wrong.push("writable by the group".to_owned());
    }
    if !is_link && mode & 0o002 != 0 {
        wrong.push("writable by everybody".to_owned());
    }
    match wrong.is_empty() {
        true => SOUND.to_owned(),
        false => wrong.join(", "),
    }
}

/// Makes a state that is to be put sound: nobody but the user and root may write.
pub fn make_sound(desired: &Desired, state: &mut State) {
    let Some(uid) = desired.options.get(OF_USER).and_then(Value::as_int) else {
        return;
    };
    let mode = mode_of(state).unwrap_or(FILE_MODE) & !OTHERS_WRITE;
    state.fields.insert("mode".into(), mode_text(mode));
    let owner = state.fields.get("uid").and_then(Value::as_int);
    if owner != Some(uid) && owner != Some(0) {
        state.fields.insert("uid".into(), Value::Int(uid));
    }
    state.beyond.insert("access".into(), SOUND.into());
}

/// The content that the file has to have, or none where its keys are right already.
pub fn content(desired: &Desired, observed: &Observed, live: Option<&[u8]>) -> Option<Vec<u8>> {
    let expected = desired.expected()?.get("keys");
    let listed = listed(desired);
    let state = observed.state();
    let is_file = state.is_some_and(|state| state.get("type") == Some(&"file".into()));
    if is_file && state.and_then(|state| state.get("keys")) == expected {
        return None;
    }
    let kept = match live {
        Some(live) if is_file && !is_exclusive(desired) => without(live, &listed, expected),
        _ => Vec::new(),
    };
    let mut content = kept;
    let there: BTreeMap<_, _> = keys::grants(&content);
    let Some(Value::List(lines)) = desired.options.get(LINES) else {
        return Some(content);
    };
    for line in lines.iter().filter_map(Value::as_text) {
        if let Line::Key(entry) = keys::parse(line.as_bytes())
            && !there.contains_key(&entry.identity)
        {
            content.extend_from_slice(line.as_bytes());
            content.push(b'\n');
        }
    }
    Some(content)
}

/// The lines of a file without those of listed keys that grant something else; always ends with a line end.
fn without(live: &[u8], listed: &BTreeMap<String, &str>, expected: Option<&Value>) -> Vec<u8> {
    let wanted = |identity: &str| match expected {
        Some(Value::Map(map)) => map.get(identity).and_then(Value::as_text),
        _ => None,
    };
    let mut content = Vec::with_capacity(live.len());
    let mut lines: Vec<_> = keys::lines(live).collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    for line in lines {
        if let Line::Key(entry) = keys::parse(line)
            && listed.contains_key(&entry.identity)
            && wanted(&entry.identity) != Some(&entry.grant)
        {
            continue;
        }
        content.extend_from_slice(line);
        content.push(b'\n');
    }
    content
}

/// What counts of the file that was put, besides its fields.
pub fn beyond(desired: &Desired, mode: u32) -> Fields {
    let mut beyond = file_beyond(1, mode);
    let keys = desired.expected().and_then(|fields| fields.get("keys"));
    set(&mut beyond, "keys", keys.cloned());
    set(&mut beyond, "access", Some(SOUND.into()));
    beyond
}
