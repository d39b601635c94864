//! The part of a body that shows what differs.
//!
//! Flow: each drift → a table of its fields → a diff of its content, where its resource discloses it.
//!
//! **Invariant:** a live value is shown as it is only when it is of a kind that can hold nothing secret, or disclosed.

use std::fmt::Write as _;

use similar::TextDiff;

use super::{Case, MAX_SHOWN, more};
use crate::forge::text::{bounded, code_span, fenced};
use crate::model::{Blob, Change, Digest, Drift, Fields, Observed, Value};

/// Fields whose values come from a small set that the system defines, so that showing them discloses nothing.
const PLAIN_FIELDS: [&str; 11] = [
    "type",
    "mode",
    "owner",
    "group",
    "uid",
    "gid",
    "capabilities",
    "immutable",
    "append_only",
    "flags",
    "links",
];
/// The longest text of a plain field that is shown, in characters.
const MAX_PLAIN_CHARS: usize = 64;
/// The largest content that is compared line by line, in bytes and lines, since comparing takes the product of both
/// sides' lines at worst; and the largest diff, in bytes.
const MAX_DIFF_INPUT: u64 = 256 * 1024;
const MAX_DIFF_LINES: usize = 2_000;
const MAX_DIFF_BYTES: usize = 12_000;

/// Which side of a comparison a value is from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Baseline,
    Live,
}

pub(super) fn section(case: &Case<'_>, out: &mut String) {
    out.push_str("### What differs\n\n");
    for drift in case.drifts.iter().take(MAX_SHOWN) {
        one(case, drift, out);
    }
    more(out, case.drifts.len());
}

fn one(case: &Case<'_>, drift: &Drift, out: &mut String) {
    let what = match drift.change {
        Change::Missing => "is missing".to_owned(),
        Change::Extra => match &drift.found_in {
            Some(scope) => format!(
                "is there, and the complete list in {} does not have it",
                code_span(&scope.short())
            ),
            None => "is there, and the baseline says that it must not be".to_owned(),
        },
        Change::Changed => "is changed".to_owned(),
    };
    let _ = writeln!(
        out,
        "{} at {} **{what}** ({})\n",
        code_span(&drift.resource.short()),
        code_span(&drift.address.0),
        code_span(&place(case, drift))
    );
    table(case, drift, out);
    if let Some(diff) = content_diff(case, drift) {
        out.push_str(&diff);
        out.push('\n');
    }
}

/// Where the baseline says it, relative to the top of the repository.
fn place(case: &Case<'_>, drift: &Drift) -> String {
    let origin = &drift.origin;
    match case.baseline.prefix.trim_matches('/') {
        "" => format!("{}:{}", origin.file, origin.line),
        prefix => format!("{prefix}/{}:{}", origin.file, origin.line),
    }
}

fn table(case: &Case<'_>, drift: &Drift, out: &mut String) {
    let mut rows = String::new();
    for field in drift.fields.iter().take(MAX_SHOWN) {
        let _ = writeln!(
            rows,
            "| {} | {} | {} |",
            code_span(&field.path),
            shown(
                case,
                drift,
                &field.path,
                field.expected.as_ref(),
                Side::Baseline
            ),
            shown(case, drift, &field.path, field.actual.as_ref(), Side::Live)
        );
    }
    if drift.fields.is_empty() {
        let live = drift.before.state().map(|state| &state.fields);
        for (path, value) in live.into_iter().flatten().take(MAX_SHOWN) {
            let live = shown(case, drift, path, Some(value), Side::Live);
            let _ = writeln!(rows, "| {} | (none) | {live} |", code_span(path));
        }
    }
    if !rows.is_empty() {
        let _ = writeln!(out, "| field | baseline | live |\n|---|---|---|\n{rows}");
    }
}

fn shown(case: &Case<'_>, drift: &Drift, path: &str, value: Option<&Value>, side: Side) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let open = drift.disclose && !drift.sensitive;
    match value {
        Value::Bool(value) => code_span(&value.to_string()),
        Value::Int(value) => code_span(&value.to_string()),
        Value::Text(text) if open || is_plain(path, text) => code_span(text),
        Value::Text(text) => digest_words(case, "text", Blob::of(text.as_bytes()), side),
        Value::Blob(blob) => digest_words(case, "content", *blob, side),
        Value::List(items) => {
            let all: Option<Vec<_>> = items.iter().map(Value::as_text).collect();
            match all {
                Some(texts) if open || texts.iter().all(|text| is_plain(path, text)) => {
                    code_span(&texts.join(", "))
                }
                _ => format!("{} entries", items.len()),
            }
        }
        Value::Map(entries) => format!("{} entries", entries.len()),
    }
}

fn is_plain(path: &str, text: &str) -> bool {
    PLAIN_FIELDS.contains(&path) && text.chars().count() <= MAX_PLAIN_CHARS
}

/// What may be said of undisclosed content: its sort, its size and a digest that nobody without the key can confirm a
/// guess with. Of the baseline's side not even that, since it lies open in git beside the live side's.
fn digest_words(case: &Case<'_>, sort: &str, blob: Blob, side: Side) -> String {
    let digest = match (side, case.disclosure_key) {
        (Side::Live, Some(key)) => format!(
            ", keyed digest {}",
            code_span(&blob.digest.keyed(key).to_string())
        ),
        (Side::Live, None) => ", not disclosed".to_owned(),
        (Side::Baseline, _) => ", as committed".to_owned(),
    };
    format!("{sort}, {} bytes{digest}", blob.size)
}

/// A unified diff from what is live to what merging puts there, for disclosed text.
fn content_diff(case: &Case<'_>, drift: &Drift) -> Option<String> {
    if !drift.disclose || drift.sensitive {
        return None;
    }
    let live = side_text(case, live_fields(&drift.before))?;
    let baseline = side_text(case, drift.after.as_ref().map(|state| &state.fields))?;
    if live == baseline {
        return None;
    }
    let unified = TextDiff::from_lines(&live, &baseline)
        .unified_diff()
        .context_radius(3)
        .header("live", "after merging")
        .to_string();
    Some(fenced("diff", &bounded(unified, MAX_DIFF_BYTES)))
}

fn live_fields(observed: &Observed) -> Option<&Fields> {
    observed.state().map(|state| &state.fields)
}

/// The text of one side: empty where the resource does not exist, none where it is no text, too large or not at hand.
fn side_text(case: &Case<'_>, fields: Option<&Fields>) -> Option<String> {
    let Some(fields) = fields else {
        return Some(String::new());
    };
    let blob = fields.get("content")?.as_blob()?;
    if blob.size > MAX_DIFF_INPUT {
        return None;
    }
    let bytes = match blob.size {
        0 => std::sync::Arc::from([]),
        _ => content(case, &blob.digest)?,
    };
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (text.lines().count() <= MAX_DIFF_LINES).then_some(text)
}

fn content(case: &Case<'_>, digest: &Digest) -> Option<std::sync::Arc<[u8]>> {
    case.contents.get(digest)
}
