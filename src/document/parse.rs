//! From text to trees, strictly and within bounds.

use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Options, Spanned};

use super::yaml::{Key, Source, Yaml, YamlValue};
use crate::model::{Problem, Span};

/// The largest manifest that is read, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// The stack that the deepest allowed nesting takes with room to spare; recursion through serde is wide.
const STACK_BYTES: usize = 64 << 20;

/// What became of one file.
pub type Parsed = Result<Vec<Yaml>, Box<Problem>>;

/// Reads every document of each file, given as name and content; null documents are left out.
///
/// The work is done on one thread of its own with a stack that fits the deepest nesting.
///
/// # Errors
/// For each file the first thing that makes it no YAML, or more than the bounds allow: size, depth (64), nodes,
/// alias expansion.
pub fn parse_all<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<Parsed> {
    let files: Vec<_> = files.into_iter().collect();
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                files
                    .iter()
                    .map(|(file, text)| parse_here(file, text))
                    .collect()
            })
            .expect("a thread can be started")
            .join()
            .expect("parsing returns its errors")
    })
}

/// Reads every document of one file; see [`parse_all`].
///
/// # Errors
/// As [`parse_all`].
pub fn parse(file: &str, text: &[u8]) -> Parsed {
    parse_all([(file, text)])
        .pop()
        .expect("one answer for one file")
}

fn parse_here(file: &str, text: &[u8]) -> Parsed {
    let general = |message: String| {
        Box::new(Problem {
            at: Some(Span {
                file: file.to_owned(),
                line: 1,
                column: 1,
            }),
            message,
            source_line: String::new(),
            hint: None,
        })
    };
    if text.len() > MAX_FILE_BYTES {
        return Err(general(format!(
            "the file has {} bytes, more than the {MAX_FILE_BYTES} that are read",
            text.len()
        )));
    }
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = 1 + text[..error.valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count();
        let mut problem = general("the file is not UTF-8".to_owned());
        if let Some(at) = &mut problem.at {
            at.line = u32::try_from(line).unwrap_or(u32::MAX);
        }
        problem
    })?;
    let source = Arc::new(Source::new(file, text));
    let raw: Vec<Raw> = serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|error| Box::new(from_library(&error, &source)))?;
    Ok(raw.into_iter().map(|raw| raw.into_yaml(&source)).collect())
}

fn options() -> Options {
    let mut options = Options::default();
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = MAX_DEPTH;
        budget.flow_nesting_limit = MAX_DEPTH;
        budget.max_nodes = 2_000_000;
        budget.max_events = 5_000_000;
        budget.max_documents = 100_000;
        budget.max_total_scalar_bytes = MAX_FILE_BYTES;
        budget.max_aliases = 1_000;
    }
    options.alias_limits.max_total_replayed_events = 100_000;
    options
}

fn from_library(error: &serde_saphyr::Error, source: &Arc<Source>) -> Problem {
    let (line, column) = error
        .location()
        .map_or((1, 1), |at| (at.line().max(1), at.column().max(1)));
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let rendered = error.without_snippet().to_string();
    // The library repeats the place in its sentence; ours stands in front already.
    let message = rendered.split(" at line ").next().unwrap_or(&rendered);
    // Nor can the person who wrote the file do anything about the library's options.
    let message = message.split(", set ").next().unwrap_or(message);
    // What the library quotes could be a secret that lost its quotes.
    let message = match source.is_secret(line) {
        true => message
            .split(['\'', '"', '`', ':'])
            .next()
            .unwrap_or(message)
            .trim_end(),
        false => message,
    };
    Problem {
        at: Some(Span {
            file: source.file.clone(),
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }),
        message: message.chars().take(400).collect(),
        source_line: source.line(line),
        hint: None,
    }
}

/// The tree with the library's spans, before it knows its source.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn into_yaml(self, source: &Arc<Source>) -> Yaml {
        let at = self.0.referenced;
        let value = match self.0.value {
            RawValue::Null => YamlValue::Null,
            RawValue::Bool(value) => YamlValue::Bool(value),
            RawValue::Int(value) => YamlValue::Int(value),
            RawValue::Float(value) => YamlValue::Float(value),
            RawValue::Text(value) => YamlValue::Text(value),
            RawValue::List(items) => {
                YamlValue::List(items.into_iter().map(|raw| raw.into_yaml(source)).collect())
            }
            RawValue::Map(entries) => YamlValue::Map(
                entries
                    .into_iter()
                    .map(|(key, raw)| {
                        let key = Key {
                            line: small(key.referenced.line()),
                            column: small(key.referenced.column()),
                            name: key.value,
                        };
                        (key, raw.into_yaml(source))
                    })
                    .collect(),
            ),
        };
        Yaml {
            value,
            line: small(at.line()),
            column: small(at.column()),
            source: Arc::clone(source),
        }
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number.max(1)).unwrap_or(u32::MAX)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Raw)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<RawValue, E> {
        i64::try_from(value)
            .map(RawValue::Int)
            .map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::Text(value))
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        RawValue::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Problems;

    // Goal: every node and key knows its place, in later documents too.
    #[test]
    fn nodes_know_their_places() {
        let docs = parse(
            "a.yaml",
            b"x: 1\n---\nspec:\n  mode: \"0644\"\n  list: [a, b]\n",
        )
        .unwrap();
        assert_eq!(docs.len(), 2);
        let mut problems = Problems::default();
        let mut fields = docs[1].fields(&mut problems).unwrap();
        let spec = fields.take("spec").unwrap();
        let mut spec_fields = spec.fields(&mut problems).unwrap();
        let mode = spec_fields.take("mode").unwrap();
        assert_eq!((mode.line, mode.column), (4, 9));
        assert_eq!(mode.text(&mut problems), Some("0644"));
        spec_fields.finish(&mut problems);
        assert_eq!(problems.0.len(), 1);
        let problem = &problems.0[0];
        assert_eq!(problem.to_string(), "a.yaml:5:3: unknown field `list`");
        assert_eq!(problem.source_line, "  list: [a, b]");
    }

    // Goal: an unquoted octal mode stays text, so that 0644 is never read as a decimal number.
    #[test]
    fn leading_zeros_are_text() {
        let docs = parse("a.yaml", b"mode: 0644\n").unwrap();
        let mut problems = Problems::default();
        let mut fields = docs[0].fields(&mut problems).unwrap();
        assert_eq!(
            fields.take("mode").unwrap().text(&mut problems),
            Some("0644")
        );
    }

    // Goal: what could exhaust memory or the stack is refused, with a place.
    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(parse("bomb.yaml", bomb.as_bytes()).is_err());
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse("deep.yaml", deep.as_bytes()).is_err());
        let block: String = (0..5_000)
            .map(|i| format!("{}k:\n", " ".repeat(i)))
            .collect();
        assert!(parse("block.yaml", block.as_bytes()).is_err());
        assert!(parse("big.yaml", &vec![b' '; MAX_FILE_BYTES + 1]).is_err());
    }

    // Goal: the same key twice is an error with the place of the second one.
    #[test]
    fn duplicate_keys_are_refused() {
        let problem = parse("a.yaml", b"a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(
            problem.to_string().starts_with("a.yaml:3:1: duplicate"),
            "{problem}"
        );
    }

    // Goal: a file that is no UTF-8 is named with the line of the first bad byte.
    #[test]
    fn bad_encoding_is_an_error() {
        let problem = parse("a.yaml", b"a: 1\nb: \xff\n").unwrap_err();
        assert_eq!(problem.to_string(), "a.yaml:2:1: the file is not UTF-8");
    }
}
