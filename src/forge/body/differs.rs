//! The part of a body that shows what differs.
//!
//! Flow: each drift → a table of its fields → a diff of its content, where its resource discloses it.
//!
//! **Invariant:** a live value is shown as it is only when it is of a kind that can hold nothing secret, or disclosed.

use std::fmt::Write as _;

use similar::TextDiff;

use super::{MAX_SHOWN, more};
use crate::forge::text::{bounded, code_span, fenced};
use crate::model::{Blob, Change, Contents, Digest, Drift, Fields, Observed, Value};

/// Fields whose values come from a small set that the system defines, so that showing them discloses nothing.
const PLAIN_FIELDS: [&str; 12] = [
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
    "special_bits",
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
pub(super) enum Side {
    Baseline,
    Live,
}

/// What is shown, and by which means.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub drifts: &'a [&'a Drift],
    pub contents: &'a Contents,
    pub key: Option<&'a [u8; 32]>,
    /// The baseline's directory, relative to the top of the repository.
    pub prefix: &'a str,
    /// What is there after merging: a diff leads from the other side to it.
    pub merging_makes: Side,
}

pub(super) fn section(view: &View<'_>, out: &mut String) {
    out.push_str("### What differs\n\n");
    for drift in view.drifts.iter().take(MAX_SHOWN) {
        one(view, drift, out);
    }
    more(out, view.drifts.len());
}

fn one(view: &View<'_>, drift: &Drift, out: &mut String) {
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
        code_span(&place(view, drift))
    );
    table(view, drift, out);
    if let Some(diff) = content_diff(view, drift) {
        out.push_str(&diff);
        out.push('\n');
    }
}

/// Where the baseline says it, relative to the top of the repository.
fn place(view: &View<'_>, drift: &Drift) -> String {
    let origin = &drift.origin;
    match view.prefix.trim_matches('/') {
        "" => format!("{}:{}", origin.file, origin.line),
        prefix => format!("{prefix}/{}:{}", origin.file, origin.line),
    }
}

fn table(view: &View<'_>, drift: &Drift, out: &mut String) {
    let mut rows = String::new();
    for field in drift.fields.iter().take(MAX_SHOWN) {
        let _ = writeln!(
            rows,
            "| {} | {} | {} |",
            code_span(&field.path),
            shown(
                view,
                drift,
                &field.path,
                field.expected.as_ref(),
                Side::Baseline
            ),
            shown(view, drift, &field.path, field.actual.as_ref(), Side::Live)
        );
    }
    if drift.fields.is_empty() {
        let live = drift.before.state().map(|state| &state.fields);
        for (path, value) in live.into_iter().flatten().take(MAX_SHOWN) {
            let live = shown(view, drift, path, Some(value), Side::Live);
            let _ = writeln!(rows, "| {} | (none) | {live} |", code_span(path));
        }
    }
    if !rows.is_empty() {
        let _ = writeln!(out, "| field | baseline | live |\n|---|---|---|\n{rows}");
    }
}

fn shown(view: &View<'_>, drift: &Drift, path: &str, value: Option<&Value>, side: Side) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let open = drift.disclose && !drift.sensitive;
    match value {
        // The size of a short secret says much of it, so not even that is told.
        Value::Text(_) | Value::Blob(_) if drift.sensitive && !is_plain_value(path, value) => {
            "not shown".to_owned()
        }
        Value::Bool(value) => code_span(&value.to_string()),
        Value::Int(value) => code_span(&value.to_string()),
        Value::Text(text) if open || is_plain(path, text) => code_span(text),
        Value::Text(text) => digest_words(view, "text", Blob::of(text.as_bytes()), side),
        Value::Blob(blob) => digest_words(view, "content", *blob, side),
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

fn is_plain_value(path: &str, value: &Value) -> bool {
    value.as_text().is_some_and(|text| is_plain(path, text))
}

fn is_plain(path: &str, text: &str) -> bool {
    PLAIN_FIELDS.contains(&path) && text.chars().count() <= MAX_PLAIN_CHARS
}

/// What may be said of undisclosed content: its sort, its size and a digest that nobody without the key can confirm a
/// guess with. Of the baseline's side not even that, since it lies open in git beside the live side's.
fn digest_words(view: &View<'_>, sort: &str, blob: Blob, side: Side) -> String {
    let digest = match (side, view.key) {
        (Side::Live, Some(key)) => format!(
            ", keyed digest {}",
            code_span(&blob.digest.keyed(key).to_string())
        ),
        (Side::Live, None) => ", not disclosed".to_owned(),
        (Side::Baseline, _) => ", as committed".to_owned(),
    };
    format!("{sort}, {} bytes{digest}", blob.size)
}

/// A unified diff from what is there to what merging makes of it, for disclosed text.
fn content_diff(view: &View<'_>, drift: &Drift) -> Option<String> {
    if !drift.disclose || drift.sensitive {
        return None;
    }
    let live = side_text(view, live_fields(&drift.before))?;
    let baseline = side_text(view, drift.after.as_ref().map(|state| &state.fields))?;
    if live == baseline {
        return None;
    }
    let (name, old, new) = match view.merging_makes {
        Side::Baseline => ("live", live, baseline),
        Side::Live => ("baseline", baseline, live),
    };
    let unified = TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(3)
        .header(name, "after merging")
        .to_string();
    Some(fenced("diff", &bounded(unified, MAX_DIFF_BYTES)))
}

fn live_fields(observed: &Observed) -> Option<&Fields> {
    observed.state().map(|state| &state.fields)
}

/// The text of one side: empty where the resource does not exist, none where it is no text, too large or not at hand.
fn side_text(view: &View<'_>, fields: Option<&Fields>) -> Option<String> {
    let Some(fields) = fields else {
        return Some(String::new());
    };
    let blob = fields.get("content")?.as_blob()?;
    if blob.size > MAX_DIFF_INPUT {
        return None;
    }
    let bytes = match blob.size {
        0 => std::sync::Arc::from([]),
        _ => content(view, &blob.digest)?,
    };
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    (text.lines().count() <= MAX_DIFF_LINES).then_some(text)
}

fn content(view: &View<'_>, digest: &Digest) -> Option<std::sync::Arc<[u8]>> {
    view.contents.get(digest)
}
