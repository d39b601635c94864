//! SARIF 2.1.0, for code scanning: each drift at the line of the baseline that it breaks.
//!
//! Flow: report → a rule a kind and change, a result a drift (exempted ones suppressed), a notification for what could
//! not be evaluated or failed → JSON.
//!
//! **Invariant:** fingerprints are those of the drifts, so that a scan tomorrow updates the alert of today.

use std::collections::BTreeMap;

use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, LogicalLocation, Message, MultiformatMessageString,
    Notification, PhysicalLocation, PropertyBag, Region, ReportingDescriptor,
    ReportingDescriptorReference, Result as Finding, ResultLevel, Run, RunAutomationDetails, Sarif,
    Suppression, Tool, ToolComponent,
};

use crate::model::{
    Change, Drift, Finding as Found, Indicator, Kind, Level, OBSERVER_DISAGREES, Origin, RiskLevel,
    RunReport,
};

use super::entry::{Entry, entries};
use super::escape::{self, clipped, sarif as plain, terminal};
use super::finding;
use super::shown::{Disclosure, Reader};
use super::words::{self, MAX_SENTENCE};

/// The most results: GitHub refuses a run with more.
const MAX_RESULTS: usize = 25_000;
/// The most fields of a drift that are named.
const MAX_FIELDS: usize = 20;
/// The most characters of a name.
const MAX_NAME: usize = 1_000;
pub(in crate::report) const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// What a rule is about.
type RuleKey<'a> = (&'a Kind, Change);

/// Writes the report as indented SARIF that ends with a line end.
pub fn render(report: &RunReport, exit_code: u8) -> String {
    // Plain strings and numbers cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document(report, exit_code)).unwrap_or_default();
    text.push('\n');
    escape::json(&text)
}

fn document(report: &RunReport, exit_code: u8) -> Sarif {
    let all = entries(report);
    let remaining: Vec<_> = all.iter().filter(|entry| entry.remains).collect();
    let exempted = &report.comparison.exempted;
    let keys = remaining
        .iter()
        .map(|entry| entry.drift)
        .chain(exempted.iter().map(|it| &it.drift))
        .map(|drift| (&drift.resource.kind, drift.change));
    let mut rules: BTreeMap<RuleKey<'_>, usize> = keys.map(|key| (key, 0)).collect();
    for (i, index) in rules.values_mut().enumerate() {
        *index = i;
    }
    let mut results: Vec<_> = remaining
        .iter()
        .map(|entry| result(report, &rules, entry.drift, &message(report, entry)))
        .collect();
    results.extend(exempted.iter().map(|it| {
        let reason = format!("exemption {}", clipped(&it.exemption, MAX_NAME));
        let mut result = result(report, &rules, &it.drift, &format!("exempted by {reason}"));
        result.suppressions = Some(vec![suppression(&reason)]);
        result
    }));
    let more_rules = indicator_rules(report);
    let found = report.findings.iter().map(|one| {
        let at = more_rules.keys().position(|name| *name == one.indicator);
        indicated(report, rules.len() + at.unwrap_or_default(), one)
    });
    results.splice(0..0, found);
    let left_out = results.len().saturating_sub(MAX_RESULTS);
    results.truncate(MAX_RESULTS);

    let driver = ToolComponent::builder()
        .name("evenkeel")
        .version(env!("CARGO_PKG_VERSION"))
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(
            rules
                .keys()
                .map(rule)
                .chain(more_rules.into_values())
                .collect::<Vec<_>>(),
        )
        .build();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .automation_details(RunAutomationDetails::builder().id("evenkeel/").build())
        .invocations(vec![invocation(report, exit_code, left_out)])
        .column_kind(serde_json::json!("unicodeCodePoints"))
        .results(results)
        .build();
    Sarif::builder()
        .schema(SCHEMA)
        .version(serde_json::json!("2.1.0"))
        .runs(vec![run])
        .build()
}

fn indicator_id(name: &str) -> String {
    format!("indicator/{}", terminal(name))
}

/// A rule for each sort of finding that there is.
fn indicator_rules(report: &RunReport) -> BTreeMap<&str, ReportingDescriptor> {
    let found = report.findings.iter();
    found
        .map(|one| (one.indicator.as_str(), indicator_rule(one)))
        .collect()
}

fn indicator_rule(one: &Found) -> ReportingDescriptor {
    let known = Indicator::named(&one.indicator);
    let title = match (known, &one.rule) {
        (Some(known), _) => known.title,
        (None, Some(rule)) => &rule.title,
        (None, None) => &one.indicator,
    };
    let title = plain(&clipped(title, MAX_NAME));
    let help = match one.indicator == OBSERVER_DISAGREES.name {
        true => "The system was asked for one fact in two ways, again and again, and tells one of them less. Something hides there, as a rootkit does. Look at the system from outside and do not believe what it says of itself.".to_owned(),
        false => format!(
            "{title}. Find out who did it and when before it is put right, look at what else they reached, and keep what the run recorded."
        ),
    };
    let level = known.map_or(one.level, |known| known.level);
    let words = one.indicator.split('-');
    let name: String = words.flat_map(capitalised).collect();
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let mut properties = tags(&["indicator", "security"]);
    let all = one.attack.iter().map(|id| format!("external/attack/{id}"));
    properties.tags.get_or_insert_default().extend(all);
    properties
        .additional_properties
        .insert("security-severity".into(), severity(level).into());
    let mut rule = ReportingDescriptor::builder()
        .id(indicator_id(&one.indicator))
        .name(name)
        .short_description(text(&title))
        .full_description(text(&help))
        .help(text(&help))
        .properties(properties)
        .build();
    rule.default_configuration = Some(
        serde_sarif::sarif::ReportingConfiguration::builder()
            .level(serde_json::json!(level_word(level)))
            .build(),
    );
    rule
}

fn capitalised(word: &str) -> impl Iterator<Item = char> {
    let mut letters = word.chars().filter(char::is_ascii_alphanumeric);
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters)
}

/// What code scanning orders alerts by, from 0 to 10.
fn severity(level: Level) -> &'static str {
    match level {
        Level::Critical => "9.5",
        Level::High => "8.0",
        Level::Medium => "5.5",
        Level::Low => "3.0",
        Level::Informational => "0.0",
    }
}

fn level_word(level: Level) -> &'static str {
    match level {
        Level::Critical | Level::High => "error",
        Level::Medium => "warning",
        Level::Low | Level::Informational => "note",
    }
}

fn indicated(report: &RunReport, index: usize, one: &Found) -> Finding {
    let id = clipped(&one.targets.join(", "), MAX_NAME).into_owned();
    let text = format!("{id}: {}.", clipped(&finding::line(one), MAX_SENTENCE));
    let level = match level_word(one.level) {
        "error" => ResultLevel::Error,
        "warning" => ResultLevel::Warning,
        _ => ResultLevel::Note,
    };
    let mut result = Finding::builder()
        .rule_id(indicator_id(&one.indicator))
        .rule_index(i64::try_from(index).unwrap_or_default())
        .level(level)
        .message(Message::builder().text(plain(&text)).build())
        .build();
    if let Some(drift) = report.drift_of(one) {
        result.locations = Some(vec![with_name(location(report, &drift.origin), &id)]);
    }
    result.partial_fingerprints = Some(fingerprints(&one.fingerprint));
    result
}

/// GitHub tells alerts apart by the second alone, and would take all extra files of one directory for one.
fn fingerprints(fingerprint: &str) -> BTreeMap<String, String> {
    [
        ("evenkeel/v1".to_owned(), fingerprint.to_owned()),
        (
            "primaryLocationLineHash".to_owned(),
            format!("{fingerprint}:1"),
        ),
    ]
    .into()
}

fn rule((kind, change): &RuleKey<'_>) -> ReportingDescriptor {
    let kind_text = plain(&kind.0);
    let (title, help) = match change {
        Change::Missing => (
            format!("{kind_text} is missing"),
            format!(
                "The baseline lists a {kind_text} that does not exist on the live system. Make it again with evenkeel reconcile, or take it out of the baseline (evenkeel adopt, or by hand) if it is not wanted any more."
            ),
        ),
        Change::Extra => (
            format!("{kind_text} is not in the baseline"),
            format!(
                "A {kind_text} exists where the baseline lists everything that may exist, or which it says must be absent. Find out who made it. Remove it with evenkeel reconcile, or add it to the baseline."
            ),
        ),
        Change::Changed => (
            format!("{kind_text} differs from the baseline"),
            format!(
                "Fields of a {kind_text} are not as the baseline says. Find out who changed them. Put them back with evenkeel reconcile, or make the live state the baseline with evenkeel adopt."
            ),
        ),
    };
    let level = match change {
        Change::Missing | Change::Changed => "warning",
        Change::Extra => "error",
    };
    let name: String = format!("{}{change:?}", kind.0)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let mut rule = ReportingDescriptor::builder()
        .id(rule_id(kind, *change))
        .name(name)
        .short_description(text(&title))
        .full_description(text(&help))
        .help(
            MultiformatMessageString::builder()
                .text(&help)
                .markdown(format!("**{title}**\n\n{}", help.replace(". ", ".\n\n")))
                .build(),
        )
        .properties(tags(&["drift", "security"]))
        .build();
    rule.default_configuration = Some(
        serde_sarif::sarif::ReportingConfiguration::builder()
            .level(serde_json::json!(level))
            .build(),
    );
    rule
}

fn rule_id(kind: &Kind, change: Change) -> String {
    format!("drift/{}/{}", terminal(&kind.0), words::change(change))
}

fn tags(tags: &[&str]) -> PropertyBag {
    PropertyBag::builder()
        .tags(tags.iter().map(ToString::to_string).collect::<Vec<_>>())
        .additional_properties(BTreeMap::new())
        .build()
}

/// The sentence of a result: what differs and what would be done.
fn message(report: &RunReport, entry: &Entry<'_>) -> String {
    let drift = entry.drift;
    let disclosure = Disclosure::new(report, Reader::Anyone);
    let differs: Vec<_> = words::differences(&disclosure, drift, MAX_FIELDS)
        .into_iter()
        .map(|(name, sentence)| format!("{name} {sentence}"))
        .collect();
    let mut parts = vec![format!("at {}", clipped(&drift.address.0, MAX_NAME))];
    if !differs.is_empty() {
        parts.push(differs.join("; "));
    }
    parts.push(format!("action: {}", entry.action()));
    if let Some(because) = entry.held() {
        parts.push(format!(
            "held: {}",
            clipped(&because.to_string(), MAX_SENTENCE)
        ));
    }
    parts.join(". ")
}

fn result(
    report: &RunReport,
    rules: &BTreeMap<RuleKey<'_>, usize>,
    drift: &Drift,
    sentence: &str,
) -> Finding {
    let index = rules
        .get(&(&drift.resource.kind, drift.change))
        .copied()
        .unwrap_or_default();
    let level = match drift.risk.level {
        RiskLevel::High => ResultLevel::Error,
        RiskLevel::Medium => ResultLevel::Warning,
        RiskLevel::Low => ResultLevel::Note,
    };
    let id = clipped(&drift.resource.to_string(), MAX_NAME).into_owned();
    let text = format!("{id} is {}: {sentence}.", words::change(drift.change));
    let fingerprint = drift.fingerprint();
    let place = location(report, &drift.origin);
    let mut result = Finding::builder()
        .rule_id(rule_id(&drift.resource.kind, drift.change))
        .rule_index(i64::try_from(index).unwrap_or_default())
        .level(level)
        .message(Message::builder().text(plain(&text)).build())
        .locations(vec![with_name(place, &id)])
        .build();
    result.partial_fingerprints = Some(fingerprints(&fingerprint));
    result
}

fn suppression(reason: &str) -> Suppression {
    let mut suppression = Suppression::builder()
        .kind(serde_json::json!("external"))
        .build();
    suppression.status = Some(serde_json::json!("accepted"));
    suppression.justification = Some(format!("{reason}, see exemptions.yaml"));
    suppression
}

fn with_name(mut location: Location, id: &str) -> Location {
    location.logical_locations = Some(vec![
        LogicalLocation::builder()
            .fully_qualified_name(id)
            .kind("resource")
            .build(),
    ]);
    location
}

fn location(report: &RunReport, origin: &Origin) -> Location {
    let file = words::repository_path(&report.baseline, &origin.file);
    let artifact = ArtifactLocation::builder()
        .uri(percent_encoded(&file))
        .uri_base_id("%SRCROOT%")
        .build();
    let mut region = Region::builder()
        .start_line(i64::from(origin.line.max(1)))
        .build();
    if origin.column > 0 {
        region.start_column = Some(i64::from(origin.column));
    }
    Location::builder()
        .physical_location(
            PhysicalLocation::builder()
                .artifact_location(artifact)
                .region(region)
                .build(),
        )
        .build()
}

/// A path as a relative URI.
pub(in crate::report) fn percent_encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn invocation(report: &RunReport, exit_code: u8, left_out: usize) -> Invocation {
    let mut notifications: Vec<_> = report
        .errors
        .iter()
        .map(|error| notification("error", "error", &clipped(error, MAX_SENTENCE)))
        .collect();
    for it in &report.comparison.not_evaluated {
        let id = clipped(&it.resource.to_string(), MAX_NAME).into_owned();
        let text = format!(
            "{id} was not evaluated: {}",
            clipped(&it.reason.text, MAX_SENTENCE)
        );
        let code = format!("not-evaluated/{}", words::reason_code(it.reason.code));
        let mut notification = notification("warning", &code, &text);
        notification.locations = Some(vec![with_name(location(report, &it.origin), &id)]);
        notifications.push(notification);
    }
    notifications.extend(
        report
            .notices
            .iter()
            .map(|notice| notification("note", "notice", &clipped(notice, MAX_SENTENCE))),
    );
    if left_out > 0 {
        let text = format!("{} more results were left out", words::number(left_out));
        notifications.push(notification("warning", "left-out", &text));
    }
    let mut invocation = Invocation::builder()
        .execution_successful(exit_code != super::exit::ERROR)
        .exit_code(i64::from(exit_code))
        .build();
    invocation.start_time_utc = Some(format!("{:.3}", report.started));
    invocation.end_time_utc = Some(format!("{:.3}", report.ended));
    invocation.tool_execution_notifications = Some(notifications);
    invocation
}

fn notification(level: &str, code: &str, text: &str) -> Notification {
    Notification::builder()
        .level(serde_json::json!(level))
        .descriptor(ReportingDescriptorReference::builder().id(code).build())
        .message(Message::builder().text(plain(text)).build())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    // Goal: what code scanning reads stays the same: rules, levels, places, fingerprints, suppressions, notifications.
    #[test]
    fn a_plan() {
        insta::assert_snapshot!(render(&samples::mixed(), 4));
    }

    // Goal: it is SARIF. Method: read back by the types made from the 2.1.0 schema, and compared.
    #[test]
    fn reads_back() {
        for report in [samples::clean(), samples::mixed(), samples::troubled()] {
            let text = render(&report, 0);
            let read: Sarif = serde_json::from_str(&text).unwrap();
            assert_eq!(read, document(&report, 0));
        }
    }

    // Goal: every rule index points at the rule of its result, and no two drifts share what GitHub tells them apart by.
    #[test]
    fn results_point_at_their_rules() {
        let document = document(&samples::mixed(), 4);
        let run = &document.runs[0];
        let rules = run.tool.driver.rules.as_ref().unwrap();
        let results = run.results.as_ref().unwrap();
        let mut hashes = std::collections::BTreeSet::new();
        for result in results {
            let index = usize::try_from(result.rule_index.unwrap()).unwrap();
            assert_eq!(Some(&rules[index].id), result.rule_id.as_ref());
            let prints = result.partial_fingerprints.as_ref().unwrap();
            assert!(hashes.insert(&prints["primaryLocationLineHash"]));
        }
        assert!(results.len() > 4);
    }

    // Goal: a file name of the baseline cannot leave the URI it is in.
    #[test]
    fn uris_are_encoded() {
        assert_eq!(
            percent_encoded("a b/ü?#%.yaml"),
            "a%20b/%C3%BC%3F%23%25.yaml"
        );
    }
}
