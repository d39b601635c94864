//! RFC 5424's structured data: `[id name="value" ...][...]`, or `-`.

use serde_json::{Map, Value};

/// The elements by id, and the message after them. None where an element has no end. Of two elements or names that are the
/// same the first counts.
pub(super) fn read(text: &str) -> Option<(Map<String, Value>, &str)> {
    let mut elements = Map::new();
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('-') {
        rest = after;
    } else {
        while let Some(inner) = rest.strip_prefix('[') {
            let (id, fields, after) = element(inner)?;
            elements.entry(id).or_insert(Value::Object(fields));
            rest = after;
        }
        if elements.is_empty() {
            return None;
        }
    }
    match rest.strip_prefix(' ') {
        Some(message) => Some((elements, message)),
        None => rest.is_empty().then_some((elements, rest)),
    }
}

/// An element after its `[`, with what follows its `]`.
fn element(text: &str) -> Option<(String, Map<String, Value>, &str)> {
    let end = text.find([' ', ']'])?;
    let (id, mut rest) = text.split_at(end);
    let mut fields = Map::new();
    loop {
        if let Some(after) = rest.strip_prefix(']') {
            return (!id.is_empty()).then(|| (id.to_owned(), fields, after));
        }
        let (name, after) = rest.trim_start_matches(' ').split_once("=\"")?;
        if name.contains([' ', ']', '"']) {
            return None;
        }
        let (value, after) = quoted(after)?;
        fields.entry(name).or_insert(value.into());
        rest = after;
    }
}

/// A value to its closing quote; `\"`, `\\` and `\]` stand for themselves, another backslash is one.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.peek() {
                Some((_, escaped @ ('"' | '\\' | ']'))) => {
                    value.push(*escaped);
                    chars.next();
                }
                _ => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // Goal: values with the closing characters in them end where they end, and the message begins behind the last element.
    #[test]
    fn elements() {
        let (got, message) = read(r#"[a@1 x="1" y="\"]\\\] \n"][b] [c z="1"]"#).unwrap();
        assert_eq!(
            json!(got),
            json!({"a@1": {"x": "1", "y": "\"]\\] \\n"}, "b": {}})
        );
        assert_eq!(message, r#"[c z="1"]"#);
        assert_eq!(read("- text").unwrap().1, "text");
        assert_eq!(read("-").unwrap().1, "");
        for broken in [
            "",
            "[",
            "[a",
            "[a x",
            r#"[a x=""#,
            r#"[a x="1\""#,
            "[]",
            "text",
            "-text",
            r#"[a x="1"]text"#,
        ] {
            assert!(read(broken).is_none(), "{broken}");
        }
    }
}
