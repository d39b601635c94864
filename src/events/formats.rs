//! Which decoder reads which format, and which function tells what its records mean.

use serde_json::Value;

use super::decode::{Decode, Left, SourceTerms};
use super::{auditd, cloudtrail, journald, kubernetes, suricata, syslog};
use crate::model::{Event, Format, Record};

/// A decoder: JSON records stand for themselves, lines of text may need what came before.
pub enum Decoder {
    Json(fn(Value, u64, &SourceTerms) -> Result<Record, Left>),
    Text(Box<dyn Decode>),
}

/// A new decoder for a source; none for a format that is known and cannot be read.
pub fn decoder(format: Format, terms: &SourceTerms) -> Option<Decoder> {
    Some(match format {
        Format::CloudTrail => Decoder::Json(cloudtrail::decode),
        Format::KubernetesAudit => Decoder::Json(kubernetes::decode),
        Format::Auditd => Decoder::Text(Box::new(auditd::Auditd::new(terms.clone()))),
        Format::Syslog => Decoder::Text(Box::new(syslog::Syslog::new(terms.clone()))),
        Format::Suricata => Decoder::Json(suricata::decode),
        Format::Journald => Decoder::Json(journald::decode),
        Format::Falco | Format::Ocsf => return None,
    })
}

/// What a record means, in the form that all sources share.
pub fn event(record: &Record) -> Event {
    match record.format {
        Format::CloudTrail => cloudtrail::event(record),
        Format::KubernetesAudit => kubernetes::event(record),
        Format::Auditd => auditd::event(record),
        Format::Syslog => syslog::event(record),
        Format::Journald => journald::event(record),
        Format::Suricata => suricata::event(record),
        Format::Falco | Format::Ocsf => Event::default(),
    }
}
