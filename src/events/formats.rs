//! Which decoder reads which format, and which function tells what its records mean.

use serde_json::Value;

use super::decode::{Decode, Left, SourceTerms};
use super::{cloudtrail, kubernetes};
use crate::model::{Event, Format, Record};

/// A decoder: JSON records stand for themselves, lines of text may need what came before.
pub enum Decoder {
    Json(fn(Value, u64, &SourceTerms) -> Result<Record, Left>),
    Text(Box<dyn Decode>),
}

/// A new decoder for a source.
pub fn decoder(format: Format, terms: &SourceTerms) -> Decoder {
    match format {
        Format::CloudTrail => Decoder::Json(cloudtrail::decode),
        Format::KubernetesAudit => Decoder::Json(kubernetes::decode),
        _ => unreachable!(),
    }
}

/// What a record means, in the form that all sources share.
pub fn event(record: &Record) -> Event {
    match record.format {
        Format::CloudTrail => cloudtrail::event(record),
        Format::KubernetesAudit => kubernetes::event(record),
        _ => unreachable!(),
    }
}
