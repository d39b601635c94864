//! What only several resources together tell: that two of them would fight over an account, and which names git itself
//! gives a number.
//!
//! **Invariant:** pure; every problem names both places.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{COMING, Which};
use super::group::{self, MEMBERS};
use super::user::{self, Subject};
use super::{ACCOUNTS, GROUP, USER};
use crate::document::{Declared, Yaml, YamlValue};
use crate::model::{Address, Presence, Problems, Value};
use crate::providers::host::kinds::Draft;
use crate::providers::host::owner::TargetNames;
use crate::providers::host::parts;
use crate::providers::host::path::escape;

/// Finds resources that contradict each other.
pub fn check(drafts: &[Draft<'_>], problems: &mut Problems) {
    let is_ours = |draft: &&Draft<'_>| {
        let kind = draft.desired.id.kind.0.as_str();
        [USER, GROUP, ACCOUNTS].contains(&kind)
    };
    let ours: Vec<_> = drafts.iter().filter(is_ours).collect();
    let Some(first) = ours.first() else {
        return;
    };
    let paths: BTreeSet<Address> = COMING.map(Which::path).map(|path| path.address()).into();
    for draft in drafts {
        let address = &draft.desired.address;
        if !parts::is_address(address) && paths.contains(address) {
            let message = format!(
                "{address} as a whole would fight with {}, which edits lines of it",
                first.desired.id.short()
            );
            told(draft, first, message, problems);
        }
    }
    check_members(&ours, problems);
}

fn told(draft: &Draft<'_>, other: &Draft<'_>, message: String, problems: &mut Problems) {
    let hint = format!("that one is at {}", other.at.span());
    problems.push(draft.at.problem(message).hint(hint));
}

/// Where a group lists its members, its users say the same.
fn check_members(ours: &[&Draft<'_>], problems: &mut Problems) {
    let mut members: BTreeMap<Vec<u8>, (&Draft<'_>, &BTreeMap<String, Value>)> = BTreeMap::new();
    for draft in ours {
        let listed = draft
            .desired
            .expected()
            .and_then(|fields| fields.get(MEMBERS));
        if let (Some(name), Some(Value::Map(listed))) =
            (group::subject(&draft.desired.address), listed)
        {
            members.insert(name, (draft, listed));
        }
    }
    let mut said = BTreeSet::new();
    for draft in ours {
        let Some(Subject::Membership(user, group)) = user::subject(&draft.desired.address) else {
            continue;
        };
        if let Some((other, listed)) = members.get(&group)
            && !listed.contains_key(&escape(&user))
        {
            let (user, group) = (escape(&user), escape(&group));
            let message = format!("{user} shall be in {group}, whose `members` do not list {user}");
            told(draft, other, message, problems);
        }
        said.insert((user, group));
    }
    for draft in ours {
        let (name, is_absent) = match user::subject(&draft.desired.address) {
            Some(Subject::Account(name)) if draft.desired.presence == Presence::Absent => {
                (name, true)
            }
            Some(Subject::Memberships(name)) => (name, false),
            _ => continue,
        };
        for (group, (other, listed)) in &members {
            let is_said = !is_absent && said.contains(&(name.clone(), group.clone()));
            if listed.contains_key(&escape(&name)) && !is_said {
                let (user, group) = (escape(&name), escape(group));
                let message = match is_absent {
                    true => format!("{user} is absent, and the `members` of {group} list {user}"),
                    false => format!(
                        "{user} shall be in no other group, and the `members` of {group} list {user}"
                    ),
                };
                told(draft, other, message, problems);
            }
        }
    }
}

/// Adds the names that git gives numbers: they mean those also before they are there, and whatever somebody wrote into
/// the target's files.
pub fn declared_names(declared: &[Declared], names: &mut TargetNames) {
    for document in declared.iter().filter(|one| one.id.kind.0 == GROUP) {
        let said = Said::of(document);
        if let (Some(name), Some(gid)) = (said.name(document), said.number("gid")) {
            names.declare_group(name, gid);
        }
    }
    for document in declared.iter().filter(|one| one.id.kind.0 == USER) {
        let said = Said::of(document);
        let Some(name) = said.name(document) else {
            continue;
        };
        if let Some(uid) = said.number("uid") {
            let gid = said
                .number("group")
                .or_else(|| names.gid(said.text("group")?).ok());
            names.declare_user(name, uid, gid, said.text("home"));
        }
    }
}

/// The fields of a spec, before anything is checked.
struct Said<'a>(Vec<(&'a str, &'a Yaml)>);

impl<'a> Said<'a> {
    fn of(document: &'a Declared) -> Self {
        Self(match &document.spec.value {
            YamlValue::Map(entries) => {
                let entries = entries.iter();
                entries
                    .map(|(key, value)| (key.name.as_str(), value))
                    .collect()
            }
            _ => Vec::new(),
        })
    }

    fn get(&self, name: &str) -> Option<&'a Yaml> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match &self.get(name)?.value {
            YamlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<u32> {
        match self.get(name)?.value {
            YamlValue::Int(number) => u32::try_from(number).ok(),
            _ => None,
        }
    }

    /// None where it has to be absent.
    fn name(&self, document: &'a Declared) -> Option<&'a str> {
        let is_absent = self.text("state") == Some("absent");
        (!is_absent).then(|| self.text("name").unwrap_or(&document.id.name))
    }
}
