//! Which rules are asked of a record, and what they answer.
//!
//! Flow: a record → the views of its format that hold for it → one engine a view, with the rules whose log source the view
//! has → hits, each rule at most once a record.

use std::sync::{Arc, OnceLock};

use rsigma_eval::{CompiledDetection, CompiledMatcher, CompiledRule, Engine, ResultBody};
use serde_json::Value;

use super::filter::PREFIX;
use super::rule::{LooksFor, Rule, RuleIndex};
use super::view::{EXISTS, Found, PART, SCALAR, Shown, find};
use crate::detect::fields::{View, Views};
use crate::model::{Format, Record};

/// Rules that can be evaluated. Cheap to ask from several threads at once.
pub struct Rules {
    rules: Vec<Rule>,
    compiled: Vec<(RuleIndex, CompiledRule)>,
    views: Views,
    /// By the place of the format in [`Format::ALL`]; made when the first record of a format comes.
    routes: [OnceLock<Vec<Route>>; Format::ALL.len()],
}

/// A rule that a record meets.
#[derive(Clone, PartialEq, Debug)]
pub struct Hit {
    pub rule: RuleIndex,
    /// The view, by its place among those of the format.
    pub view: usize,
    /// The element, where each element of an array is an event by itself.
    pub element: Option<usize>,
    /// The selections that hold, by name and in the order in which the condition asks for them.
    pub selections: Vec<String>,
}

/// One view, with the engine for its rules.
struct Route {
    view: View,
    engine: Engine,
    questions: Vec<String>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.rules.iter().map(Rule::key))
            .finish()
    }
}

impl Rules {
    pub(super) fn new(
        rules: Vec<Rule>,
        compiled: Vec<(RuleIndex, CompiledRule)>,
        views: &Views,
    ) -> Self {
        let compiled = compiled
            .into_iter()
            .map(|(index, mut rule)| {
                // All that the engine says of a hit is which rule it was; the rest it would copy for each.
                rule.id = Some(index.0.to_string());
                rule.title = String::new();
                rule.tags = Vec::new();
                rule.custom_attributes = Arc::default();
                (index, rule)
            })
            .collect();
        Self {
            rules,
            compiled,
            views: views.clone(),
            routes: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// All rules, in the order of their indexes.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// A rule by its index.
    ///
    /// # Panics
    /// When the index is from other rules, which have more.
    pub fn rule(&self, index: RuleIndex) -> &Rule {
        &self.rules[index.place()]
    }

    /// The indexes of all rules.
    pub fn indexes(&self) -> impl Iterator<Item = RuleIndex> + use<> {
        (0..u32::try_from(self.rules.len()).unwrap_or(u32::MAX)).map(RuleIndex)
    }

    /// The rules that no view of any format admits: they are sound and will never hit.
    pub fn unreachable(&self) -> impl Iterator<Item = RuleIndex> + '_ {
        self.indexes()
            .filter(|index| match &self.rule(*index).looks_for {
                LooksFor::Record(logsource) => {
                    let admits = |format: &Format| {
                        self.views
                            .of(*format)
                            .iter()
                            .any(|view| logsource.admits(&view.logsource))
                    };
                    !Format::ALL.iter().any(admits)
                }
                LooksFor::Hits(_) => false,
            })
    }

    /// The rules that a record meets, in the order of their indexes; those that are only counted too.
    pub fn hits(&self, record: &Record) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for (place, route) in self.routes(record.format).iter().enumerate() {
            if !route.holds(&record.body) {
                continue;
            }
            match &route.view.each {
                None => route.ask(&record.body, place, None, &mut hits),
                Some(path) => {
                    let mut elements = Vec::new();
                    find(&record.body, path).each(&mut |element| elements.push(element));
                    for (number, element) in elements.into_iter().enumerate() {
                        route.ask(element, place, Some(number), &mut hits);
                    }
                }
            }
        }
        hits.sort_by_key(|hit| hit.rule);
        hits
    }

    /// The value of a field as the rule that hit would find it, as text; none where it is not there or has no value.
    pub(super) fn field(&self, hit: &Hit, record: &Record, name: &str) -> Option<String> {
        let view = self.views.of(record.format).get(hit.view)?;
        let path = view.fields.iter().find(|(known, _)| known == name);
        let path = path.map_or(name, |(_, path)| path);
        let mut body = &record.body;
        if let (Some(each), Some(number)) = (&view.each, hit.element) {
            let mut elements = Vec::new();
            find(body, each).each(&mut |element| elements.push(element));
            body = elements.get(number)?;
        }
        text(find(body, path))
    }

    fn routes(&self, format: Format) -> &[Route] {
        let place = Format::ALL
            .iter()
            .position(|known| *known == format)
            .unwrap_or(0);
        self.routes[place].get_or_init(|| {
            self.views
                .of(format)
                .iter()
                .map(|view| self.route(view))
                .collect()
        })
    }

    fn route(&self, view: &View) -> Route {
        let mut questions = Vec::new();
        let admitted =
            self.compiled
                .iter()
                .filter(|(index, _)| match &self.rule(*index).looks_for {
                    LooksFor::Record(logsource) => logsource.admits(&view.logsource),
                    LooksFor::Hits(_) => false,
                });
        let rules: Vec<_> = admitted
            .map(|(_, rule)| {
                let mut rule = rule.clone();
                for detection in rule.detections.values_mut() {
                    rename(detection, view, &mut questions);
                }
                rule
            })
            .collect();
        questions.sort();
        questions.dedup();
        let mut engine = Engine::new();
        engine.extend_compiled_rules(rules);
        Route {
            view: view.clone(),
            engine,
            questions,
        }
    }
}

impl Route {
    fn holds(&self, body: &Value) -> bool {
        self.engine.rule_count() > 0
            && self.view.when.iter().all(|(path, values)| {
                let mut is_one = false;
                find(body, path).each(&mut |value| {
                    is_one |= match value {
                        Value::String(text) => values.contains(text),
                        Value::Number(_) | Value::Bool(_) => values.contains(&value.to_string()),
                        _ => false,
                    };
                });
                is_one
            })
    }

    fn ask(&self, body: &Value, view: usize, element: Option<usize>, hits: &mut Vec<Hit>) {
        let shown = Shown {
            body,
            questions: &self.questions,
        };
        for result in self.engine.evaluate(&shown) {
            let index = result
                .header
                .rule_id
                .as_ref()
                .and_then(|id| id.parse().ok());
            let Some(rule) = index.map(RuleIndex) else {
                continue;
            };
            if hits.iter().any(|hit| hit.rule == rule) {
                continue;
            }
            let ResultBody::Detection(detection) = result.body else {
                continue;
            };
            let mut selections = detection.matched_selections;
            selections.retain(|name| !name.starts_with(PREFIX));
            hits.push(Hit {
                rule,
                view,
                element,
                selections,
            });
        }
    }
}

/// Puts the record's paths in place of the rule's names, so that nothing has to be looked up for each record.
fn rename(detection: &mut CompiledDetection, view: &View, questions: &mut Vec<String>) {
    match detection {
        CompiledDetection::AllOf(items) => {
            for item in items {
                if let Some(field) = &mut item.field {
                    *field = path_of(field, view);
                    if field.starts_with([EXISTS, PART, SCALAR]) {
                        questions.push(field.clone());
                    }
                }
                rename_matcher(&mut item.matcher, view);
            }
        }
        CompiledDetection::AnyOf(parts) | CompiledDetection::And(parts) => {
            parts
                .iter_mut()
                .for_each(|part| rename(part, view, questions));
        }
        CompiledDetection::Keywords(matcher) => rename_matcher(matcher, view),
        // Nothing that `item` makes is one of these.
        CompiledDetection::ArrayMatch { .. } | CompiledDetection::Conditional { .. } => {}
    }
}

fn rename_matcher(matcher: &mut CompiledMatcher, view: &View) {
    match matcher {
        CompiledMatcher::FieldRef { field, .. } => *field = path_of(field, view),
        CompiledMatcher::Not(inner) => rename_matcher(inner, view),
        CompiledMatcher::AnyOf(parts) | CompiledMatcher::AllOf(parts) => {
            parts.iter_mut().for_each(|part| rename_matcher(part, view));
        }
        _ => {}
    }
}

fn path_of(name: &str, view: &View) -> String {
    let start = match name.chars().next() {
        Some(EXISTS | SCALAR) => 1,
        Some(PART) => name.find(':').map_or(0, |at| at + 1),
        _ => 0,
    };
    let (question, name) = name.split_at(start);
    let known = view.fields.iter().find(|(known, _)| known == name);
    format!("{question}{}", known.map_or(name, |(_, path)| path))
}

/// Values as one text that can be told from others.
fn text(found: Found<'_>) -> Option<String> {
    let one = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    match found {
        Found::Nothing => None,
        Found::One(value) => one(value),
        Found::Many(values) => {
            let texts: Vec<_> = values.into_iter().filter_map(one).collect();
            (!texts.is_empty()).then(|| texts.join("\u{1f}"))
        }
    }
}
