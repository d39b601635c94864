//! How the records of a format look to Sigma rules: data, one file a format.
//!
//! A file is a list of views. Each says of which log source the record is, when it holds (equality on fields of the record's
//! body), and where the fields lie that rules name otherwise. A field that is not named there is looked up as it is.
//!
//! **Invariant:** the files are part of the program and strict: a key that is not known is an error, and a test loads all.

use std::sync::OnceLock;

use crate::document::{Yaml, YamlValue, parse};
use crate::model::{Format, Problems};

/// The files, in the order of [`Format::ALL`].
const FILES: [(Format, &str, &str); 8] = [
    (
        Format::CloudTrail,
        "cloudtrail.yaml",
        include_str!("cloudtrail.yaml"),
    ),
    (
        Format::KubernetesAudit,
        "kubernetes-audit.yaml",
        include_str!("kubernetes-audit.yaml"),
    ),
    (Format::Auditd, "auditd.yaml", include_str!("auditd.yaml")),
    (Format::Syslog, "syslog.yaml", include_str!("syslog.yaml")),
    (
        Format::Journald,
        "journald.yaml",
        include_str!("journald.yaml"),
    ),
    (Format::Falco, "falco.yaml", include_str!("falco.yaml")),
    (
        Format::Suricata,
        "suricata.yaml",
        include_str!("suricata.yaml"),
    ),
    (Format::Ocsf, "ocsf.yaml", include_str!("ocsf.yaml")),
];

/// What a log source is called: by a rule that asks for it or by a view that has it. All lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LogSource {
    pub product: Option<String>,
    pub category: Option<String>,
    pub service: Option<String>,
}

impl LogSource {
    /// Whether a rule for `self` may be asked of records of `view`: whatever the rule names, the view has too.
    pub fn admits(&self, view: &Self) -> bool {
        let holds = |asked: &Option<String>, has: &Option<String>| match asked {
            None => true,
            Some(asked) => has.as_ref() == Some(asked),
        };
        holds(&self.product, &view.product)
            && holds(&self.category, &view.category)
            && holds(&self.service, &view.service)
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One way in which a record looks to rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    pub logsource: LogSource,
    /// The path of an array of which each element is an event by itself.
    pub each: Option<String>,
    /// Paths of the body and the values that they may have; all have to hold. Values are compared as texts.
    pub when: Vec<(String, Vec<String>)>,
    /// A rule's name of a field, and its path in the body. In the order of the file.
    pub fields: Vec<(String, String)>,
}

/// All views of all formats.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Views(Vec<(Format, Vec<View>)>);

impl Views {
    /// The views that are part of the program.
    ///
    /// # Panics
    /// When a file in the program is broken, which a test rules out.
    pub fn built_in() -> &'static Self {
        static VIEWS: OnceLock<Views> = OnceLock::new();
        VIEWS.get_or_init(|| {
            let mut problems = Problems::default();
            let mut views = Self::default();
            for (format, name, text) in FILES {
                views.add(format, name, text, &mut problems);
            }
            assert!(problems.is_empty(), "{problems}");
            views
        })
    }

    /// The views of a format, in the order of its file.
    pub fn of(&self, format: Format) -> &[View] {
        let found = self.0.iter().find(|(of, _)| *of == format);
        found.map_or(&[], |(_, views)| views)
    }

    /// Puts the views of a file in place of those that the format had.
    pub fn add(&mut self, format: Format, name: &str, text: &str, problems: &mut Problems) {
        let documents = match parse(name, text.as_bytes()) {
            Ok(documents) => documents,
            Err(problem) => return problems.push(*problem),
        };
        let mut views = Vec::new();
        for document in &documents {
            let nodes = document.list(problems).unwrap_or_default();
            views.extend(nodes.iter().filter_map(|node| view(node, problems)));
        }
        self.0.retain(|(of, _)| *of != format);
        self.0.push((format, views));
    }
}

fn view(node: &Yaml, problems: &mut Problems) -> Option<View> {
    let mut fields = node.fields(problems)?;
    let source = fields.require("logsource", problems);
    let logsource = source.and_then(|source| {
        let mut parts = source.fields(problems)?;
        let mut part = |name: &'static str, problems: &mut Problems| {
            let text = parts.take(name)?.text(problems)?;
            Some(text.to_lowercase())
        };
        let logsource = LogSource {
            product: part("product", problems),
            category: part("category", problems),
            service: part("service", problems),
        };
        parts.finish(problems);
        Some(logsource)
    });
    let each = fields
        .take("each")
        .and_then(|each| each.text(problems))
        .map(str::to_owned);
    let when = entries(fields.take("when"), problems)
        .into_iter()
        .map(|(path, values)| {
            let values = match &values.value {
                YamlValue::List(items) => items
                    .iter()
                    .filter_map(|item| scalar(item, problems))
                    .collect(),
                _ => scalar(&values, problems).into_iter().collect(),
            };
            (path, values)
        })
        .collect();
    let named = entries(fields.take("fields"), problems)
        .into_iter()
        .filter_map(|(name, path)| Some((name, path.text(problems)?.to_owned())))
        .collect();
    fields.finish(problems);
    Some(View {
        logsource: logsource?,
        each,
        when,
        fields: named,
    })
}

fn entries(node: Option<&Yaml>, problems: &mut Problems) -> Vec<(String, Yaml)> {
    match node.map(|node| (node, &node.value)) {
        None => Vec::new(),
        Some((_, YamlValue::Map(entries))) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), value.clone()))
            .collect(),
        Some((node, _)) => {
            problems.push(node.problem("expected a map"));
            Vec::new()
        }
    }
}

fn scalar(node: &Yaml, problems: &mut Problems) -> Option<String> {
    match &node.value {
        YamlValue::Bool(value) => Some(value.to_string()),
        YamlValue::Int(value) => Some(value.to_string()),
        _ => node.text(problems).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: a file with a slip in it (a key that is not known, a number for a path) fails here and not on a user's machine.
    #[test]
    fn every_format_has_views() {
        let views = Views::built_in();
        for format in Format::ALL {
            assert!(!views.of(format).is_empty(), "{format} has no view");
            for view in views.of(format) {
                assert!(
                    !view.logsource.is_empty(),
                    "{format} has a view of no log source"
                );
            }
        }
    }

    // Goal: a key that is not known is told and not passed over.
    #[test]
    fn what_is_not_known_is_an_error() {
        let mut problems = Problems::default();
        let text = "- logsource: {product: x}\n  wenn: {a: b}\n";
        Views::default().add(Format::Falco, "x.yaml", text, &mut problems);
        assert!(
            problems
                .to_string()
                .starts_with("x.yaml:2:3: unknown field"),
            "{problems}"
        );
    }

    // Goal: what a rule names and the view does not have is a mismatch; what the rule leaves open is none.
    #[test]
    fn a_rule_may_leave_open_what_a_view_has() {
        let source = |product: &str, category: &str| LogSource {
            product: (!product.is_empty()).then(|| product.to_owned()),
            category: (!category.is_empty()).then(|| category.to_owned()),
            service: None,
        };
        assert!(source("linux", "").admits(&source("linux", "process_creation")));
        assert!(!source("linux", "process_creation").admits(&source("linux", "")));
        assert!(!source("linux", "").admits(&source("windows", "")));
    }
}
