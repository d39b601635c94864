//! What a rule says of itself, whatever it looks for.

use std::collections::BTreeMap;

use super::correlation::Correlation;
use super::reading::Reading;
use crate::detect::fields::LogSource;
use crate::document::{Yaml, YamlValue};
use crate::model::{Level, Span};

/// A rule among those that were loaded together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleIndex(pub(super) u32);

impl RuleIndex {
    /// Its place among the rules, from 0.
    pub fn place(self) -> usize {
        self.0 as usize
    }
}

/// A rule that was loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    pub title: String,
    pub id: Option<String>,
    /// By which correlations and filters may call it.
    pub name: Option<String>,
    pub level: Option<Level>,
    pub status: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub references: Vec<String>,
    pub tags: Vec<String>,
    pub falsepositives: Vec<String>,
    /// What else its document says in text at the top: nothing there changes how the rule is evaluated.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Where its document stands.
    pub at: Span,
    pub looks_for: LooksFor,
    /// Whether a hit is a finding by itself, and not only something that a correlation counts.
    pub is_finding: bool,
}

/// What a rule is about.
#[derive(Clone, PartialEq, Debug)]
pub enum LooksFor {
    /// One record of a log source.
    Record(LogSource),
    /// Hits of other rules, taken together.
    Hits(Correlation),
}

impl Rule {
    /// The techniques of ATT&CK that its tags name, as `T1098.001`.
    pub fn attack(&self) -> impl Iterator<Item = String> {
        self.tags.iter().filter_map(|tag| {
            let technique = tag.to_lowercase().strip_prefix("attack.t")?.to_owned();
            technique
                .starts_with(|c: char| c.is_ascii_digit())
                .then(|| format!("T{technique}"))
        })
    }

    /// By what a person would look for it: its id, else its name, else its title.
    pub fn key(&self) -> &str {
        let named = self.id.as_deref().or(self.name.as_deref());
        named.unwrap_or(&self.title)
    }

    /// Reads what every document has, whatever it is about. `about` are the keys that say that.
    pub(super) fn read(node: &Yaml, about: &[&str], reading: &mut Reading<'_>) -> Option<Self> {
        let mut problems = std::mem::take(&mut reading.problems);
        let mut fields = node.fields(&mut problems)?;
        let text = |node: Option<&Yaml>, problems: &mut _| Some(node?.text(problems)?.to_owned());
        let title = text(fields.require("title", &mut problems), &mut problems).unwrap_or_default();
        let levels = [
            ("informational", Level::Informational),
            ("low", Level::Low),
            ("medium", Level::Medium),
            ("high", Level::High),
            ("critical", Level::Critical),
        ];
        let statuses = [
            "stable",
            "test",
            "experimental",
            "deprecated",
            "unsupported",
        ]
        .map(|word| (word, word));
        let rule = Self {
            title,
            id: text(fields.take("id"), &mut problems),
            name: text(fields.take("name"), &mut problems),
            level: fields
                .take("level")
                .and_then(|level| level.one_of(&levels, &mut problems)),
            status: fields
                .take("status")
                .and_then(|status| status.one_of(&statuses, &mut problems))
                .map(str::to_owned),
            description: text(fields.take("description"), &mut problems),
            author: text(fields.take("author"), &mut problems),
            references: texts(fields.take("references")),
            tags: texts(fields.take("tags")),
            falsepositives: texts(fields.take("falsepositives")),
            attributes: attributes(node, about),
            at: node.span(),
            looks_for: LooksFor::Record(LogSource::default()),
            is_finding: true,
        };
        let is_sound = problems.is_empty();
        reading.problems = problems;
        version(node, reading)?;
        taxonomy(node, reading)?;
        is_sound.then_some(rule)
    }
}

/// A document for a later version of Sigma may mean something else by the same words.
fn version(node: &Yaml, reading: &mut Reading<'_>) -> Option<()> {
    let YamlValue::Map(entries) = &node.value else {
        return Some(());
    };
    let Some((_, value)) = entries.iter().find(|(key, _)| key.name == "sigma-version") else {
        return Some(());
    };
    let major = match &value.value {
        YamlValue::Int(major) => Some(*major),
        YamlValue::Float(version) => Some(*version as i64),
        YamlValue::Text(text) => text.split('.').next().and_then(|major| major.parse().ok()),
        _ => None,
    };
    match major {
        Some(1..=2) => Some(()),
        _ => reading.refuse(
            value,
            "a version of Sigma that is not known",
            "rules of version 2 and before are evaluated",
        ),
    }
}

/// Names of another taxonomy mean something that is not known here; a rule that says that it cannot be used is not used.
fn taxonomy(node: &Yaml, reading: &mut Reading<'_>) -> Option<()> {
    let YamlValue::Map(entries) = &node.value else {
        return Some(());
    };
    let says = |name: &str| {
        entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    };
    let is =
        |value: &Yaml, word: &str| matches!(&value.value, YamlValue::Text(text) if text == word);
    match (says("taxonomy"), says("status")) {
        (Some(taxonomy), _) if !is(taxonomy, "sigma") && !taxonomy.is_null() => reading.refuse(
            taxonomy,
            "a taxonomy that is not known",
            "rules with the names of the taxonomy `sigma` are evaluated",
        ),
        (_, Some(status)) if is(status, "unsupported") => reading.refuse(
            status,
            "the rule says that it is unsupported",
            "take the file out",
        ),
        _ => Some(()),
    }
}

const METADATA: [&str; 18] = [
    "title",
    "id",
    "name",
    "level",
    "status",
    "description",
    "author",
    "references",
    "tags",
    "falsepositives",
    "date",
    "modified",
    "related",
    "license",
    "taxonomy",
    "fields",
    "scope",
    "sigma-version",
];

fn attributes(node: &Yaml, about: &[&str]) -> BTreeMap<String, Vec<String>> {
    let YamlValue::Map(entries) = &node.value else {
        return BTreeMap::new();
    };
    entries
        .iter()
        .filter(|(key, _)| {
            !METADATA.contains(&key.name.as_str()) && !about.contains(&key.name.as_str())
        })
        .map(|(key, value)| (key.name.clone(), texts(Some(value))))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

/// The texts of a list or a single one; anything else is left out, since nothing depends on it.
fn texts(node: Option<&Yaml>) -> Vec<String> {
    let one = |node: &Yaml| match &node.value {
        YamlValue::Text(text) => Some(text.clone()),
        YamlValue::Int(number) => Some(number.to_string()),
        _ => None,
    };
    match node.map(|node| (node, &node.value)) {
        Some((_, YamlValue::List(items))) => items.iter().filter_map(one).collect(),
        Some((node, _)) => one(node).into_iter().collect(),
        None => Vec::new(),
    }
}

/// What a rule or a filter says of the log source that it is for.
pub(super) fn logsource(
    node: Option<&Yaml>,
    of: &Yaml,
    reading: &mut Reading<'_>,
) -> Option<LogSource> {
    let Some(node) = node else {
        return reading.refuse(
            of,
            "`logsource` is missing",
            "name a product, a category or a service",
        );
    };
    let mut problems = std::mem::take(&mut reading.problems);
    let before = problems.0.len();
    let logsource = node.fields(&mut problems).map(|mut fields| {
        let mut part = |name: &'static str, problems: &mut _| {
            let text = fields.take(name)?.text(problems)?;
            Some(text.to_lowercase())
        };
        let logsource = LogSource {
            product: part("product", &mut problems),
            category: part("category", &mut problems),
            service: part("service", &mut problems),
        };
        let _ = fields.take("definition");
        fields.finish(&mut problems);
        logsource
    });
    let is_sound = problems.0.len() == before;
    reading.problems = problems;
    let logsource = logsource?;
    if logsource.is_empty() && is_sound {
        return reading.refuse(
            node,
            "a log source that names nothing",
            "name a product, a category or a service",
        );
    }
    is_sound.then_some(logsource)
}
