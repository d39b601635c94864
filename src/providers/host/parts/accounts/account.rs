//! What an account is: its lines in passwd and shadow as a state, and the lines of a state.
//!
//! Fields: `uid`, `gid`, `gecos`, `home`, `shell`, `in_passwd` (the password field there), `hash` and `aging` (of shadow),
//! `password` (a word), `lines` (how many passwd has) and, where the lines are not what these fields would be written as,
//! `raw`, a content with all of them. Beyond them: `without_password`, `superuser`, and what only bringing an account
//! back takes: `places`, `member_of`, `own_group`.
//!
//! **Invariant:** the lines of a state, read again, give its digest; a hash is in a content and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::{Files, Which};
use super::lines::{self, Lines, Place};
use super::membership;
use super::secret::{self, EMPTY, SHADOWED};
use crate::model::{Blob, Contents, Digest, Fields, Observed, State, Value};
use crate::providers::host::path::{escape, unescape};

pub const UID: &str = "uid";
pub const GID: &str = "gid";
pub const GECOS: &str = "gecos";
pub const HOME: &str = "home";
pub const SHELL: &str = "shell";
pub const PASSWORD: &str = "password";
pub const LINES: &str = "lines";
pub const IN_PASSWD: &str = "in_passwd";
pub const HASH: &str = "hash";
pub const AGING: &str = "aging";
pub const RAW: &str = "raw";
/// Whether nothing is asked of who logs in.
pub const WITHOUT_PASSWORD: &str = "without_password";
/// Whether it is root, by whatever name.
pub const SUPERUSER: &str = "superuser";
pub const NO: &str = "no";
const YES: &str = "yes";
const PLACES: &str = "places";
const MEMBER_OF: &str = "member_of";
const OWN_GROUP: &str = "own_group";

/// The state of an account; content that a way back needs goes into `keep`.
pub fn see(files: &Files, name: &[u8], keep: &mut Contents) -> Observed {
    let shadow_lines = match &files.shadow {
        Ok(shadow) => &shadow.lines,
        Err(reason) => return Observed::NotEvaluated(reason.clone()),
    };
    let in_passwd = files.of_name(Which::Passwd, name);
    let in_shadow = files.of_name(Which::Shadow, name);
    if in_passwd.is_empty() && in_shadow.is_empty() {
        return Observed::Absent;
    }
    let passwd_lines = &files.passwd.lines;
    let raw_passwd: Vec<_> = in_passwd.iter().map(|at| passwd_lines.get(*at)).collect();
    let raw_shadow: Vec<_> = in_shadow.iter().map(|at| shadow_lines.get(*at)).collect();
    let mut state = of_lines(name, &raw_passwd, &raw_shadow, keep);
    let beyond = &mut state.beyond;
    let places = Value::Map(BTreeMap::from([
        (Which::Passwd.name().into(), places(passwd_lines, in_passwd)),
        (Which::Shadow.name().into(), places(shadow_lines, in_shadow)),
    ]));
    beyond.insert(PLACES.into(), places);
    beyond.insert(MEMBER_OF.into(), membership::all_of(files, name));
    if let Some(own) = own_group(files, name, &state.fields) {
        state.beyond.insert(OWN_GROUP.into(), own);
    }
    Observed::Present(state)
}

/// The state that such lines make, without where they stand.
pub fn of_lines(name: &[u8], passwd: &[&[u8]], shadow: &[&[u8]], keep: &mut Contents) -> State {
    let mut fields = Fields::new();
    let mut set = |name: &str, value: Value| {
        fields.insert(name.to_owned(), value);
    };
    set(LINES, Value::Int(passwd.len() as i64));
    let mut is_superuser = false;
    let valid = passwd.iter().find_map(|line| {
        let entry = lines::fields::<7>(line);
        let ids = (lines::number(entry[2])?, lines::number(entry[3])?);
        Some((entry, ids))
    });
    for line in passwd {
        is_superuser |= lines::number(lines::fields::<7>(line)[2]) == Some(0);
    }
    if let Some((entry, (uid, gid))) = &valid {
        set(UID, Value::Int((*uid).into()));
        set(GID, Value::Int((*gid).into()));
        set(IN_PASSWD, secret::value(entry[1], keep));
        for (name, field) in [GECOS, HOME, SHELL].into_iter().zip(&entry[4..]) {
            set(name, Value::Text(escape(field)));
        }
    }
    let hash = shadow.first().map(|line| {
        let [_, hash, aging] = lines::fields::<3>(line);
        set(HASH, secret::value(hash, keep));
        set(AGING, Value::Text(escape(aging)));
        hash
    });
    let in_passwd = valid
        .as_ref()
        .map_or(SHADOWED.as_bytes(), |(entry, _)| entry[1]);
    let password = secret::of_account(in_passwd, hash);
    set(PASSWORD, password.into());
    let plain = plain_lines(name, &fields, &|digest| keep.get(digest));
    let is_plain = plain.is_some_and(|(one, two)| one == passwd && two == shadow);
    if !is_plain {
        let raw = raw(passwd, shadow);
        fields.insert(RAW.into(), Value::Blob(Blob::of(&raw)));
        keep.keep(raw);
    }
    let mut state = State::of(fields);
    describe(&mut state, password == EMPTY, is_superuser);
    state
}

/// What counts of an account without being a field of its own.
pub fn describe(state: &mut State, without_password: bool, is_superuser: bool) {
    let word = |is| Value::from(if is { YES } else { NO });
    let beyond = &mut state.beyond;
    beyond.insert(WITHOUT_PASSWORD.into(), word(without_password));
    beyond.insert(SUPERUSER.into(), word(is_superuser));
}

/// The lines of passwd and those of shadow.
type OfAccount = (Vec<Vec<u8>>, Vec<Vec<u8>>);

/// The lines that fields are written as; none where they do not make any.
fn plain_lines(
    name: &[u8],
    fields: &Fields,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Option<OfAccount> {
    let text = |name: &str| unescape(fields.get(name)?.as_text()?);
    let number = |name: &str| {
        let number = fields.get(name)?.as_int()?;
        Some(u32::try_from(number).ok()?.to_string().into_bytes())
    };
    let passwd = match fields.get(LINES)?.as_int()? {
        0 => Vec::new(),
        1 => vec![
            [
                name.to_vec(),
                secret::field(fields.get(IN_PASSWD)?, find)?,
                number(UID)?,
                number(GID)?,
                text(GECOS)?,
                text(HOME)?,
                text(SHELL)?,
            ]
            .join(&b':'),
        ],
        _ => return None,
    };
    let shadow = match fields.get(HASH) {
        None => Vec::new(),
        Some(hash) => vec![[name.to_vec(), secret::field(hash, find)?, text(AGING)?].join(&b':')],
    };
    Some((passwd, shadow))
}

/// Lines as one content: each begins with the letter of its file.
pub fn raw(passwd: &[&[u8]], shadow: &[&[u8]]) -> Vec<u8> {
    let mark = |letter: u8| move |line: &&[u8]| [&[letter], *line, b"\n"].concat();
    let passwd = passwd.iter().map(mark(b'P'));
    passwd
        .chain(shadow.iter().map(mark(b'S')))
        .flatten()
        .collect()
}

pub fn of_raw(raw: &[u8], letter: u8) -> Vec<Vec<u8>> {
    raw.split(|byte| *byte == b'\n')
        .filter(|line| line.first() == Some(&letter))
        .map(|line| line[1..].to_vec())
        .collect()
}

/// Makes the account what a state says.
///
/// # Errors
/// The state is none of an account, or its content is nowhere kept.
pub fn put(
    files: &mut Files,
    name: &[u8],
    state: &State,
    find: &dyn Fn(&Digest) -> Option<Arc<[u8]>>,
) -> Result<(), String> {
    let (passwd, shadow) = match state.fields.get(RAW).and_then(Value::as_blob) {
        Some(blob) => {
            let raw = find(&blob.digest).ok_or("its lines are not kept anywhere")?;
            (of_raw(&raw, b'P'), of_raw(&raw, b'S'))
        }
        None => plain_lines(name, &state.fields, find)
            .ok_or("its password is not kept anywhere, or a field of it is none")?,
    };
    let is_new = [Which::Passwd, Which::Shadow]
        .iter()
        .all(|which| files.of_name(*which, name).is_empty());
    for (which, new) in [(Which::Passwd, passwd), (Which::Shadow, shadow)] {
        if let Some(lines) = files.edit(which) {
            lines.set(name, &new, &places_of(state, which));
        }
    }
    if is_new {
        bring_own_group_back(files, name, state);
        if let Some(groups) = state.beyond.get(MEMBER_OF) {
            membership::restore(files, name, groups);
        }
    }
    Ok(())
}

/// Takes the account's lines out of all files, with the group that is its alone.
pub fn remove(files: &mut Files, name: &[u8]) {
    let fields = match see(files, name, &mut Contents::default()) {
        Observed::Present(state) => state.fields,
        _ => Fields::new(),
    };
    let has_own_group = own_group(files, name, &fields).is_some();
    for which in [Which::Passwd, Which::Shadow] {
        if let Some(lines) = files.edit(which) {
            lines.set(name, &[], &[]);
        }
    }
    for which in [Which::Group, Which::Gshadow] {
        if let Some(lines) = files.edit(which) {
            if has_own_group {
                lines.set(name, &[], &[]);
            }
            membership::strip(lines, which, name);
        }
    }
}

/// The group that `useradd` made for this account: of its name and number, and nobody else's. Only one that holds
/// nothing to hide is taken for such.
fn own_group(files: &Files, name: &[u8], fields: &Fields) -> Option<Value> {
    let gid = u32::try_from(fields.get(GID)?.as_int()?).ok()?;
    let [at] = files.of_name(Which::Group, name) else {
        return None;
    };
    let [_, password, number, members] = lines::fields::<4>(files.group.lines.get(*at));
    let is_own = |list: &[u8]| lines::list(list).all(|member| member == name);
    let other_has_it = files.passwd.lines.iter().any(|line| {
        let entry = lines::fields::<7>(line);
        !lines::is_blank(line) && entry[0] != name && lines::number(entry[3]) == Some(gid)
    });
    if lines::number(number) != Some(gid)
        || !secret::is_mark(password)
        || !is_own(members)
        || other_has_it
    {
        return None;
    }
    let shadow = files.of_name(Which::Gshadow, name);
    let hides_nothing = |at: &usize| {
        let line = files.gshadow.as_ref()?.lines.get(*at);
        let [_, password, admins, members] = lines::fields::<4>(line);
        (secret::is_mark(password) && is_own(admins) && is_own(members)).then_some(())
    };
    if shadow.len() > 1 || shadow.iter().any(|at| hides_nothing(at).is_none()) {
        return None;
    }
    let one = |which: Which, at: usize| {
        let lines = &files.get(which)?.lines;
        let line = Value::Text(escape(lines.get(at)));
        Some((
            which.name().to_owned(),
            Value::List(vec![line, place(lines, at)]),
        ))
    };
    let lines = [
        one(Which::Group, *at),
        shadow.first().and_then(|at| one(Which::Gshadow, *at)),
    ];
    Some(Value::Map(lines.into_iter().flatten().collect()))
}

fn bring_own_group_back(files: &mut Files, name: &[u8], state: &State) {
    let Some(Value::Map(own)) = state.beyond.get(OWN_GROUP) else {
        return;
    };
    for which in [Which::Group, Which::Gshadow] {
        let Some(Value::List(parts)) = own.get(which.name()) else {
            continue;
        };
        let line = parts.first().and_then(Value::as_text).and_then(unescape);
        let place = parts.get(1).and_then(place_of);
        let is_gone = files.of_name(which, name).is_empty();
        if let (Some(line), Some(place), true, Some(lines)) =
            (line, place, is_gone, files.edit(which))
        {
            lines.set(name, &[line], &[place]);
        }
    }
}

/// Where a line stands, as a value.
pub fn place(lines: &Lines, index: usize) -> Value {
    let place = lines.place(index);
    Value::List(vec![
        Value::Int(i64::try_from(place.index).unwrap_or(0)),
        Value::Text(escape(&place.after)),
    ])
}

pub fn place_of(value: &Value) -> Option<Place> {
    let Value::List(parts) = value else {
        return None;
    };
    Some(Place {
        index: usize::try_from(parts.first()?.as_int()?).ok()?,
        after: unescape(parts.get(1)?.as_text()?)?,
    })
}

/// Where the lines of these numbers stand.
pub fn places(lines: &Lines, at: &[usize]) -> Value {
    Value::List(at.iter().map(|index| place(lines, *index)).collect())
}

/// Where the lines of a state stood in a file.
pub fn places_of(state: &State, which: Which) -> Vec<Place> {
    let Some(Value::Map(places)) = state.beyond.get(PLACES) else {
        return Vec::new();
    };
    match places.get(which.name()) {
        Some(Value::List(places)) => places.iter().filter_map(place_of).collect(),
        _ => Vec::new(),
    }
}
