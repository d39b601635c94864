//! Figures and phrases that several forms of output share.
//!
//! **Invariant:** live text that is put into a phrase is escaped for a terminal first.

use crate::model::{
    BaselineInfo, Change, Drift, FieldDrift, Fields, ReasonCode, RunReport, SignatureState, Value,
};

use super::escape::{clipped, terminal};
use super::finding;
use super::shown::{Disclosure, Shown};

/// The most characters of a value or a sentence on one line.
const MAX_INLINE: usize = 200;
/// What stands for sensitive content.
const REDACTED: &str = "(sensitive, not shown)";
/// The most characters of an error or a reason.
pub const MAX_SENTENCE: usize = 1_000;

/// A number with its thousands apart: `10,000`.
pub fn number(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 group`, `2 groups`.
pub fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A size for a person: `14 B`, `3.1 kB`, `2.0 GB`.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut units = ["kB", "MB", "GB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        // What would be shown as 1000.0 is one of the larger unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// A share for a person: `100 %`, `99.8 %`.
pub fn percent(percent: f64) -> String {
    match percent {
        100.0 => "100 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// The word for a change.
pub fn change(change: Change) -> &'static str {
    match change {
        Change::Missing => "missing",
        Change::Extra => "extra",
        Change::Changed => "changed",
    }
}

/// The word for a reason code, as in JSON.
pub fn reason_code(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::PermissionDenied => "permission_denied",
        ReasonCode::Unstable => "unstable",
        ReasonCode::Unsupported => "unsupported",
        ReasonCode::TooLarge => "too_large",
        ReasonCode::Unresolved => "unresolved",
        ReasonCode::Redirected => "redirected",
        ReasonCode::Unreachable => "unreachable",
        ReasonCode::Io => "io",
    }
}

/// The figures of the summary: `3 drifted, 497 clean, 1 not evaluated (99.8 % coverage)`.
pub fn figures(report: &RunReport) -> String {
    let coverage = report.comparison.coverage();
    let mut parts = vec![
        format!("{} drifted", number(coverage.drifted)),
        format!("{} clean", number(coverage.clean)),
    ];
    if coverage.exempted > 0 {
        parts.push(format!("{} exempted", number(coverage.exempted)));
    }
    if coverage.not_evaluated > 0 {
        parts.push(format!("{} not evaluated", number(coverage.not_evaluated)));
    }
    let coverage = percent(coverage.percent());
    let found = match finding::figures(report) {
        Some(found) => format!(" · {found}"),
        None => String::new(),
    };
    format!("{} ({coverage} coverage){found}", parts.join(", "))
}

/// Which baseline: `1a2b3c4d`, or how else the files were read.
pub fn revision(baseline: &BaselineInfo) -> String {
    match &baseline.commit {
        Some(commit) => terminal(commit).chars().take(8).collect(),
        None => "files as they lie".to_owned(),
    }
}

/// What is known of the baseline's signature.
pub fn signature(baseline: &BaselineInfo) -> String {
    match &baseline.signature {
        SignatureState::NotRequired => "unsigned".to_owned(),
        SignatureState::Trusted { principal, .. } => {
            format!("signed by {}", clipped(principal, MAX_INLINE))
        }
        SignatureState::Untrusted => "untrusted, planned offline".to_owned(),
    }
}

/// The path of a file of the baseline, relative to the top of its repository.
pub fn repository_path(baseline: &BaselineInfo, file: &str) -> String {
    let prefix = baseline.prefix.trim_matches('/');
    // A problem without a place is the project's.
    let file = if file.is_empty() {
        "evenkeel.yaml"
    } else {
        file
    };
    match prefix {
        "" => file.to_owned(),
        prefix => format!("{prefix}/{file}"),
    }
}

/// A value on one line, escaped for a terminal.
pub fn inline(shown: &Shown) -> String {
    match shown {
        Shown::Bool(it) => it.to_string(),
        Shown::Int(it) => it.to_string(),
        Shown::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Shown::Text(text) => clipped(text, MAX_INLINE).into_owned(),
        Shown::List(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            clipped(&format!("[{}]", items.join(", ")), 2 * MAX_INLINE).into_owned()
        }
        Shown::Map(map) => {
            let items: Vec<_> = map
                .iter()
                .map(|(key, item)| format!("{}: {}", clipped(key, MAX_INLINE), inline(item)))
                .collect();
            clipped(&format!("{{{}}}", items.join(", ")), 2 * MAX_INLINE).into_owned()
        }
        Shown::Content(content) => match &content.digest {
            Some(digest) => format!("{} (digest {})", size(content.size), &digest[..12]),
            None => size(content.size),
        },
        Shown::Redacted => REDACTED.to_owned(),
    }
}

/// What differs, as labels and sentences, escaped for a terminal: a line a field of what changed, one line of all that is
/// missing or too much. After `max` fields a count of the rest.
pub fn differences(
    disclosure: &Disclosure<'_>,
    drift: &Drift,
    max: usize,
) -> Vec<(String, String)> {
    match (drift.change, drift.before.state(), &drift.after) {
        (Change::Extra, Some(state), _) => {
            return vec![("is".to_owned(), facts(disclosure, drift, &state.fields))];
        }
        (Change::Missing, _, Some(state)) => {
            let facts = facts(disclosure, drift, &state.fields);
            return vec![("should".to_owned(), format!("be {facts}"))];
        }
        _ => {}
    }
    let fields = ordered(&drift.fields);
    let mut lines = Vec::new();
    // What is another sort of thing has fields of its own that the baseline cannot speak of, such as where a link points.
    if let (Some("type"), Some(state)) = (
        fields.first().map(|it| it.path.as_str()),
        drift.before.state(),
    ) {
        lines.push(("is".to_owned(), facts(disclosure, drift, &state.fields)));
    }
    lines.extend(fields.iter().take(max).map(|it| {
        let name = clipped(&it.path, MAX_INLINE).into_owned();
        (name, field(disclosure, drift, it))
    }));
    if fields.len() > max {
        let more = counted(fields.len() - max, "field", "fields");
        lines.push(("and".to_owned(), format!("{more} more")));
    }
    lines
}

/// What a field is and what it should be, on one line.
fn field(disclosure: &Disclosure<'_>, drift: &Drift, field: &FieldDrift) -> String {
    let side = |value: &Option<Value>| {
        value
            .as_ref()
            .map(|value| inline(&disclosure.value(drift, &field.path, value)))
    };
    match (side(&field.actual), side(&field.expected)) {
        (Some(is), Some(_)) if is == REDACTED => format!("differs {REDACTED}"),
        (Some(is), Some(should)) if is == should => format!("differs, {should} on both sides"),
        (Some(is), Some(should)) => format!("is {is}, should be {should}"),
        (Some(is), None) => format!("is {is}, should not be there"),
        (None, Some(should)) => format!("is not there, should be {should}"),
        (None, None) => "differs".to_owned(),
    }
}

/// The fields in the order of reading: what it is, whose it is, what is in it.
fn ordered(fields: &[FieldDrift]) -> Vec<&FieldDrift> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|field| (rank(&field.path), field.path.as_str()));
    fields
}

/// The names of the fields that differ: `mode, content`; empty for what is wholly missing or too much.
pub fn field_names(drift: &Drift, max: usize) -> String {
    if drift.change != Change::Changed {
        return String::new();
    }
    let fields = ordered(&drift.fields);
    let mut names: Vec<_> = fields
        .iter()
        .take(max)
        .map(|field| clipped(&field.path, MAX_INLINE).into_owned())
        .collect();
    if fields.len() > max {
        names.push(format!("{} more", number(fields.len() - max)));
    }
    names.join(", ")
}

/// All that a whole state is, on one line: `file, mode 0644, owner root, content 14 B`.
fn facts(disclosure: &Disclosure<'_>, drift: &Drift, fields: &Fields) -> String {
    let mut names: Vec<_> = fields.keys().collect();
    names.sort_by_key(|name| (rank(name), name.as_str()));
    let facts: Vec<_> = names
        .into_iter()
        .filter(|name| !is_empty(&fields[*name]))
        .map(|name| {
            let value = inline(&disclosure.value(drift, name, &fields[name]));
            match name.as_str() {
                "type" => value,
                name => format!("{} {value}", clipped(name, MAX_INLINE)),
            }
        })
        .collect();
    facts.join(", ")
}

/// Fields that say nothing, such as capabilities of which there are none.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Bool(it) => !it,
        Value::Text(text) => text.is_empty() || text == "none",
        Value::List(items) => items.is_empty(),
        Value::Map(items) => items.is_empty(),
        Value::Int(_) | Value::Blob(_) => false,
    }
}

fn rank(field: &str) -> u8 {
    match field {
        "type" => 0,
        "mode" => 1,
        "owner" | "uid" => 2,
        "group" | "gid" => 3,
        "content" => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: sizes change their unit where they should and never show 1000 of one.
    #[test]
    fn sizes() {
        let shown: Vec<_> = [0, 999, 1000, 999_949, 999_951, 5_000_000_000_000]
            .map(size)
            .to_vec();
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "5000.0 GB"]
        );
    }

    // Goal: thousands are apart from the right.
    #[test]
    fn numbers() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
