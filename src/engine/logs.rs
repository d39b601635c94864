//! Logs in a run: what rules find in them, and who is behind what differs.
//!
//! Flow: drifts and logs → one pass over all records → findings by rules, the author of each drift.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::detect::attribution::{Kept, Span, Wanted, attribute};
use crate::detect::scan::{Scan, ScanOptions, look_at_all};
use crate::detect::sigma::Rules;
use crate::model::{Authorship, Comparison, Detection, Drift, Finding, Known, ResourceId};
use crate::ports::Logs;

/// The logs of a run, and what to look for in them.
#[derive(Clone)]
pub struct LogInput<'a> {
    pub logs: &'a dyn Logs,
    /// May be none: then only authors are looked for.
    pub rules: Arc<Rules>,
    pub options: ScanOptions,
}

/// What logs say.
#[derive(Clone, Default)]
pub(super) struct Heard {
    /// Who is behind what differs. Empty where no logs were read and git says nothing.
    pub authors: BTreeMap<ResourceId, Authorship>,
    /// What rules found.
    pub findings: Vec<Finding>,
    /// What was read; its findings are those above. None where no logs were given.
    pub detection: Option<Detection>,
}

impl Heard {
    /// What failed, each as a sentence.
    pub fn errors(&self) -> Vec<String> {
        let sources = self.detection.iter().flat_map(|it| &it.sources);
        sources
            .filter_map(|source| {
                let error = source.error.as_ref()?;
                let name = &source.source;
                Some(format!(
                    "failed to read the log {name}: {error}; what it says of this is not known"
                ))
            })
            .collect()
    }
}

/// Asks the logs once for all that differs, exempted or not.
pub(super) fn ask(input: Option<&LogInput<'_>>, comparison: &Comparison, known: &Known) -> Heard {
    let exempted = comparison.exempted.iter().map(|it| &it.drift);
    let drifts: Vec<Drift> = comparison.drifts.iter().chain(exempted).cloned().collect();
    let mut kept = Kept::new(Wanted::of(&drifts));
    let detection = input.map(|input| read(input, &mut kept));
    let authors = attribute(&drifts, &kept, known, Span::default());
    let authors = drifts.into_iter().map(|drift| drift.resource).zip(authors);
    // Without logs, that none tells of it says nothing.
    let is_said = |author: &Authorship| input.is_some() || matches!(author, Authorship::By(_));
    let mut heard = Heard {
        authors: authors.filter(|(_, author)| is_said(author)).collect(),
        findings: Vec::new(),
        detection,
    };
    if let Some(detection) = &mut heard.detection {
        heard.findings = std::mem::take(&mut detection.findings);
    }
    heard
}

fn read(input: &LogInput<'_>, kept: &mut Kept) -> Detection {
    let mut scan = Scan::new(Arc::clone(&input.rules), input.options);
    let sources = input.logs.read(&mut |records| {
        records.iter().for_each(|record| kept.take(record));
        let looked = look_at_all(&input.rules, records);
        looked.into_iter().for_each(|looked| scan.take(looked));
    });
    let (mut detection, _) = scan.finish();
    detection.sources = sources;
    detection
}
