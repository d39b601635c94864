//! The report as JSON with a stable, versioned schema.
//!
//! Flow: report → [`schema::Document`], values through `shown` for anyone → JSON in which no character can harm a
//! terminal or start a command of a CI runner.
//!
//! **Invariant:** states of steps are never inline; content only where its resource says `disclose`.

pub mod schema;

use crate::model::{
    self, Command, Digest, HeldBecause, ResourceId, RunReport, SignatureState, StepResult, Value,
    Verdict,
};

use super::doubt::{self, Doubt, doubts};
use super::entry::entries;
use super::escape;
use super::shown::{ContentKind, Disclosure, Reader, Shown};
use super::words;

/// The schema that is written.
pub const SCHEMA: &str = "evenkeel.dev/plan/v1";

/// Writes the report as indented JSON that ends with a line end.
pub fn render(report: &RunReport, exit_code: u8) -> String {
    let document = document(report, exit_code);
    // Plain strings, numbers and maps by string cannot fail to be written.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    escape::json(&text)
}

/// The report as the objects of the schema.
pub fn document(report: &RunReport, exit_code: u8) -> schema::Document {
    let writer = Writer {
        report,
        disclosure: Disclosure::new(report, Reader::Anyone),
    };
    let coverage = report.comparison.coverage();
    schema::Document {
        schema: SCHEMA,
        command: report.command,
        run: report.run.as_ref().map(ToString::to_string),
        started: report.started.to_string(),
        ended: report.ended.to_string(),
        exit_code,
        baseline: baseline(report),
        targets: report.targets.iter().map(target).collect(),
        summary: schema::Summary {
            clean: coverage.clean,
            drifted: coverage.drifted,
            not_evaluated: coverage.not_evaluated,
            exempted: coverage.exempted,
            coverage_percent: coverage.percent(),
        },
        drifts: writer.drifts(&report.comparison.drifts),
        remedied: writer.remedied(),
        not_evaluated: writer.not_evaluated(),
        exempted: writer.exempted(),
        plan: plan(report),
        held: held(report),
        outcomes: report.outcomes.iter().map(outcome).collect(),
        pulls: report.pulls.iter().map(pull).collect(),
        recovered: report.recovered.iter().map(recovered).collect(),
        notices: report.notices.clone(),
        errors: report.errors.clone(),
        journal: schema::Journal {
            head: report.journal_head.as_ref().map(|(_, hash)| hash.clone()),
            seq: report.journal_head.as_ref().map(|(seq, _)| *seq),
        },
        worst_finding: report.worst(),
        findings: report.findings.clone(),
        not_trusted: doubts(report).iter().map(not_trusted).collect(),
    }
}

struct Writer<'a> {
    report: &'a RunReport,
    disclosure: Disclosure<'a>,
}

impl Writer<'_> {
    fn drifts(&self, drifts: &[model::Drift]) -> Vec<schema::Drift> {
        drifts.iter().map(|drift| self.drift(drift)).collect()
    }

    fn remedied(&self) -> Vec<schema::Drift> {
        if self.report.command == Command::Plan {
            return Vec::new();
        }
        entries(self.report)
            .iter()
            .filter(|entry| !entry.remains && entry.is_seen)
            .map(|entry| self.drift(entry.drift))
            .collect()
    }

    fn drift(&self, drift: &model::Drift) -> schema::Drift {
        schema::Drift {
            id: drift.resource.to_string(),
            target: drift.resource.target.to_string(),
            resource: drift.resource.short(),
            kind: drift.resource.kind.to_string(),
            change: drift.change,
            address: drift.address.to_string(),
            fields: self.fields(drift),
            fingerprint: drift.fingerprint(),
            risk: risk(&drift.risk),
            file: words::repository_path(&self.report.baseline, &drift.origin.file),
            line: drift.origin.line,
            found_in: drift.found_in.as_ref().map(ToString::to_string),
            controls: drift.controls.clone(),
            by_hand: drift.by_hand.clone(),
            one_way: drift.one_way.clone(),
        }
    }

    fn fields(&self, drift: &model::Drift) -> Vec<schema::Field> {
        let show = |path: &str, value: &Option<Value>| {
            let value = value.as_ref()?;
            Some(shown(self.disclosure.value(drift, path, value)))
        };
        drift
            .fields
            .iter()
            .map(|field| schema::Field {
                path: field.path.clone(),
                expected: show(&field.path, &field.expected),
                actual: show(&field.path, &field.actual),
            })
            .collect()
    }

    fn exempted(&self) -> Vec<schema::Exempted> {
        self.report
            .comparison
            .exempted
            .iter()
            .map(|it| schema::Exempted {
                exemption: it.exemption.clone(),
                drift: self.drift(&it.drift),
            })
            .collect()
    }

    fn not_evaluated(&self) -> Vec<schema::NotEvaluated> {
        self.report
            .comparison
            .not_evaluated
            .iter()
            .map(|it| schema::NotEvaluated {
                id: it.resource.to_string(),
                target: it.resource.target.to_string(),
                resource: it.resource.short(),
                address: it.address.to_string(),
                reason: it.reason.text.clone(),
                code: words::reason_code(it.reason.code),
                file: words::repository_path(&self.report.baseline, &it.origin.file),
                line: it.origin.line,
            })
            .collect()
    }
}

fn shown(value: Shown) -> schema::Shown {
    match value {
        Shown::Bool(it) => schema::Shown::Bool(it),
        Shown::Int(it) => schema::Shown::Int(it),
        Shown::Text(it) => schema::Shown::Text(it),
        Shown::List(items) => schema::Shown::List(items.into_iter().map(shown).collect()),
        Shown::Map(map) => {
            schema::Shown::Map(map.into_iter().map(|(key, it)| (key, shown(it))).collect())
        }
        Shown::Content(content) => schema::Shown::Content(schema::ContentValue {
            kind: match content.kind {
                ContentKind::Content => "content",
                ContentKind::Text => "text",
            },
            size: content.size,
            digest: content.digest,
            text: content.text,
        }),
        Shown::Redacted => schema::Shown::Redacted(schema::RedactedValue {
            kind: "content",
            redacted: true,
        }),
    }
}

fn baseline(report: &RunReport) -> schema::Baseline {
    let baseline = &report.baseline;
    let signature: SignatureState = baseline.signature.clone();
    schema::Baseline {
        commit: baseline.commit.clone(),
        rev: baseline.rev.clone(),
        message: baseline.summary.clone(),
        prefix: baseline.prefix.clone(),
        signature,
    }
}

fn target(target: &model::TargetInfo) -> schema::Target {
    schema::Target {
        name: target.name.to_string(),
        description: target.description.clone(),
        mode: target.mode,
        committed_mode: target.committed_mode,
    }
}

fn risk(risk: &model::Risk) -> schema::Risk {
    schema::Risk {
        level: risk.level,
        why: risk.why.clone(),
    }
}

fn plan(report: &RunReport) -> schema::Plan {
    schema::Plan {
        hash: report.plan.hash.to_string(),
        groups: report
            .plan
            .groups
            .iter()
            .map(|it| group(report.verdicts.get(&it.hash), it))
            .collect(),
    }
}

fn group(verdict: Option<&Verdict>, group: &model::Group) -> schema::Group {
    schema::Group {
        hash: group.hash.to_string(),
        fingerprint: group.fingerprint.clone(),
        target: group.target.to_string(),
        risk: risk(&group.risk()),
        verdict: verdict.map(|verdict| match verdict {
            Verdict::Allow { .. } => "allow",
            Verdict::Held(_) => "held",
        }),
        approved_by: match verdict {
            Some(Verdict::Allow { approved_by }) => approved_by.clone(),
            _ => None,
        },
        steps: group.steps.iter().map(step).collect(),
    }
}

fn step(step: &model::Step) -> schema::Step {
    schema::Step {
        id: step.resource.to_string(),
        resource: step.resource.short(),
        address: step.address.to_string(),
        verb: step.verb,
        expect: step.expect.to_string(),
        leaves: step.leaves.to_string(),
        undo: match &step.undo {
            model::Undo::Restore => schema::Undo {
                kind: "restore",
                why: None,
            },
            model::Undo::Irreversible { why } => schema::Undo {
                kind: "irreversible",
                why: Some(why.clone()),
            },
        },
        risk: risk(&step.risk),
        answers: step.answers.clone(),
        keep: step.keep,
    }
}

fn held(report: &RunReport) -> Vec<schema::Held> {
    let because = |group: &model::Group| match report.verdicts.get(&group.hash) {
        Some(Verdict::Held(because)) => Some(because),
        _ => None,
    };
    report
        .plan
        .groups
        .iter()
        .filter_map(|group| Some((group, because(group)?)))
        .map(|(group, because)| schema::Held {
            group: group.hash.to_string(),
            because: because.to_string(),
            code: held_code(because),
            refused: because.is_refusal(),
            hint: because.hint(),
            resources: group
                .steps
                .iter()
                .map(|step| step.resource.to_string())
                .collect(),
        })
        .collect()
}

/// The tag that serde gives the reason, so that there is one list of codes.
fn held_code(because: &HeldBecause) -> String {
    serde_json::to_value(because)
        .ok()
        .and_then(|value| Some(value.get("code")?.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn outcome(outcome: &model::GroupOutcome) -> schema::Outcome {
    let group: Digest = outcome.group;
    schema::Outcome {
        group: group.to_string(),
        fingerprint: outcome.fingerprint.clone(),
        result: outcome.result,
        steps: outcome.steps.iter().map(step_outcome).collect(),
    }
}

fn step_outcome(step: &model::StepOutcome) -> schema::StepOutcome {
    let resource: &ResourceId = &step.resource;
    let (result, detail) = match &step.result {
        StepResult::Done => ("done", None),
        StepResult::Stale { found } => ("stale", Some(found)),
        StepResult::Failed { error } => ("failed", Some(error)),
        StepResult::Unwound => ("unwound", None),
        StepResult::UnwindFailed { error } => ("unwind_failed", Some(error)),
        StepResult::Lost { error } => ("lost", Some(error)),
        StepResult::NotBegun => ("not_begun", None),
    };
    schema::StepOutcome {
        id: resource.to_string(),
        resource: resource.short(),
        result,
        detail: detail.cloned(),
        notes: step.notes.clone(),
    }
}

fn pull(pull: &model::PullNote) -> schema::Pull {
    schema::Pull {
        number: pull.number,
        url: pull.url.clone(),
        fingerprint: pull.fingerprint.clone(),
        id: pull.resource.clone(),
        what: pull.what.clone(),
    }
}

fn not_trusted(doubt: &Doubt<'_>) -> schema::NotTrusted {
    schema::NotTrusted {
        target: doubt.target.to_string(),
        state: doubt.words(),
        evidence: doubt
            .evidence
            .iter()
            .map(|(id, why)| schema::Evidence {
                id: id.to_string(),
                why,
            })
            .collect(),
        advice: doubt::ADVICE,
    }
}

fn recovered(recovered: &model::Recovered) -> schema::Recovered {
    schema::Recovered {
        run: recovered.run.to_string(),
        id: recovered.resource.clone(),
        what: recovered.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    // Goal: the schema of a plan does not change by accident. Method: a snapshot of a document that has all of it.
    #[test]
    fn a_plan() {
        insta::assert_snapshot!(render(&samples::mixed(), 4));
    }

    // Goal: the same for what only a reconcile has: outcomes, pull requests, recovered steps, the journal.
    #[test]
    fn a_reconcile() {
        insta::assert_snapshot!(render(&samples::troubled(), 1));
    }

    // Goal: consumers find each key that issue 2 promises, also in a report of nothing.
    #[test]
    fn a_clean_report_has_every_key() {
        let text = render(&samples::clean(), 0);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        for pointer in [
            "/baseline/commit",
            "/summary/clean",
            "/summary/drifted",
            "/summary/not_evaluated",
            "/summary/coverage_percent",
            "/drifts",
            "/not_evaluated",
            "/plan/hash",
            "/plan/groups",
            "/held",
            "/journal/head",
        ] {
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
