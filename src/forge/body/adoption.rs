//! The words of the opposite pull request, which makes the live state the baseline.
//!
//! Flow: drifts and the files that [`adopt`](crate::forge::adopt) changed → [`adopt_proposal`].
//!
//! **Invariant:** it carries no [`Marker`](crate::forge::marker::Marker), so that it is never taken for a request for
//! approval.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::differs::{self, Side, View};
use super::{MAX_BODY_BYTES, baseline, count, in_repository, time};
use crate::forge::marker;
use crate::forge::text::{bounded, code_span, escape_markdown};
use crate::model::{BaselineInfo, Contents, Digest, Drift, ForgeConfig, Risk};
use crate::ports::{FileChange, Proposal};

/// Drifts that become the baseline, with the files that say so.
#[derive(Clone, Debug)]
pub struct Adoption<'a> {
    /// At least one.
    pub drifts: &'a [&'a Drift],
    /// Paths relative to the baseline's directory.
    pub files: Vec<FileChange>,
    /// The same files as the baseline has them.
    pub made_from: Vec<FileChange>,
    pub contents: &'a Contents,
    pub disclosure_key: Option<&'a [u8; 32]>,
    pub baseline: &'a BaselineInfo,
    pub now: Timestamp,
    pub config: &'a ForgeConfig,
}

/// Writes the pull request that makes the live state of these resources the baseline.
pub fn adopt_proposal(adoption: &Adoption<'_>) -> Proposal {
    let in_repository = |file: &FileChange| FileChange {
        path: in_repository(&adoption.baseline.prefix, &file.path),
        content: file.content.clone(),
    };
    let title = title(adoption);
    Proposal {
        branch: marker::adopt_branch(&cause(adoption.drifts)),
        message: format!("{title}\n\nThe live state becomes the baseline.\n"),
        title,
        body: body(adoption),
        files: adoption.files.iter().map(in_repository).collect(),
        made_from: adoption.made_from.iter().map(in_repository).collect(),
        labels: adoption.config.labels.clone(),
    }
}

/// The same for the same resources, so that asking again updates the one pull request.
fn cause(drifts: &[&Drift]) -> String {
    let mut all: Vec<_> = drifts.iter().map(|drift| drift.fingerprint()).collect();
    all.sort();
    all.dedup();
    match &all[..] {
        [one] => one.clone(),
        many => Digest::of_json("evenkeel adoption v1", many).to_string()[..16].to_owned(),
    }
}

fn title(adoption: &Adoption<'_>) -> String {
    let first = &adoption.drifts[0].resource;
    let rest = match adoption.drifts.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let name = super::plain_name(&first.short());
    format!("Adopt the live state of {name}{rest} on {}", first.target)
}

fn body(adoption: &Adoption<'_>) -> String {
    let risk = adoption
        .drifts
        .iter()
        .fold(Risk::default(), |risk, drift| risk.max(drift.risk.clone()));
    let why = match risk.why.as_str() {
        "" => String::new(),
        why => format!(": {}", escape_markdown(why)),
    };
    let mark = marker::adopt_mark(adoption.drifts.iter().map(|drift| drift.fingerprint()));
    let mut out = format!(
        "{mark}\n**Merging this makes the live state the baseline.** Nothing is changed on any live system; what differs now is \
         expected from then on, and kept.\n\n\
         | | |\n|---|---|\n\
         | Reach | {} |\n\
         | Risk of these resources | **{}**{why} |\n\
         | Compared with | {} |\n\
         | Seen | {} |\n\
         | Undo | revert the merge |\n\n",
        count(adoption.drifts.len(), "resource"),
        risk.level,
        baseline(adoption.baseline),
        time(adoption.now)
    );
    let view = View {
        drifts: adoption.drifts,
        contents: adoption.contents,
        key: adoption.disclosure_key,
        prefix: &adoption.baseline.prefix,
        merging_makes: Side::Live,
    };
    differs::section(&view, &mut out);
    out.push_str("### Before you merge\n\nAsk who made this change, and whether they meant to. ");
    let names: Vec<_> = adoption
        .drifts
        .iter()
        .map(|drift| drift.resource.target.to_string())
        .collect();
    let _ = writeln!(
        out,
        "If nobody did, close this and put the baseline back: {}.",
        code_span(&format!("evenkeel reconcile --target {}", names[0]))
    );
    bounded(out, MAX_BODY_BYTES)
}
