//! Correlations as their documents say them, with their rules by name.

use rsigma_parser::ConditionExpr;

use super::correlation::{Against, Counts, Hitting, Taken, When};
use super::reading::Reading;
use super::selection;
use crate::document::{Fields, Yaml, YamlValue};
use crate::model::Problems;

/// A correlation as its document says it, with its rules by name.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub counts: Counts,
    pub rules: Vec<(String, Yaml)>,
    pub group_by: Vec<Taken>,
    pub timespan: i64,
    pub when: When,
    pub values: Vec<Taken>,
    pub generate: bool,
}

/// An alias: its name, and the field of each rule that it names.
type Alias = (String, Vec<(String, String)>);

impl Written {
    /// Reads `correlation`.
    pub fn read(node: &Yaml, document: &Yaml, reading: &mut Reading<'_>) -> Option<Self> {
        let before = reading.problems.0.len();
        let mut problems = std::mem::take(&mut reading.problems);
        let mut fields = match node.fields(&mut problems) {
            Some(fields) => fields,
            None => {
                reading.problems = problems;
                return None;
            }
        };
        let kind = kind(&mut fields, &mut problems);
        let rules = references(fields.require("rules", &mut problems), &mut problems);
        let group_by = names(fields.take("group-by"), &mut problems);
        let span = fields.require("timespan", &mut problems);
        let timespan = span.and_then(|span| timespan(span, &mut problems));
        let condition = fields.take("condition");
        let aliases = aliases(fields.take("aliases"), &rules, &mut problems);
        let generate = generate(&mut fields, document, &mut problems);
        fields.finish(&mut problems);
        reading.problems = problems;
        let counts = kind?;
        let mut written = Self {
            counts,
            when: When::Number(Vec::new()),
            values: Vec::new(),
            group_by: Vec::new(),
            timespan: timespan?,
            generate,
            rules,
        };
        written.group_by = written.taken(group_by, &aliases);
        written.condition(node, condition, &aliases, reading)?;
        (reading.problems.0.len() == before).then_some(written)
    }

    /// The field for each rule, by an alias or as it is.
    fn taken(&self, names: Vec<String>, aliases: &[Alias]) -> Vec<Taken> {
        let field = |name: &str, rule: &str| {
            let alias = aliases.iter().find(|(alias, _)| alias == name);
            let field = alias.and_then(|(_, fields)| fields.iter().find(|(of, _)| of == rule));
            field.map_or_else(|| name.to_owned(), |(_, field)| field.clone())
        };
        names
            .into_iter()
            .map(|name| Taken {
                fields: self
                    .rules
                    .iter()
                    .map(|(rule, _)| field(&name, rule))
                    .collect(),
                name,
            })
            .collect()
    }

    fn condition(
        &mut self,
        node: &Yaml,
        condition: Option<&Yaml>,
        aliases: &[Alias],
        reading: &mut Reading<'_>,
    ) -> Option<()> {
        let comes_together = matches!(self.counts, Counts::Together | Counts::InOrder);
        match condition.map(|condition| (condition, &condition.value)) {
            None if comes_together => {
                self.when = When::Number(vec![(Against::AtLeast, self.rules.len() as f64)]);
                Some(())
            }
            None => reading.refuse(
                node,
                "`condition` is missing",
                "such as `condition: {gte: 10}`",
            ),
            Some((condition, YamlValue::Text(_))) if self.counts == Counts::Together => {
                let expression = selection::expression(condition, reading)?;
                self.when = When::Rules(self.hitting(&expression, condition, reading)?);
                Some(())
            }
            Some((condition, YamlValue::Map(_))) => self.number(condition, aliases, reading),
            Some((condition, _)) => reading.refuse(
                condition,
                "a condition that does not go together with this type",
                "such as `condition: {gte: 10}`; `temporal` also takes one of rules: `a and b`",
            ),
        }
    }

    fn hitting(
        &self,
        expression: &ConditionExpr,
        node: &Yaml,
        reading: &mut Reading<'_>,
    ) -> Option<Hitting> {
        let mut each = |parts: &[ConditionExpr]| -> Option<Vec<Hitting>> {
            parts
                .iter()
                .map(|part| self.hitting(part, node, reading))
                .collect()
        };
        match expression {
            ConditionExpr::And(parts) => Some(Hitting::All(each(parts)?)),
            ConditionExpr::Or(parts) => Some(Hitting::Any(each(parts)?)),
            ConditionExpr::Identifier(name) => match self.rules.iter().position(|(rule, _)| rule == name) {
                Some(place) => Some(Hitting::Rule(place)),
                None => reading.refuse(
                    node,
                    format!("`{}` is none of the correlation's rules", name.escape_debug()),
                    "name those that `rules` lists",
                ),
            },
            ConditionExpr::Not(_) | ConditionExpr::Selector { .. } => reading.refuse(
                node,
                "a condition of rules with `not` or `of`",
                "what does not come is known only after the time; name the rules with `and` and `or`",
            ),
        }
    }

    fn number(&mut self, node: &Yaml, aliases: &[Alias], reading: &mut Reading<'_>) -> Option<()> {
        let mut problems = std::mem::take(&mut reading.problems);
        let mut fields = node.fields(&mut problems)?;
        let values = names(fields.take("field"), &mut problems);
        let percentile = fields.take("percentile");
        let percentile = percentile.map(|node| (node, node.integer(1, 100, &mut problems)));
        let mut comparisons = Vec::new();
        for (name, against) in Against::NAMES {
            if let Some(limit) = fields.take(name) {
                match &limit.value {
                    YamlValue::Int(number) => comparisons.push((against, *number as f64)),
                    YamlValue::Float(number) if number.is_finite() => {
                        comparisons.push((against, *number))
                    }
                    _ => problems.push(limit.problem(format!("`{name}` takes a number"))),
                }
            }
        }
        fields.finish(&mut problems);
        reading.problems = problems;
        if comparisons.is_empty() {
            return reading.refuse(
                node,
                "a condition that compares with nothing",
                "such as `gte: 10`",
            );
        }
        let takes_values = !matches!(
            self.counts,
            Counts::Events | Counts::Together | Counts::InOrder
        );
        if takes_values == values.is_empty() || (values.len() > 1 && self.counts != Counts::Values)
        {
            return reading.refuse(
                node,
                match takes_values {
                    true => "`field` has to name one field",
                    false => "`field` does not go together with this type",
                },
                "the types that begin with `value_` take the values of a field",
            );
        }
        match (self.counts, percentile) {
            (Counts::Percentile(_), Some((_, rank))) => {
                self.counts = Counts::Percentile(rank? as u8)
            }
            (Counts::Percentile(_), None) => {
                return reading.refuse(node, "`percentile` is missing", "a number from 1 to 100");
            }
            (_, Some((node, _))) => {
                return reading.refuse(
                    node,
                    "`percentile` is for `value_percentile`",
                    "leave it out",
                );
            }
            (_, None) => {}
        }
        let when = When::Number(comparisons);
        let all = self.rules.len();
        // A row of hits is whole or none.
        let asks_all = when.holds(all as f64) && !(1..all).any(|fewer| when.holds(fewer as f64));
        if self.counts == Counts::InOrder && !asks_all {
            return reading.refuse(
                node,
                "`temporal_ordered` with fewer rules than all",
                "all its rules have to hit one after the other; leave `condition` out",
            );
        }
        self.when = when;
        self.values = self.taken(values, aliases);
        Some(())
    }
}

fn kind(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Counts> {
    let types = [
        ("event_count", Counts::Events),
        ("value_count", Counts::Values),
        ("temporal", Counts::Together),
        ("temporal_ordered", Counts::InOrder),
        ("value_sum", Counts::Sum),
        ("value_avg", Counts::Average),
        ("value_median", Counts::Median),
        ("value_percentile", Counts::Percentile(0)),
    ];
    fields.require("type", problems)?.one_of(&types, problems)
}

fn references(node: Option<&Yaml>, problems: &mut Problems) -> Vec<(String, Yaml)> {
    let nodes = match node.map(|node| (node, &node.value)) {
        Some((_, YamlValue::List(items))) => items.as_slice(),
        Some((node, _)) => std::slice::from_ref(node),
        None => &[],
    };
    if let (Some(node), true) = (node, nodes.is_empty()) {
        problems.push(
            node.problem("a correlation of no rules")
                .hint("name them by id or name"),
        );
    }
    let mut found: Vec<(String, Yaml)> = Vec::new();
    for node in nodes {
        if let Some(name) = node.text(problems) {
            if found.iter().any(|(other, _)| other == name) {
                problems.push(
                    node.problem("a rule that is listed twice")
                        .hint("list it once"),
                );
            }
            found.push((name.to_owned(), node.clone()));
        }
    }
    found
}

fn names(node: Option<&Yaml>, problems: &mut Problems) -> Vec<String> {
    match node.map(|node| (node, &node.value)) {
        Some((node, YamlValue::List(_))) => node.texts(problems).unwrap_or_default(),
        Some((node, _)) => node.text(problems).map(str::to_owned).into_iter().collect(),
        None => Vec::new(),
    }
}

/// `generate` stands at the top of the document or, as before, in `correlation`.
fn generate(fields: &mut Fields<'_>, document: &Yaml, problems: &mut Problems) -> bool {
    let inner = fields.take("generate");
    let outer = match &document.value {
        YamlValue::Map(entries) => entries.iter().find(|(key, _)| key.name == "generate"),
        _ => None,
    };
    let node = outer.map(|(_, node)| node).or(inner);
    node.and_then(|node| node.boolean(problems))
        .unwrap_or(false)
}

fn aliases(node: Option<&Yaml>, rules: &[(String, Yaml)], problems: &mut Problems) -> Vec<Alias> {
    let Some(node) = node else {
        return Vec::new();
    };
    let YamlValue::Map(entries) = &node.value else {
        problems.push(node.problem("expected a map of aliases"));
        return Vec::new();
    };
    let mut found = Vec::new();
    for (alias, fields) in entries {
        let YamlValue::Map(fields) = &fields.value else {
            problems.push(fields.problem("expected a map from rules to fields"));
            continue;
        };
        let mut of = Vec::new();
        for (rule, field) in fields {
            if !rules.iter().any(|(name, _)| *name == rule.name) {
                let problem = node.problem_with_key(
                    rule,
                    format!("`{}` is none of the correlation's rules", rule.name),
                );
                problems
                    .push(problem.hint("name those that `rules` lists, as they are named there"));
            }
            if let Some(field) = field.text(problems) {
                of.push((rule.name.clone(), field.to_owned()));
            }
        }
        for (rule, _) in rules {
            if !of.iter().any(|(name, _)| name == rule) {
                let problem =
                    node.problem_with_key(alias, format!("the alias says no field for `{rule}`"));
                problems.push(problem.hint("an alias names a field of each rule"));
            }
        }
        found.push((alias.name.clone(), of));
    }
    found
}

fn timespan(node: &Yaml, problems: &mut Problems) -> Option<i64> {
    let text = node.text(problems)?;
    let units = [
        ("s", 1),
        ("m", 60),
        ("h", 3600),
        ("d", 86_400),
        ("w", 604_800),
    ];
    let found = units.iter().find_map(|(unit, seconds)| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        number
            .checked_mul(*seconds)
            .filter(|seconds| (1..=366 * 86_400).contains(seconds))
    });
    if found.is_none() {
        problems.push(
            node.problem(format!("\"{}\" is no timespan", text.escape_debug()))
                .hint("a number with s, m, h, d or w behind it, up to a year; a month has no fixed length"),
        );
    }
    found
}
