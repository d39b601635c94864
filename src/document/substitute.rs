//! A target's values put into a resource: `${name}` for each name that the resource lists, and nothing else.
//!
//! Flow: the names that a resource lists, with the values of one target → [`Substitution`] → the tree of its `spec`, at
//! load, and the text of a file beside it, when its provider reads that.
//!
//! **Invariant:** only what stands in a scalar changes: no value can add a key, an element or another reference, and
//! what is not listed stays as it is, byte for byte. What comes out is bounded before it is made.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::MAX_FILE_BYTES;
use super::yaml::{Source, Yaml, YamlValue};
use crate::model::{Problem, Problems, Scalar, Vars};

/// The longest name of a value, in bytes.
const MAX_NAME: usize = 64;
/// What one node takes in memory besides its text, roughly, in bytes.
const NODE_BYTES: usize = 96;

/// The values of one target that a resource lists.
#[derive(Clone, Debug, Default)]
pub struct Substitution {
    values: Vars,
    /// Where the resource lists each name that its `spec` does not use.
    rest: Vec<(String, Yaml)>,
}

/// What would come out is larger than what is read of any baseline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TooMuch {
    /// One scalar or file, above [`MAX_FILE_BYTES`].
    One,
    /// All of it together, above the budget.
    All,
}

impl Substitution {
    /// Whether a text is a name: a letter or `_`, then letters, digits and `_`, at most 64.
    pub fn is_name(text: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        text.len() <= MAX_NAME
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|b| !b.is_ascii_digit())
    }

    /// Puts the values of a target into a `spec`. `listed` are the names that the resource lists, each with its node;
    /// one without a value stays as it is. What the copy takes goes off `budget`, in bytes.
    ///
    /// # Errors
    /// It would be too much.
    pub fn of_spec(
        spec: &Yaml,
        listed: &[(String, Yaml)],
        values: &Vars,
        budget: &mut usize,
    ) -> Result<(Yaml, Self), TooMuch> {
        let values = listed
            .iter()
            .filter_map(|(name, _)| Some((name.clone(), values.get(name)?.clone())))
            .collect();
        let mut this = Self {
            values,
            rest: Vec::new(),
        };
        let mut used = BTreeSet::new();
        let source = Arc::new(spec.source.substituted());
        let spec = this.tree(spec, &source, &mut used, budget)?;
        let unused = listed.iter().filter(|(name, _)| !used.contains(name));
        this.rest = unused.cloned().collect();
        Ok((spec, this))
    }

    fn tree(
        &self,
        node: &Yaml,
        substituted: &Arc<Source>,
        used: &mut BTreeSet<String>,
        budget: &mut usize,
    ) -> Result<Yaml, TooMuch> {
        *budget = budget.checked_sub(NODE_BYTES).ok_or(TooMuch::All)?;
        let mut source = &node.source;
        let value = match &node.value {
            YamlValue::Text(text) => {
                let value = self.scalar(text, used, budget)?;
                if !matches!(&value, YamlValue::Text(new) if new == text) {
                    source = substituted;
                }
                value
            }
            YamlValue::List(items) => YamlValue::List(
                items
                    .iter()
                    .map(|item| self.tree(item, substituted, used, budget))
                    .collect::<Result<_, _>>()?,
            ),
            YamlValue::Map(entries) => YamlValue::Map(
                entries
                    .iter()
                    .map(|(key, node)| {
                        *budget = budget.checked_sub(key.name.len()).ok_or(TooMuch::All)?;
                        Ok((key.clone(), self.tree(node, substituted, used, budget)?))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            other => other.clone(),
        };
        Ok(Yaml {
            value,
            source: Arc::clone(source),
            ..*node
        })
    }

    /// A scalar that is one reference and nothing else takes the type of its value.
    fn scalar(
        &self,
        text: &str,
        used: &mut BTreeSet<String>,
        budget: &mut usize,
    ) -> Result<YamlValue, TooMuch> {
        let whole = text.strip_prefix("${").and_then(|t| t.strip_suffix('}'));
        if let Some((name, value)) = whole.and_then(|name| self.values.get_key_value(name)) {
            used.insert(name.clone());
            match value {
                Scalar::Int(number) => return Ok(YamlValue::Int(*number)),
                Scalar::Bool(value) => return Ok(YamlValue::Bool(*value)),
                Scalar::Text(_) => {}
            }
        }
        let text = self.text(text, used)?;
        *budget = budget.checked_sub(text.len()).ok_or(TooMuch::All)?;
        Ok(YamlValue::Text(text.into_owned()))
    }

    /// Replaces each `${name}` of a listed name, and takes one `$` off `$${name}`.
    fn text<'t>(
        &self,
        text: &'t str,
        used: &mut BTreeSet<String>,
    ) -> Result<Cow<'t, str>, TooMuch> {
        let mut out = String::new();
        let mut rest = 0;
        for (at, _) in text.match_indices("${") {
            let Some((name, value)) =
                reference(&text[at + 2..]).and_then(|name| self.values.get_key_value(name))
            else {
                continue;
            };
            let end = at + 2 + name.len() + 1;
            if text[rest..at].ends_with('$') {
                out.push_str(&text[rest..at - 1]);
                out.push_str(&text[at..end]);
            } else {
                out.push_str(&text[rest..at]);
                out.push_str(&value.to_string());
                used.insert(name.clone());
            }
            rest = end;
            if out.len() > MAX_FILE_BYTES {
                return Err(TooMuch::One);
            }
        }
        if rest == 0 {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(&text[rest..]);
        match out.len() > MAX_FILE_BYTES {
            true => Err(TooMuch::One),
            false => Ok(Cow::Owned(out)),
        }
    }

    /// Puts the values into the content of a file beside the manifest. The names that it uses go into `used`; what was
    /// made anew goes off `budget`, in bytes.
    ///
    /// # Errors
    /// A sentence for the person who wrote the file: it refers to a listed name and is no text, or becomes too large.
    pub fn of_file(
        &self,
        bytes: Arc<[u8]>,
        used: &mut BTreeSet<String>,
        budget: &mut usize,
    ) -> Result<Arc<[u8]>, String> {
        if self.values.is_empty() {
            return Ok(bytes);
        }
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(_) => return self.no_text(bytes),
        };
        let new = self.text(text, used).map_err(|_| {
            format!("the file has more than {MAX_FILE_BYTES} bytes after substitution")
        })?;
        let Cow::Owned(new) = new else {
            return Ok(bytes);
        };
        *budget = budget.checked_sub(new.len()).ok_or(
            "the files of this target have too many bytes after substitution; the rest is not read",
        )?;
        Ok(new.into_bytes().into())
    }

    fn no_text(&self, bytes: Arc<[u8]>) -> Result<Arc<[u8]>, String> {
        let lossy = String::from_utf8_lossy(&bytes);
        let names = lossy
            .match_indices("${")
            .filter_map(|(at, _)| reference(&lossy[at + 2..]));
        match names
            .into_iter()
            .find(|name| self.values.contains_key(*name))
        {
            Some(name) => Err(format!(
                "the file is not UTF-8, so ${{{name}}} in it cannot be replaced"
            )),
            None => Ok(Arc::clone(&bytes)),
        }
    }

    /// What is wrong with names that are listed and used neither in the `spec` nor, as `used` says, in a file beside it.
    pub fn unused(&self, used: &BTreeSet<String>) -> Problems {
        let rest = self.rest.iter().filter(|(name, _)| !used.contains(name));
        Problems(
            rest.map(|(name, node)| {
                node.problem(format!("`{name}` is listed and never used"))
                    .hint(format!(
                        "write ${{{name}}} where its value belongs, or take it out of this list"
                    ))
            })
            .collect(),
        )
    }
}

impl TooMuch {
    /// The problem with the `spec` into which too much would be put.
    pub fn problem(self, spec: &Yaml) -> Problem {
        match self {
            Self::One => spec.problem(format!(
                "a text in here has more than {MAX_FILE_BYTES} bytes after substitution"
            )),
            Self::All => spec.problem(
                "the baseline has too many bytes after substitution; from here on it is not read",
            ),
        }
    }
}

/// The name that a text begins with, up to `}`.
fn reference(text: &str) -> Option<&str> {
    let end = text.bytes().take(MAX_NAME + 1).position(|b| b == b'}')?;
    text.get(..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::parse;

    fn values() -> Vars {
        Vars::from([
            ("listen".to_owned(), Scalar::Text("10.0.0.1".into())),
            ("workers".to_owned(), Scalar::Int(4)),
            ("on".to_owned(), Scalar::Bool(true)),
            ("sly".to_owned(), Scalar::Text("${workers}: [x]".into())),
        ])
    }

    fn listed() -> Vec<(String, Yaml)> {
        let doc = parse("a.yaml", b"x").unwrap().remove(0);
        values()
            .into_keys()
            .map(|name| (name, doc.clone()))
            .collect()
    }

    fn spec_of(text: &str) -> Yaml {
        parse("a.yaml", text.as_bytes()).unwrap().remove(0)
    }

    fn filled(text: &str) -> String {
        let node = Yaml {
            value: YamlValue::Text(text.to_owned()),
            ..spec_of("x")
        };
        let mut budget = usize::MAX;
        let (new, _) = Substitution::of_spec(&node, &listed(), &values(), &mut budget).unwrap();
        format!("{:?}", new.value)
    }

    // Goal: each form of a reference means one thing, and what only looks like one stays.
    #[test]
    fn references_are_replaced() {
        for (text, expected) in [
            (
                "http://${listen}:80/${listen}",
                r#"Text("http://10.0.0.1:80/10.0.0.1")"#,
            ),
            ("${workers}", "Int(4)"),
            ("${on}", "Bool(true)"),
            ("${listen}", r#"Text("10.0.0.1")"#),
            ("n=${workers} ${on}", r#"Text("n=4 true")"#),
            ("$${listen}", r#"Text("${listen}")"#),
            ("$$${listen}", r#"Text("$${listen}")"#),
            ("${listen}$${listen}", r#"Text("10.0.0.1${listen}")"#),
            (
                "${HOME} $${HOME} $$ ${",
                r#"Text("${HOME} $${HOME} $$ ${")"#,
            ),
            (
                "${ listen } ${listen ${${listen}",
                r#"Text("${ listen } ${listen ${10.0.0.1")"#,
            ),
            ("$listen ${listén} ${}", r#"Text("$listen ${listén} ${}")"#),
            ("${sly} and ${workers}", r#"Text("${workers}: [x] and 4")"#),
            ("${sly}", r#"Text("${workers}: [x]")"#),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    // Goal: keys are never replaced, and a problem with a replaced scalar says so at the scalar's own place.
    #[test]
    fn problems_say_what_was_replaced() {
        let spec = spec_of("'${listen}': a\nmode: ${workers}\n");
        let (new, rest) = Substitution::of_spec(&spec, &listed(), &values(), &mut 10_000).unwrap();
        let mut problems = Problems::default();
        let mut fields = new.fields(&mut problems).unwrap();
        fields.take("mode").unwrap().text(&mut problems);
        fields.finish(&mut problems);
        assert_eq!(
            problems.to_string(),
            "a.yaml:2:7: expected text, found a number, after substitution\n\
             a.yaml:1:1: unknown field `${listen}`"
        );
        let unused: BTreeSet<_> = rest.rest.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(unused, BTreeSet::from(["listen", "on", "sly"]));
    }

    // Goal: a small manifest cannot become a huge one: neither one scalar, nor many, nor a file beside it.
    #[test]
    fn growth_is_bounded() {
        let long = Vars::from([("listen".to_owned(), Scalar::Text("x".repeat(4096).into()))]);
        let text = "${listen}".repeat(5_000);
        let spec = spec_of(&format!("[{0:?}, {0:?}]", "${listen}".repeat(2_000)));
        let mut budget = 10 << 20;
        let all = Substitution::of_spec(&spec, &listed(), &long, &mut budget);
        assert_eq!(all.err(), Some(TooMuch::All));
        let one = Substitution::of_spec(&spec_of(&text), &listed(), &long, &mut usize::MAX.clone());
        assert_eq!(one.err(), Some(TooMuch::One));
        let (_, vars) = Substitution::of_spec(&spec_of("x"), &listed(), &long, &mut 1_000).unwrap();
        let mut used = BTreeSet::new();
        let bytes: Arc<[u8]> = text.into_bytes().into();
        let file = vars.of_file(bytes, &mut used, &mut usize::MAX.clone());
        assert!(file.unwrap_err().contains("after substitution"));
        let small: Arc<[u8]> = b"${listen}"[..].into();
        let spent = vars.of_file(small, &mut used, &mut 4_000);
        assert!(spent.unwrap_err().contains("too many bytes"));
    }

    // Goal: a file that is no text is left alone, unless that would pass over a reference to a listed name.
    #[test]
    fn binary_files_are_left_alone() {
        let (_, vars) =
            Substitution::of_spec(&spec_of("x"), &listed(), &values(), &mut 1_000).unwrap();
        let of = |bytes: &[u8]| vars.of_file(bytes.into(), &mut BTreeSet::new(), &mut 1_000);
        assert_eq!(of(b"\xff ${other}").unwrap()[..], *b"\xff ${other}");
        assert_eq!(
            of(b"\xff ${listen}").unwrap_err(),
            "the file is not UTF-8, so ${listen} in it cannot be replaced"
        );
    }

    /// The shape of a tree: everything but its texts.
    fn shape(node: &Yaml) -> String {
        let inside = match &node.value {
            YamlValue::List(items) => items.iter().map(shape).collect::<Vec<_>>().join(","),
            YamlValue::Map(entries) => entries
                .iter()
                .map(|(key, node)| format!("{:?}:{}", key.name, shape(node)))
                .collect::<Vec<_>>()
                .join(","),
            _ => String::new(),
        };
        format!("({}:{} {inside})", node.line, node.column)
    }

    proptest! {
        // Goal: a text without a listed name comes out as it went in, whatever else it holds.
        #[test]
        fn what_is_not_listed_stays(text in "([$]{0,3}[{]?(HOME|list|sten|[a-z é}]){0,2}[}]?){0,8}") {
            prop_assume!(values().keys().all(|name| !text.contains(&format!("${{{name}}}"))));
            prop_assert_eq!(filled(&text), format!("{:?}", YamlValue::Text(text)));
        }

        // Goal: whatever a value holds, it adds nothing to the tree: the same keys, elements and places.
        #[test]
        fn values_add_no_structure(value in "[-\\[\\]{}:#&*!|>'\"%@`$ a-z0-9]{0,12}") {
            let spec = spec_of("a: ['${listen}', {b: 'x ${listen}', c: '$${listen}'}]\n'${listen}': 1\n");
            let values = Vars::from([("listen".to_owned(), Scalar::Text(value.as_str().into()))]);
            let (new, _) =
                Substitution::of_spec(&spec, &listed(), &values, &mut usize::MAX.clone()).unwrap();
            prop_assert_eq!(shape(&spec), shape(&new));
            let shown = format!("{:?}", new.value);
            let expected = format!("{:?}", format!("x {value}"));
            prop_assert!(shown.contains(&expected));
        }
    }
}
