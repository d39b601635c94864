//! Between nft's JSON and the fields of a state, both ways.
//!
//! Fields: `tables`, by `family table`; `chains`, by `family table/chain`; `objects` (sets, maps, counters, flow tables), by
//! `family table/kind name`. A chain is a text with a line for itself and one for each rule, in their order; an object a
//! text with a line for itself and one for each element, sorted. A line is words for people, a tab, and the JSON that counts.
//! `order` is the one in which tables and chains were made: no drift, yet put back too. `iptables` names the chains that iptables made in a way that nft cannot make again.
//!
//! **Invariant:** what the kernel counts by itself (handles, packets, bytes, time left) is in no field, and what is left is
//! enough to make the same again.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json, json};

use super::words;
use crate::model::{Blob, Contents, Digest, Fields, Value};
use crate::providers::host::path::{escape, unescape};

pub const TABLES: &str = "tables";
pub const CHAINS: &str = "chains";
pub const OBJECTS: &str = "objects";
pub const ORDER: &str = "order";
pub const IPTABLES: &str = "iptables";

/// Which part of a ruleset a resource is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    Whole,
    Table { family: String, name: String },
}

impl Part {
    fn holds(&self, family: &str, table: &str) -> bool {
        match self {
            Self::Whole => true,
            Self::Table { family: own, name } => own == family && name == table,
        }
    }
}

type Texts = BTreeMap<String, String>;

/// The fields of a part of what `nft -j list ruleset` says. None where there is no such table.
///
/// # Errors
/// It is not what nft says.
pub fn fields(said: &[u8], part: &Part, keep: &mut Contents) -> Result<Option<Fields>, String> {
    let said: Json = serde_json::from_slice(said).map_err(|error| error.to_string())?;
    let entries = said
        .get("nftables")
        .and_then(Json::as_array)
        .ok_or("there is no list \"nftables\"")?;
    let mut tables = BTreeMap::new();
    let (mut chains, mut objects) = (Texts::new(), Texts::new());
    let (mut order, mut order_within, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let (kind, mut entry) = only(entry).ok_or("an entry is no object with one name")?;
        if kind == "metainfo" {
            continue;
        }
        let family = take(&mut entry, "family").ok_or("an entry has no family")?;
        entry.remove("handle");
        let of = if kind == "table" { "name" } else { "table" };
        let table = take(&mut entry, of).ok_or("an entry has no table")?;
        if !part.holds(&family, &table) {
            continue;
        }
        let place = format!("{} {}", id(&family), id(&table));
        match kind.as_str() {
            "table" => {
                let text = Json::Object(entry).to_string();
                order.push(Value::Text(place.clone()));
                tables.insert(place, Value::Text(text));
            }
            "chain" => {
                let name = take(&mut entry, "name").ok_or("a chain has no name")?;
                let line = line(&words::chain(&entry), entry);
                let place = format!("{place}/{}", id(&name));
                order_within.push(Value::Text(place.clone()));
                chains.entry(place).or_default().insert_str(0, &line);
            }
            "rule" => {
                let name = take(&mut entry, "chain").ok_or("a rule has no chain")?;
                entry.remove("index");
                let place = format!("{place}/{}", id(&name));
                let mut entry = Json::Object(entry);
                still(&mut entry);
                if holds_xt(&entry) && !foreign.contains(&Value::Text(place.clone())) {
                    foreign.push(Value::Text(place.clone()));
                }
                let entry = entry.as_object().cloned().unwrap_or_default();
                let line = line(&words::rule(&entry), entry);
                chains.entry(place).or_default().push_str(&line);
            }
            kind => {
                let name = take(&mut entry, "name").ok_or("an object has no name")?;
                let place = format!("{place}/{kind} {}", id(&name));
                objects.insert(place, object(kind, entry));
            }
        }
    }
    if tables.is_empty() && *part != Part::Whole {
        return Ok(None);
    }
    order.append(&mut order_within);
    let mut kept = |texts: Texts| {
        let blobs = texts.into_iter().map(|(place, text)| {
            let blob = Blob::of(text.as_bytes());
            keep.keep(text.into_bytes());
            (place, Value::Blob(blob))
        });
        Value::Map(blobs.collect())
    };
    let mut fields = Fields::from([
        (TABLES.to_owned(), Value::Map(tables)),
        (CHAINS.to_owned(), kept(chains)),
        (OBJECTS.to_owned(), kept(objects)),
        (ORDER.to_owned(), Value::List(order)),
    ]);
    if !foreign.is_empty() {
        fields.insert(IPTABLES.to_owned(), Value::List(foreign));
    }
    Ok(Some(fields))
}

/// Finds content by digest.
pub type Find<'a> = &'a dyn Fn(&Digest) -> Option<Arc<[u8]>>;

/// The one transaction, as nft's JSON, that makes a part what these fields say; without fields it is taken away.
///
/// # Errors
/// A sentence: the fields are not such as [`fields`] makes, or a content is not kept anywhere.
pub fn transaction(part: &Part, fields: Option<&Fields>, find: Find<'_>) -> Result<String, String> {
    let mut commands = match part {
        Part::Whole => vec![json!({"flush": {"ruleset": null}})],
        Part::Table { family, name } => {
            let table = json!({"table": {"family": family, "name": name}});
            // Added first, so that there is one to delete.
            vec![json!({"add": table}), json!({"delete": table})]
        }
    };
    let order: BTreeMap<&Value, usize> = match fields.and_then(|fields| fields.get(ORDER)) {
        Some(Value::List(places)) => places.iter().zip(0..).collect(),
        _ => BTreeMap::new(),
    };
    let map = |field: &str| match fields.and_then(|fields| fields.get(field)) {
        Some(Value::Map(map)) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(place, _)| order.get(&Value::text(place.as_str())));
            Ok(entries)
        }
        None => Ok(Vec::new()),
        Some(_) => Err(format!("the state has no valid field {field}")),
    };
    let broken = || "the state holds what is no part of a ruleset".to_owned();
    let lines = |value: &Value| -> Result<Vec<Map<String, Json>>, String> {
        let blob = value.as_blob().ok_or_else(broken)?;
        let text = find(&blob.digest).ok_or("its rules are not kept anywhere")?;
        let text = std::str::from_utf8(&text).map_err(|_| broken())?;
        let parsed = text.lines().map(|line| {
            let (_, json) = line.split_once('\t')?;
            serde_json::from_str(json).ok()
        });
        parsed.collect::<Option<_>>().ok_or_else(broken)
    };
    let mut add = |kind: &str, place: &str, mut entry: Map<String, Json>, name: (&str, &str)| {
        let (family, table) = place.split_once(' ').ok_or_else(broken)?;
        let of = |text: &str| named(text).ok_or_else(broken);
        let (family, table) = (of(family)?, of(table)?);
        if !part.holds(&family, &table) {
            return Err(broken());
        }
        entry.insert("family".to_owned(), family.into());
        entry.insert(
            if kind == "table" { "name" } else { "table" }.to_owned(),
            table.into(),
        );
        if !name.0.is_empty() {
            entry.insert(name.0.to_owned(), of(name.1)?.into());
        }
        commands.push(json!({"add": {kind: entry}}));
        Ok::<(), String>(())
    };
    for (place, value) in map(TABLES)? {
        let entry = value
            .as_text()
            .and_then(|text| serde_json::from_str(text).ok());
        add("table", place, entry.ok_or_else(broken)?, ("", ""))?;
    }
    // Chains before what jumps to them, objects before the rules that use them, and maps after the objects that they name.
    let mut rules = Vec::new();
    for (place, value) in map(CHAINS)? {
        let (table, name) = place.split_once('/').ok_or_else(broken)?;
        let mut lines = lines(value)?.into_iter();
        add(
            "chain",
            table,
            lines.next().ok_or_else(broken)?,
            ("name", name),
        )?;
        rules.extend(lines.map(|rule| (table, rule, name)));
    }
    let mut objects = Vec::new();
    for (place, value) in map(OBJECTS)? {
        let (table, object) = place.split_once('/').ok_or_else(broken)?;
        let (kind, name) = object.rsplit_once(' ').ok_or_else(broken)?;
        let mut lines = lines(value)?.into_iter();
        let mut entry = lines.next().ok_or_else(broken)?;
        let elements: Vec<Json> = lines.map(element).collect();
        if !elements.is_empty() {
            entry.insert("elem".to_owned(), elements.into());
        }
        objects.push(((kind == "map", kind), table, entry, name));
    }
    objects.sort_by_key(|(order, ..)| *order);
    for ((_, kind), table, entry, name) in objects {
        add(kind, table, entry, ("name", name))?;
    }
    for (table, rule, chain) in rules {
        add("rule", table, rule, ("chain", chain))?;
    }
    Ok(json!({"nftables": commands}).to_string())
}

/// A name as a part of an address: without the two characters that part names there.
fn id(name: &str) -> String {
    let id = escape(name.as_bytes());
    id.replace(' ', "\\x20").replace('/', "\\x2f")
}

/// The name behind an [`id`].
fn named(id: &str) -> Option<String> {
    String::from_utf8(unescape(id)?).ok()
}

/// A line: words, a tab, and what counts.
fn line(words: &str, entry: impl Into<Json>) -> String {
    format!("{}\t{}\n", escape(words.as_bytes()), entry.into())
}

/// A set, map, counter or the like. What was put into a set by traffic is none of the baseline's.
fn object(kind: &str, entry: Map<String, Json>) -> String {
    let mut entry = Json::Object(entry);
    still(&mut entry);
    let mut entry = entry.as_object().cloned().unwrap_or_default();
    for counted in ["packets", "bytes", "used", "used_unit"] {
        entry.remove(counted);
    }
    let elements = entry.remove("elem");
    let has = |flag: &str| {
        let flags = entry.get("flags").and_then(Json::as_array);
        flags.is_some_and(|flags| flags.iter().any(|one| one == flag))
    };
    let elements = match elements {
        Some(Json::Array(elements)) if !has("dynamic") => elements,
        _ => Vec::new(),
    };
    let mut lines: Vec<_> = elements
        .into_iter()
        .map(|element| line(&element.to_string(), json!({"elem": element})))
        .collect();
    lines.sort();
    format!("{}{}", line(kind, entry), lines.concat())
}

/// An element of a set as it was written.
fn element(mut line: Map<String, Json>) -> Json {
    line.remove("elem").unwrap_or_default()
}

/// Takes out what the kernel counts, wherever it stands.
fn still(json: &mut Json) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(still),
        Json::Object(entries) => {
            for (name, value) in entries.iter_mut() {
                match (name.as_str(), value) {
                    ("counter", value @ Json::Object(_)) => {
                        *value = json!({"packets": 0, "bytes": 0});
                    }
                    ("last", value) => *value = Json::Null,
                    ("quota", Json::Object(quota)) => {
                        quota.remove("used");
                        quota.remove("used_unit");
                    }
                    ("elem", Json::Object(element)) => {
                        element.remove("expires");
                        element.values_mut().for_each(still);
                    }
                    (_, value) => still(value),
                }
            }
        }
        _ => {}
    }
}

/// Whether iptables made something in it that nft has no words for.
fn holds_xt(json: &Json) -> bool {
    match json {
        Json::Array(items) => items.iter().any(holds_xt),
        Json::Object(entries) => entries
            .iter()
            .any(|(name, value)| name == "xt" || holds_xt(value)),
        _ => false,
    }
}

/// The name of an entry and what it says.
fn only(json: &Json) -> Option<(String, Map<String, Json>)> {
    let mut entries = json.as_object()?.iter();
    let (name, value) = entries.next()?;
    match entries.next() {
        None => Some((name.clone(), value.as_object()?.clone())),
        Some(_) => None,
    }
}

fn take(entry: &mut Map<String, Json>, name: &str) -> Option<String> {
    match entry.remove(name)? {
        Json::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
