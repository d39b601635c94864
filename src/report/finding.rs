//! Findings in the words that several forms of output share.

use std::collections::BTreeMap;

use crate::model::{Finding, Level, RunReport};

use super::words;

/// `high unlisted-key: A key that … (T1098.004)`, unescaped.
pub fn line(finding: &Finding) -> String {
    let mut line = format!(
        "{} {}: {}",
        finding.level,
        finding.indicator,
        finding.evidence.join("; ")
    );
    if !finding.attack.is_empty() {
        line.push_str(&format!(" ({})", finding.attack.join(", ")));
    }
    line
}

/// As [`line()`], with the resource.
pub fn named_line(finding: &Finding) -> String {
    format!("{}: {}", finding.targets.join(", "), line(finding))
}

/// `3 findings: 1 critical, 2 high`; none where there is none.
pub fn figures(report: &RunReport) -> Option<String> {
    let mut levels: BTreeMap<Level, usize> = BTreeMap::new();
    for finding in &report.findings {
        *levels.entry(finding.level).or_default() += 1;
    }
    let each = levels.iter().rev();
    let each: Vec<_> = each
        .map(|(level, n)| format!("{} {level}", words::number(*n)))
        .collect();
    let all = words::counted(report.findings.len(), "finding", "findings");
    (!each.is_empty()).then(|| format!("{all}: {}", each.join(", ")))
}
