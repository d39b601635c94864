//! Rules in words that a person reads, in the manner of `nft list`.
//!
//! **Invariant:** words are for people alone: what counts is the JSON beside them, so what has no words here is shown as that.

use serde_json::{Map, Value as Json};

/// A chain as its first line says it.
pub fn chain(chain: &Map<String, Json>) -> String {
    let text = |key: &str| chain.get(key).map(plain);
    match (text("type"), text("hook"), text("prio"), text("policy")) {
        (Some(kind), Some(hook), prio, policy) => format!(
            "type {kind} hook {hook} priority {}; policy {}",
            prio.unwrap_or_default(),
            policy.unwrap_or_else(|| "accept".to_owned())
        ),
        _ => "chain".to_owned(),
    }
}

/// A rule: its statements one after the other.
pub fn rule(rule: &Map<String, Json>) -> String {
    let statements = rule.get("expr").and_then(Json::as_array);
    let mut words: Vec<String> = statements.into_iter().flatten().map(statement).collect();
    if let Some(comment) = rule.get("comment") {
        words.push(format!("comment {comment}"));
    }
    words.join(" ")
}

fn statement(json: &Json) -> String {
    let Some((name, value)) = only(json) else {
        return json.to_string();
    };
    match (name, value) {
        ("match", Json::Object(matched)) => matches(matched),
        ("jump" | "goto", Json::Object(to)) => {
            format!("{name} {}", to.get("target").map(plain).unwrap_or_default())
        }
        ("counter", Json::Object(_)) | (_, Json::Null) => name.to_owned(),
        (name, value) => format!("{name} {}", plain(value)),
    }
}

fn matches(matched: &Map<String, Json>) -> String {
    let side = |side: &str| matched.get(side).map(expression).unwrap_or_default();
    match matched.get("op").and_then(Json::as_str) {
        Some("==" | "in") | None => format!("{} {}", side("left"), side("right")),
        Some(operator) => format!("{} {operator} {}", side("left"), side("right")),
    }
}

fn expression(json: &Json) -> String {
    let list = |items: &[Json], between: &str| {
        let items: Vec<_> = items.iter().map(expression).collect();
        items.join(between)
    };
    match json {
        Json::Array(items) => list(items, ","),
        Json::Object(_) => match only(json) {
            Some(("payload", payload)) => match (payload.get("protocol"), payload.get("field")) {
                (Some(protocol), Some(field)) => format!("{} {}", plain(protocol), plain(field)),
                _ => json.to_string(),
            },
            Some(("meta", meta)) => meta.get("key").map(plain).unwrap_or_default(),
            Some(("ct", ct)) => format!("ct {}", ct.get("key").map(plain).unwrap_or_default()),
            Some(("set", Json::Array(items))) => format!("{{ {} }}", list(items, ", ")),
            Some(("range", Json::Array(items))) => list(items, "-"),
            Some(("concat", Json::Array(items))) => list(items, " . "),
            Some(("prefix", prefix)) => match (prefix.get("addr"), prefix.get("len")) {
                (Some(address), Some(length)) => format!("{}/{length}", expression(address)),
                _ => json.to_string(),
            },
            _ => json.to_string(),
        },
        json => plain(json),
    }
}

/// The one entry of an object.
fn only(json: &Json) -> Option<(&str, &Json)> {
    let mut entries = json.as_object()?.iter();
    let (name, value) = entries.next()?;
    entries.next().is_none().then_some((name.as_str(), value))
}

/// Text without its quotes where it is a word.
fn plain(json: &Json) -> String {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match json.as_str().filter(|text| is_word(text)) {
        Some(text) => text.to_owned(),
        None => json.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        rule(
            serde_json::from_str::<Json>(text)
                .unwrap()
                .as_object()
                .unwrap(),
        )
    }

    // Goal: the rules that an operator has to judge are read as nft writes them, and a hostile comment stays one line.
    #[test]
    fn rules_read_as_nft_writes_them() {
        for (json, text) in [
            (
                r#"{"expr":[{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[80,90]}]}}},{"counter":{"packets":0,"bytes":0}},{"accept":null}],"comment":"a\nb"}"#,
                r#"tcp dport { 22, 80-90 } counter accept comment "a\nb""#,
            ),
            (
                r#"{"expr":[{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"jump":{"target":"web"}}]}"#,
                "ct state established,related jump web",
            ),
            (
                r#"{"expr":[{"match":{"op":"!=","left":{"meta":{"key":"iif"}},"right":"lo"}},{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"10.0.0.0","len":8}}}},{"log":{"prefix":"x: "}},{"xt":null}]}"#,
                r#"iif != lo ip saddr 10.0.0.0/8 log {"prefix":"x: "} xt"#,
            ),
        ] {
            assert_eq!(words(json), text);
        }
    }
}
