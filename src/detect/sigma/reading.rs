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
                        .map(move |value| format!("{start}{before}{value}"))
                })
                .collect();
            rest = after;
        }
        made.iter_mut().for_each(|start| start.push_str(rest));
        Some(made)
    }
}

/// The first `%name%`, with what stands before and behind it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(start) = text[from..].find('%').map(|at| at + from) {
        let end = start + 1 + text[start + 1..].find('%')?;
        let name = &text[start + 1..end];
        if !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        {
            return Some((&text[..start], name, &text[end + 1..]));
        }
        from = end;
    }
    None
}
