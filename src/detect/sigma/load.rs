//! From files to rules: what is sound is kept, what is not is named, and nothing is in between.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use rsigma_eval::{CompiledRule, compile_rule};
use rsigma_parser::{ConditionExpr, Detections, SigmaRule};

use super::documents::documents;
use super::filter::{self, Filter};
use super::link;
use super::reading::Reading;
use super::route::Rules;
use super::rule::{LooksFor, Rule, logsource};
use super::selection::{Selections, selections};
use super::written::Written;
use crate::detect::fields::Views;
use crate::document::{Yaml, YamlValue, parse_all};
use crate::model::{Problem, Span};

/// The largest file of rules, in bytes.
const MAX_FILE: usize = 1 << 20;

/// A file of rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleFile<'a> {
    /// For messages.
    pub path: &'a str,
    pub text: &'a str,
}

/// What a load depends on besides the files.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `%name%` stands for where a rule says `|expand`. A rule with one that is not here is refused.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// The most documents of rules in all files together.
    pub max_rules: usize,
    /// How records look to rules.
    pub views: Views,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            placeholders: BTreeMap::new(),
            max_rules: 50_000,
            views: Views::built_in().clone(),
        }
    }
}

/// Why a rule is not evaluated.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RuleProblem {
    /// Where, what, and what to do.
    pub problem: Problem,
    /// The title of the rule that is left out by it, where it is known.
    pub rule: Option<String>,
}

impl fmt::Display for RuleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        match &self.rule {
            Some(rule) => write!(f, " (rule \"{}\")", rule.escape_debug()),
            None => Ok(()),
        }
    }
}

/// What came of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The rules that can be evaluated as they say.
    pub rules: Rules,
    /// What is wrong with the others, in the order of files and lines. A strict caller goes on only when there is nothing.
    pub problems: Vec<RuleProblem>,
}

/// A detection on its way to the engine.
pub(super) struct Detecting {
    pub rule: Rule,
    pub selections: Selections,
}

/// All documents of all files that could be read.
#[derive(Default)]
pub(super) struct Read {
    pub detections: Vec<Detecting>,
    pub correlations: Vec<(Rule, Written)>,
    pub filters: Vec<(Rule, Filter)>,
    /// Names and ids of documents that could not be read, so that what refers to them says so.
    pub refused: Vec<String>,
    pub problems: Vec<RuleProblem>,
}

impl Read {
    /// Takes over what was found to be wrong with a document.
    pub fn refuse(&mut self, rule: Option<String>, reading: Reading<'_>) {
        self.problems
            .extend(reading.problems.0.into_iter().map(|problem| RuleProblem {
                problem,
                rule: rule.clone(),
            }));
    }

    /// Notes that nothing may count on a rule.
    pub fn leave_out(&mut self, rule: &Rule) {
        self.refused
            .extend([rule.id.clone(), rule.name.clone()].into_iter().flatten());
    }
}

impl Rules {
    /// Reads files of rules, unchanged as they are published.
    ///
    /// Whatever cannot be evaluated exactly as Sigma's specification says is left out and told with its place; so is what
    /// depends on it. Nothing in a rule changes how another one is evaluated, or the engine.
    pub fn load(files: &[RuleFile<'_>], options: &Options) -> Loaded {
        let mut read = Read::default();
        let (small, large): (Vec<&RuleFile<'_>>, Vec<_>) =
            files.iter().partition(|file| file.text.len() <= MAX_FILE);
        for file in large {
            let message = format!(
                "the file has {} bytes, more than the {MAX_FILE} that are read",
                file.text.len()
            );
            read.problems
                .push(of_file(file.path, message, "split the file"));
        }
        let parsed = parse_all(small.iter().map(|file| (file.path, file.text.as_bytes())));
        let mut count = 0;
        for (file, parsed) in small.iter().zip(parsed) {
            match parsed {
                Ok(nodes) => {
                    let mut reading = Reading::new(&options.placeholders);
                    let nodes = documents(nodes, &mut reading);
                    read.refuse(None, reading);
                    count += nodes.len();
                    if count > options.max_rules {
                        let message = format!("more than {} rules in all", options.max_rules);
                        read.problems
                            .push(of_file(file.path, message, "load fewer rules"));
                        break;
                    }
                    for node in nodes {
                        document(&node, options, &mut read);
                    }
                }
                Err(problem) => read.problems.push(RuleProblem {
                    problem: *problem,
                    rule: None,
                }),
            }
        }
        link::unique(&mut read);
        filter::apply(&mut read);
        let compiled = compile(&mut read);
        let rules = link::link(&mut read, compiled, &options.views);
        let mut problems = read.problems;
        problems.sort();
        problems.dedup();
        Loaded { rules, problems }
    }
}

fn of_file(path: &str, message: String, hint: &str) -> RuleProblem {
    RuleProblem {
        problem: Problem {
            at: Some(Span {
                file: path.to_owned(),
                line: 1,
                column: 1,
            }),
            message,
            source_line: String::new(),
            hint: Some(hint.to_owned()),
        },
        rule: None,
    }
}

/// The value under a key of a document.
fn value<'a>(node: &'a Yaml, name: &str) -> Option<&'a Yaml> {
    match &node.value {
        YamlValue::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn document(node: &Yaml, options: &Options, read: &mut Read) {
    let mut reading = Reading::new(&options.placeholders);
    let about: Vec<_> = ["detection", "correlation", "filter"]
        .into_iter()
        .filter(|name| value(node, name).is_some())
        .collect();
    let keys: &[&str] = &[
        "detection",
        "correlation",
        "filter",
        "logsource",
        "generate",
    ];
    let rule = Rule::read(node, keys, &mut reading);
    let title = rule.as_ref().map(|rule| rule.title.clone());
    let found = match (about.as_slice(), rule) {
        (["detection"], Some(rule)) => {
            detecting(node, rule, &mut reading).map(|found| read.detections.push(found))
        }
        (["correlation"], Some(rule)) => value(node, "correlation")
            .and_then(|inner| Written::read(inner, node, &mut reading))
            .map(|written| read.correlations.push((rule, written))),
        (["filter"], Some(rule)) => Filter::read(
            node,
            value(node, "filter"),
            value(node, "logsource"),
            &mut reading,
        )
        .map(|filter| read.filters.push((rule, filter))),
        (["detection" | "correlation" | "filter"], None) => None,
        _ => reading.refuse(
            node,
            "a document that is neither a rule nor a correlation nor a filter",
            "it has `detection`, `correlation` or `filter`, and only one of them",
        ),
    };
    let texts = ["id", "name"].map(|name| match value(node, name).map(|value| &value.value) {
        Some(YamlValue::Text(text)) => Some(text.clone()),
        _ => None,
    });
    if found.is_none() {
        read.refused.extend(texts.into_iter().flatten());
    }
    let title = title.or_else(|| match value(node, "title").map(|value| &value.value) {
        Some(YamlValue::Text(text)) => Some(text.clone()),
        _ => None,
    });
    read.refuse(title, reading);
}

fn detecting(node: &Yaml, mut rule: Rule, reading: &mut Reading<'_>) -> Option<Detecting> {
    let logsource = logsource(value(node, "logsource"), node, reading);
    let selections = selections(value(node, "detection")?, &[], reading);
    rule.looks_for = LooksFor::Record(logsource?);
    Some(Detecting {
        rule,
        selections: selections?,
    })
}

/// Lets the engine compile each rule; what it refuses is refused.
fn compile(read: &mut Read) -> Vec<(Rule, CompiledRule)> {
    let mut compiled = Vec::new();
    for detecting in std::mem::take(&mut read.detections) {
        let Detecting { rule, selections } = detecting;
        match compile_rule(&for_engine(selections)) {
            Ok(made) => compiled.push((rule, made)),
            Err(error) => {
                read.leave_out(&rule);
                read.problems.push(RuleProblem {
                    problem: Problem {
                        at: Some(rule.at.clone()),
                        message: format!(
                            "the rule cannot be evaluated: {}",
                            crate::report_chain(&error)
                        ),
                        source_line: String::new(),
                        hint: Some("see docs/sigma.md for what can be".to_owned()),
                    },
                    rule: Some(rule.title),
                });
            }
        }
    }
    compiled
}

/// The rule as the engine takes it: its selections and conditions and nothing else, so that nothing else has an effect.
fn for_engine(selections: Selections) -> SigmaRule {
    SigmaRule {
        title: String::new(),
        logsource: rsigma_parser::LogSource::default(),
        detection: Detections {
            named: selections.named.into_iter().collect(),
            conditions: or_of(selections.conditions),
            condition_strings: Vec::new(),
            timeframe: None,
        },
        sigma_version: None,
        id: None,
        name: None,
        related: Vec::new(),
        taxonomy: None,
        status: None,
        description: None,
        license: None,
        author: None,
        references: Vec::new(),
        date: None,
        modified: None,
        fields: Vec::new(),
        falsepositives: Vec::new(),
        level: None,
        tags: Vec::new(),
        scope: Vec::new(),
        custom_attributes: HashMap::new(),
    }
}

fn or_of(mut conditions: Vec<ConditionExpr>) -> Vec<ConditionExpr> {
    match conditions.len() {
        0 | 1 => conditions,
        _ => vec![ConditionExpr::Or(std::mem::take(&mut conditions))],
    }
}
