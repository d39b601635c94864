//! Who is in which group: lists in group and, beside them, in gshadow, which `newgrp` believes.
//!
//! **Invariant:** a name in either list, or among those who may change the list, is a member and never passed over.

use std::collections::BTreeMap;

use super::files::{Files, Which};
use super::lines::{self, Lines};
use crate::model::Value;
use crate::providers::host::path::{escape, unescape};

/// In both lists, or in the one there is.
pub const MEMBER: &str = "member";
const GROUP_ONLY: &str = "in group only";
const GSHADOW_ONLY: &str = "in gshadow only";
const NOT_IN: &str = "not in it";
/// What is added where one may also change the list.
const ADMIN: &str = ", administrator";

/// The lists in which a name can stand, and the field of each.
const LISTS: [(Which, usize); 3] = [(Which::Group, 3), (Which::Gshadow, 2), (Which::Gshadow, 3)];

/// A field of a line.
fn field(line: &[u8], at: usize) -> &[u8] {
    lines::fields::<4>(line)[at]
}

/// A line with another field. What stands before and behind what counts of it stays.
pub fn with_field(line: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let [before, _, behind] = lines::parts(line);
    let mut fields = lines::fields::<4>(line);
    fields[at] = new;
    [before, &fields.join(&b':'), behind].concat()
}

/// How a name is in a group, in a word; none where it is not. `has_gshadow` tells whether that has a line of the group.
pub fn word(in_group: bool, in_gshadow: bool, has_gshadow: bool, is_admin: bool) -> Option<String> {
    let word = match (in_group, in_gshadow) {
        (true, true) => MEMBER,
        (true, false) if has_gshadow => GROUP_ONLY,
        (true, false) => MEMBER,
        (false, true) => GSHADOW_ONLY,
        (false, false) if is_admin => NOT_IN,
        (false, false) => return None,
    };
    Some(match is_admin {
        true => format!("{word}{ADMIN}"),
        false => word.to_owned(),
    })
}

/// In which lists a word means.
pub fn lists_of(word: &str) -> [bool; 3] {
    let in_group = word.starts_with(MEMBER) || word.starts_with(GROUP_ONLY);
    let in_gshadow = word.starts_with(MEMBER) || word.starts_with(GSHADOW_ONLY);
    [in_group, word.ends_with(ADMIN), in_gshadow]
}

/// How an account is in one group: the word, and where it stands in the three lists.
pub fn see(files: &Files, user: &[u8], group: &[u8]) -> Option<(String, Value)> {
    let mut places = [None; 3];
    for ((which, at), place) in LISTS.into_iter().zip(&mut places) {
        for index in files.of_name(which, group) {
            let list = field(files.get(which)?.lines.get(*index), at);
            *place = place.or_else(|| lines::position(list, user));
        }
    }
    let has_gshadow = !files.of_name(Which::Gshadow, group).is_empty();
    let [in_group, admin, in_gshadow] = places.map(|place| place.is_some());
    let word = word(in_group, in_gshadow, has_gshadow, admin)?;
    let number = |place: Option<usize>| {
        Value::Int(
            place
                .and_then(|place| i64::try_from(place).ok())
                .unwrap_or(-1),
        )
    };
    Some((word, Value::List(places.map(number).to_vec())))
}

/// The names of the groups in whose lists an account is.
pub fn groups_of(files: &Files, user: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    for (which, at) in LISTS {
        for line in files.get(which).iter().flat_map(|file| file.lines.iter()) {
            let is_in = || lines::list(field(line, at)).any(|member| member == user);
            if !lines::is_blank(line) && is_in() {
                names.push(lines::name(line).to_vec());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// All memberships of an account with their places, for a way back.
pub fn all_of(files: &Files, user: &[u8]) -> Value {
    let groups = groups_of(files, user);
    let one = |group: &Vec<u8>| {
        let (word, places) = see(files, user, group)?;
        Some((escape(group), Value::List(vec![Value::Text(word), places])))
    };
    Value::Map(groups.iter().filter_map(one).collect())
}

/// Brings back what [`all_of`] told.
pub fn restore(files: &mut Files, user: &[u8], groups: &Value) {
    let Value::Map(groups) = groups else { return };
    for (group, how) in groups {
        let (Some(group), Value::List(how)) = (unescape(group), how) else {
            continue;
        };
        if let (Some(word), Some(places)) = (how.first().and_then(Value::as_text), how.get(1)) {
            put(files, user, &group, Some(word), Some(places));
        }
    }
}

/// Makes an account be in a group as a word says, or not at all. Tells whether there is such a group.
pub fn put(
    files: &mut Files,
    user: &[u8],
    group: &[u8],
    word: Option<&str>,
    places: Option<&Value>,
) -> bool {
    let wanted = word.map_or([false; 3], lists_of);
    for (number, ((which, at), is_in)) in LISTS.into_iter().zip(wanted).enumerate() {
        let place = match places {
            Some(Value::List(places)) => places.get(number).and_then(Value::as_int),
            _ => None,
        };
        let place = place.and_then(|place| usize::try_from(place).ok());
        let Some(all) = files.edit(which) else {
            continue;
        };
        for (nth, index) in all.of_name(group).into_iter().enumerate() {
            let line = all.get(index);
            let list = field(line, at);
            let listed = lines::position(list, user).is_some();
            let new = match is_in {
                true if nth == 0 && !listed => lines::with(list, user, place),
                false if listed => lines::without(list, user),
                _ => continue,
            };
            let line = with_field(line, at, &new);
            all.replace(index, line);
        }
    }
    !files.of_name(Which::Group, group).is_empty()
}

/// Takes a name out of every list of a file.
pub fn strip(all: &mut Lines, which: Which, user: &[u8]) {
    let count = all.iter().len();
    for index in 0..count {
        for at in LISTS
            .into_iter()
            .filter(|(one, _)| *one == which)
            .map(|(_, at)| at)
        {
            let line = all.get(index);
            let list = field(line, at);
            if !lines::is_blank(line) && lines::position(list, user).is_some() {
                let line = with_field(line, at, &lines::without(list, user));
                all.replace(index, line);
            }
        }
    }
}

/// The members of a group by name, each with its word.
pub fn members(files: &Files, group: &[u8]) -> BTreeMap<String, Value> {
    let mut names = Vec::new();
    for (which, at) in LISTS {
        for index in files.of_name(which, group) {
            let line = files
                .get(which)
                .map_or(&b""[..], |file| file.lines.get(*index));
            names.extend(lines::list(field(line, at)).map(<[u8]>::to_vec));
        }
    }
    names.sort();
    names.dedup();
    names
        .iter()
        .filter_map(|name| Some((escape(name), Value::Text(see(files, name, group)?.0))))
        .collect()
}
