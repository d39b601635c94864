//! A detection as SARIF 2.1.0: a rule for each rule that found something, a result for each finding, at its first record.
//!
//! **Invariant:** fingerprints are those of the findings, so that a scan tomorrow updates the alert of today.

use std::collections::BTreeMap;

use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, LogicalLocation, Message, MultiformatMessageString,
    Notification, PhysicalLocation, PropertyBag, Region, ReportingDescriptor, Result as Alert,
    ResultLevel, Run, RunAutomationDetails, Sarif, Tool, ToolComponent,
};

use crate::model::{Detection, Finding, Level};
use crate::report::escape::{self, clipped, sarif as plain};
use crate::report::sarif::{SCHEMA, percent_encoded};

/// The most results: GitHub refuses a run with more.
const MAX_RESULTS: usize = 25_000;
const MAX_NAME: usize = 1_000;
const MAX_NAMES: usize = 5;

/// Writes it indented, with a line end.
pub fn render(detection: &Detection, exit_code: u8) -> String {
    // Plain strings and numbers cannot fail to be written.
    let mut text =
        serde_json::to_string_pretty(&document(detection, exit_code)).unwrap_or_default();
    text.push('\n');
    escape::json(&text)
}

fn document(detection: &Detection, exit_code: u8) -> Sarif {
    let mut by_rule: BTreeMap<String, &Finding> = BTreeMap::new();
    for finding in &detection.findings {
        by_rule.entry(rule_id(finding)).or_insert(finding);
    }
    let ids: Vec<_> = by_rule.keys().cloned().collect();
    let results: Vec<_> = detection
        .findings
        .iter()
        .take(MAX_RESULTS)
        .map(|finding| {
            let id = rule_id(finding);
            let index = ids.iter().position(|known| *known == id);
            result(finding, id, index.unwrap_or_default())
        })
        .collect();
    let driver = ToolComponent::builder()
        .name("evenkeel")
        .version(env!("CARGO_PKG_VERSION"))
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(
            by_rule
                .into_iter()
                .map(|(id, finding)| rule(id, finding))
                .collect::<Vec<_>>(),
        )
        .build();
    let run = Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .automation_details(
            RunAutomationDetails::builder()
                .id("evenkeel-detect/")
                .build(),
        )
        .invocations(vec![invocation(detection, exit_code)])
        .column_kind(serde_json::json!("unicodeCodePoints"))
        .results(results)
        .build();
    Sarif::builder()
        .schema(SCHEMA)
        .version(serde_json::json!("2.1.0"))
        .runs(vec![run])
        .build()
}

fn rule_id(finding: &Finding) -> String {
    let name = match &finding.rule {
        Some(rule) => rule.id.as_deref().unwrap_or(&rule.title),
        None => &finding.indicator,
    };
    format!("finding/{}", clipped(name, MAX_NAME))
}

fn title(finding: &Finding) -> String {
    let title = finding
        .rule
        .as_ref()
        .map_or(&finding.indicator, |rule| &rule.title);
    plain(&clipped(title, MAX_NAME))
}

/// By GitHub's bands: critical from 9, high from 7, medium from 4.
fn severity(level: Level) -> &'static str {
    match level {
        Level::Critical => "9.5",
        Level::High => "8.0",
        Level::Medium => "5.5",
        Level::Low => "3.0",
        Level::Informational => "1.0",
    }
}

fn alert_level(level: Level) -> ResultLevel {
    match level {
        Level::Critical | Level::High => ResultLevel::Error,
        Level::Medium => ResultLevel::Warning,
        Level::Low | Level::Informational => ResultLevel::Note,
    }
}

fn rule(id: String, finding: &Finding) -> ReportingDescriptor {
    let text = |text: &str| MultiformatMessageString::builder().text(text).build();
    let mut tags = vec!["indicator".to_owned(), "security".to_owned()];
    tags.extend(
        finding
            .attack
            .iter()
            .map(|id| format!("attack/{}", clipped(id, MAX_NAME))),
    );
    let help = format!(
        "{}. Look at who did it and whether it was meant; evenkeel rules explain tells what the rule looks for and what else meets it.",
        title(finding)
    );
    ReportingDescriptor::builder()
        .id(id)
        .name(title(finding))
        .short_description(text(&title(finding)))
        .full_description(text(&help))
        .help(text(&help))
        .properties(
            PropertyBag::builder()
                .tags(tags)
                .additional_properties(BTreeMap::from([(
                    "security-severity".to_owned(),
                    serde_json::json!(severity(finding.level)),
                )]))
                .build(),
        )
        .build()
}

fn result(finding: &Finding, id: String, index: usize) -> Alert {
    let names = |all: &[String]| {
        let shown: Vec<_> = all
            .iter()
            .take(MAX_NAMES)
            .map(|name| clipped(name, MAX_NAME).into_owned())
            .collect();
        shown.join(", ")
    };
    let mut parts = vec![format!("{}: {}", title(finding), names(&finding.targets))];
    if let Some(actor) = &finding.actor {
        parts.push(format!("by {}", clipped(&actor.name, MAX_NAME)));
    }
    if !finding.addresses.is_empty() {
        parts.push(format!("from {}", names(&finding.addresses)));
    }
    if let Some(first) = finding.first {
        parts.push(format!("at {first}, {} records", finding.event_count));
    }
    let mut alert = Alert::builder()
        .rule_id(id)
        .rule_index(i64::try_from(index).unwrap_or_default())
        .level(alert_level(finding.level))
        .message(Message::builder().text(plain(&parts.join(", "))).build())
        .locations(vec![location(finding)])
        .build();
    alert.partial_fingerprints = Some(
        [
            ("evenkeel/v1".to_owned(), finding.fingerprint.clone()),
            (
                "primaryLocationLineHash".to_owned(),
                format!("{}:1", finding.fingerprint),
            ),
        ]
        .into(),
    );
    alert
}

fn location(finding: &Finding) -> Location {
    let targets = finding.targets.iter().take(MAX_NAMES).map(|target| {
        LogicalLocation::builder()
            .fully_qualified_name(clipped(target, MAX_NAME))
            .kind("resource")
            .build()
    });
    let targets: Vec<_> = targets.collect();
    let Some(event) = finding.events.first() else {
        return Location::builder().logical_locations(targets).build();
    };
    let line = i64::try_from(event.place.line.max(1)).unwrap_or(i64::MAX);
    Location::builder()
        .physical_location(
            PhysicalLocation::builder()
                .artifact_location(
                    ArtifactLocation::builder()
                        .uri(percent_encoded(&event.place.source))
                        .build(),
                )
                .region(Region::builder().start_line(line).build())
                .build(),
        )
        .logical_locations(targets)
        .build()
}

/// What could not be looked at, so that a scan with few alerts does not pass for a whole one.
fn invocation(detection: &Detection, exit_code: u8) -> Invocation {
    let mut notes = Vec::new();
    for source in &detection.sources {
        let name = clipped(&source.source, MAX_NAME);
        if let Some(error) = &source.error {
            notes.push(format!("{name}: reading ended: {error}"));
        }
        for (why, left) in &source.left_out {
            notes.push(format!(
                "{name}: {} {why}, the first at line {}",
                left.count, left.line
            ));
        }
    }
    notes.extend(
        detection
            .rules
            .left_out
            .iter()
            .map(|rule| format!("left out: {rule}")),
    );
    let hidden = detection.findings.len().saturating_sub(MAX_RESULTS);
    if hidden > 0 {
        notes.push(format!(
            "{hidden} findings beyond the {MAX_RESULTS} that a scan may hold"
        ));
    }
    let mut invocation = Invocation::builder()
        .execution_successful(true)
        .exit_code(i64::from(exit_code))
        .build();
    let notifications = notes.iter().map(|note| {
        Notification::builder()
            .message(
                Message::builder()
                    .text(plain(&clipped(note, MAX_NAME)))
                    .build(),
            )
            .build()
    });
    invocation.tool_execution_notifications = Some(notifications.collect());
    invocation
}
