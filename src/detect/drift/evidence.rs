//! What shows an indicator, in one sentence.
//!
//! **Invariant:** names of places and fields, types, modes and numbers of owners; never content, nor a text that the live
//! system chose and that is no name of a place.

use crate::model::{Change, Drift, FieldDrift, Indicator, Value};

/// The most fields that are named.
const MAX_FIELDS: usize = 6;
/// Fields whose values cannot hold anybody's text.
const BARE: [&str; 8] = [
    "type",
    "mode",
    "uid",
    "gid",
    "special_bits",
    "flags",
    "capabilities",
    "running",
];

/// The sentence.
pub fn sentence(indicator: &Indicator, drift: &Drift) -> String {
    if let Some(said) = drift.disagreement() {
        return format!("{}: {said}", indicator.title);
    }
    let at = &drift.address;
    let shown = match drift.change {
        Change::Missing => format!("{at} is gone"),
        Change::Extra => {
            let facts = ["type", "mode", "uid"].into_iter().filter_map(|name| {
                let value = drift.before.state()?.get(name)?;
                Some(format!("{name} {}", bare(value)?))
            });
            let facts: Vec<_> = facts.collect();
            match facts.is_empty() {
                true => format!("{at} is there"),
                false => format!("{at} is there ({})", facts.join(", ")),
            }
        }
        Change::Changed => {
            let fields = &drift.fields;
            let mut parts: Vec<_> = fields.iter().take(MAX_FIELDS).map(field).collect();
            if fields.len() > MAX_FIELDS {
                parts.push(format!("{} more", fields.len() - MAX_FIELDS));
            }
            format!("at {at} differs {}", parts.join(", "))
        }
    };
    format!("{}: {shown}", indicator.title)
}

fn field(field: &FieldDrift) -> String {
    let value = |value: &Option<Value>| match value {
        Some(value) => bare(value),
        None => Some("none".to_owned()),
    };
    let is_bare = BARE.contains(&field.path.as_str());
    match (value(&field.actual), value(&field.expected)) {
        (Some(now), Some(wanted)) if is_bare => {
            format!("{} (is {now}, should be {wanted})", field.path)
        }
        _ => field.path.clone(),
    }
}

fn bare(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(it) => Some(it.to_string()),
        Value::List(_) | Value::Map(_) | Value::Blob(_) => None,
    }
}
