//! The tree, its nodes and how values are taken from it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::model::{Problem, Problems, Span};

/// The text of one file and its name, kept for the excerpts in problems.
#[derive(Debug)]
pub struct Source {
    /// Relative to the baseline's directory, `/`-separated.
    pub file: String,
    pub text: Arc<str>,
    /// Whether the nodes that name this source hold something else than its text says.
    substituted: bool,
    /// Where each line begins, found out when the first problem asks: thousands of problems may follow.
    lines: OnceLock<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    start: usize,
    /// Whether its document may hold something sensitive.
    is_secret: bool,
}

/// Whether nothing of a document is quoted: a resource says that it is sensitive, or is one of the files that always are.
/// The text decides and not the tree, since what is wrong may be that there is no tree.
fn may_hold_secrets(document: &str) -> bool {
    ["sensitive", "etc/shadow", "etc/gshadow"]
        .iter()
        .any(|word| document.contains(word))
        || (document.contains("etc/ssh/") && document.contains("_key"))
}

/// One node of a document.
#[derive(Clone, Debug)]
pub struct Yaml {
    pub value: YamlValue,
    pub line: u32,
    pub column: u32,
    pub(super) source: Arc<Source>,
}

/// The content of a node. The keys of a map are text, unique, and in the order of the file.
#[derive(Clone, Debug)]
pub enum YamlValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(Key, Yaml)>),
}

/// A key of a map with its place.
#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub line: u32,
    pub column: u32,
}

/// The entries of a map, taken one by one; what is left at the end is unknown.
pub struct Fields<'a> {
    node: &'a Yaml,
    entries: &'a [(Key, Yaml)],
    taken: Vec<bool>,
    known: Vec<&'static str>,
}

impl Yaml {
    /// Where this node stands.
    pub fn span(&self) -> Span {
        self.span_at(self.line, self.column)
    }

    fn span_at(&self, line: u32, column: u32) -> Span {
        Span {
            file: self.source.file.clone(),
            line,
            column,
        }
    }

    /// A problem with this node.
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        self.problem_at(self.line, self.column, message)
    }

    /// A problem with a key of this map.
    pub fn problem_with_key(&self, key: &Key, message: impl Into<String>) -> Problem {
        self.problem_at(key.line, key.column, message)
    }

    fn problem_at(&self, line: u32, column: u32, message: impl Into<String>) -> Problem {
        let mut message = message.into();
        if self.source.substituted {
            message.push_str(", after substitution");
        }
        Problem {
            at: Some(self.span_at(line, column)),
            message,
            source_line: self.source.line(line),
            hint: None,
        }
    }

    /// What sort of value this is, for messages.
    pub fn type_name(&self) -> &'static str {
        match self.value {
            YamlValue::Null => "nothing",
            YamlValue::Bool(_) => "a boolean",
            YamlValue::Int(_) => "a number",
            YamlValue::Float(_) => "a fraction",
            YamlValue::Text(_) => "text",
            YamlValue::List(_) => "a list",
            YamlValue::Map(_) => "a map",
        }
    }

    fn mismatch(&self, wanted: &str, problems: &mut Problems) {
        problems.push(self.problem(format!("expected {wanted}, found {}", self.type_name())));
    }

    /// The entries of a map.
    pub fn fields(&self, problems: &mut Problems) -> Option<Fields<'_>> {
        match &self.value {
            YamlValue::Map(entries) => Some(Fields {
                node: self,
                taken: vec![false; entries.len()],
                entries,
                known: Vec::new(),
            }),
            _ => {
                self.mismatch("a map", problems);
                None
            }
        }
    }

    /// The text of a node. A number or a boolean is no text: quotes tell what was meant.
    pub fn text(&self, problems: &mut Problems) -> Option<&str> {
        match &self.value {
            YamlValue::Text(text) => Some(text),
            YamlValue::Int(_) | YamlValue::Float(_) | YamlValue::Bool(_) => {
                problems.push(
                    self.problem(format!("expected text, found {}", self.type_name()))
                        .hint(match self.source.substituted {
                            true => "put the value in quotes where `vars` declares it",
                            false => "put it in quotes",
                        }),
                );
                None
            }
            _ => {
                self.mismatch("text", problems);
                None
            }
        }
    }

    /// A boolean: `true` or `false`.
    pub fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            YamlValue::Bool(value) => Some(value),
            _ => {
                self.mismatch("true or false", problems);
                None
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub fn integer(&self, min: i64, max: i64, problems: &mut Problems) -> Option<i64> {
        match self.value {
            YamlValue::Int(value) if (min..=max).contains(&value) => Some(value),
            YamlValue::Int(value) => {
                problems.push(
                    self.problem(format!("{value} is out of range, which is {min} to {max}")),
                );
                None
            }
            _ => {
                self.mismatch("a whole number", problems);
                None
            }
        }
    }

    /// The elements of a list.
    pub fn list(&self, problems: &mut Problems) -> Option<&[Yaml]> {
        match &self.value {
            YamlValue::List(items) => Some(items),
            _ => {
                self.mismatch("a list", problems);
                None
            }
        }
    }

    /// The elements of a list of texts; those that are none are reported and left out.
    pub fn texts(&self, problems: &mut Problems) -> Option<Vec<String>> {
        let items = self.list(problems)?;
        Some(
            items
                .iter()
                .filter_map(|item| item.text(problems).map(str::to_owned))
                .collect(),
        )
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let text = self.text(problems)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        problems.push(
            self.problem(format!("\"{}\" is not known here", text.escape_debug()))
                .hint(format!("one of: {}", names.join(", "))),
        );
        None
    }

    /// Whether the node is null or empty.
    pub fn is_null(&self) -> bool {
        matches!(self.value, YamlValue::Null)
    }
}

impl Source {
    /// The text of a file.
    pub fn new(file: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
            substituted: false,
            lines: OnceLock::new(),
        }
    }

    /// The same file, for nodes into which values were put: their problems say so.
    pub(super) fn substituted(&self) -> Self {
        Self {
            substituted: true,
            ..Self::new(self.file.clone(), Arc::clone(&self.text))
        }
    }

    /// One line of the text, counted from 1, cut to a length fit for an excerpt; empty where it may hold a secret.
    pub fn line(&self, line: u32) -> String {
        let found = self.lines().get((line as usize).saturating_sub(1));
        let rest = match found {
            Some(line) if !line.is_secret => &self.text[line.start..],
            _ => "",
        };
        rest.chars()
            .take(240)
            .take_while(|c| *c != '\n')
            .collect::<String>()
            .trim_end_matches('\r')
            .to_owned()
    }

    /// Whether nothing of a line may be quoted, since its document may hold something sensitive.
    pub fn is_secret(&self, line: u32) -> bool {
        let found = self.lines().get((line as usize).saturating_sub(1));
        found.is_some_and(|line| line.is_secret)
    }

    fn lines(&self) -> &[Line] {
        self.lines.get_or_init(|| {
            let mut lines = Vec::new();
            for document in documents(&self.text) {
                let text = &self.text[document.clone()];
                let is_secret = may_hold_secrets(text);
                let ends = text.match_indices('\n').map(|(at, _)| at + 1);
                let starts = std::iter::once(0).chain(ends.filter(|end| *end < text.len()));
                lines.extend(starts.map(|start| Line {
                    start: document.start + start,
                    is_secret,
                }));
            }
            lines
        })
    }
}

/// Where each document lies; nothing inside one, not even a text of several lines, begins a line with `---`.
fn documents(text: &str) -> Vec<Range<usize>> {
    let marks = text.match_indices("\n---").map(|(at, _)| at + 1);
    let mut starts: Vec<_> = std::iter::once(0).chain(marks).collect();
    starts.push(text.len());
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

impl<'a> Fields<'a> {
    /// The value under a key, or none. An explicit null counts as not given.
    pub fn take(&mut self, name: &'static str) -> Option<&'a Yaml> {
        self.known.push(name);
        let at = self.entries.iter().position(|(key, _)| key.name == name)?;
        self.taken[at] = true;
        let (_, value) = &self.entries[at];
        (!value.is_null()).then_some(value)
    }

    /// The value under a key that has to be there.
    pub fn require(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a Yaml> {
        let found = self.take(name);
        if found.is_none() {
            problems.push(self.node.problem(format!("`{name}` is missing")));
        }
        found
    }

    /// The node that holds these fields.
    pub fn node(&self) -> &'a Yaml {
        self.node
    }

    /// Every entry that was not taken is unknown.
    pub fn finish(self, problems: &mut Problems) {
        for ((key, _), taken) in self.entries.iter().zip(&self.taken) {
            if !taken {
                // A line of a secret that lost its indentation is a field too.
                let message = match self.node.source.is_secret(key.line) {
                    true => "unknown field".to_owned(),
                    false => format!("unknown field `{}`", key.name.escape_debug()),
                };
                problems.push(
                    self.node
                        .problem_with_key(key, message)
                        .hint(suggest(&key.name, &self.known)),
                );
            }
        }
    }
}

/// "did you mean", by edit distance, or the list of what is known.
pub fn suggest(word: &str, known: &[&str]) -> String {
    let best = known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .min();
    match best {
        Some((distance, candidate)) if distance <= 2 && distance < candidate.len() => {
            format!("did you mean `{candidate}`?")
        }
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Levenshtein distance of short words; anything longer than 40 characters is simply far away.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 40 || b.len() > 40 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
