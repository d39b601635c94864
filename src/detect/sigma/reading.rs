//! What holds while one document is read: what was wrong in it, and what its placeholders stand for.

use std::collections::BTreeMap;

use crate::document::Yaml;
use crate::model::{Problem, Problems};

/// The most that one placeholder may stand for.
const MAX_EXPANDED: usize = 1000;

pub(super) struct Reading<'a> {
    pub problems: Problems,
    placeholders: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> Reading<'a> {
    pub fn new(placeholders: &'a BTreeMap<String, Vec<String>>) -> Self {
        Self {
            problems: Problems::default(),
            placeholders,
        }
    }

    pub fn push(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes that a node cannot be evaluated; the answer stands for what would have come of it.
    pub fn refuse<T>(
        &mut self,
        node: &Yaml,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<T> {
        self.push(node.problem(message).hint(hint));
        None
    }

    /// The texts that one with placeholders stands for.
    pub fn expand(&mut self, node: &Yaml, text: &str) -> Option<Vec<String>> {
        let mut made = vec![String::new()];
        let mut rest = text;
        while let Some((before, name, after)) = placeholder(rest) {
            let Some(values) = self.placeholders.get(name) else {
                return self.refuse(
                    node,
                    format!(
                        "the placeholder `%{}%` stands for nothing",
                        name.escape_debug()
                    ),
                    "give it values, or leave the rule out",
                );
            };
            if values.is_empty() || made.len() * values.len() > MAX_EXPANDED {
                return self.refuse(
                    node,
                    format!(
                        "the placeholder `%{}%` stands for nothing or too much",
                        name.escape_debug()
                    ),
                    format!("up to {MAX_EXPANDED} values"),
                );
            }
            made = made
                .iter()
                .flat_map(|start| {
                    values
                        .iter()
                        .map(move |value| format!("{start}{}{value}", unescaped(before)))
                })
                .collect();
            rest = after;
        }
        made.iter_mut()
            .for_each(|start| start.push_str(&unescaped(rest)));
        Some(made)
    }
}

/// The first `%name%`, with what stands before and behind it. A `%` behind a backslash is one of the text.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let is_escaped = |at: usize| text[..at].ends_with('\\');
    let marks: Vec<usize> = text
        .match_indices('%')
        .map(|(at, _)| at)
        .filter(|at| !is_escaped(*at))
        .collect();
    marks.windows(2).find_map(|pair| {
        let name = &text[pair[0] + 1..pair[1]];
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        is_name.then(|| (&text[..pair[0]], name, &text[pair[1] + 1..]))
    })
}

/// Takes the backslashes of `\%` away.
fn unescaped(text: &str) -> String {
    text.replace("\\%", "%")
}
