//! Looking into JSON that may have any shape.

use serde_json::Value;

/// More texts than this in one list are not taken: no request came over so many addresses.
const MAX_TEXTS: usize = 32;

/// What is at a path of keys; null where there is nothing.
pub fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter()
        .fold(value, |value, key| value.get(key).unwrap_or(&Value::Null))
}

/// A text that is not empty.
pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

/// The texts of a list, or one text alone; the first ones where there are very many.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) if !one.is_empty() => vec![one.clone()],
        Some(Value::Array(all)) => all
            .iter()
            .take(MAX_TEXTS)
            .filter_map(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}
