//! Who is behind a drift, in words that several forms of output share.

use crate::model::{Attribution, Authorship, Class, Detection, Finding, LogCoverage};

use super::words::{counted, number};

/// The most sources that are named where no record tells of a drift.
const MAX_SOURCES: usize = 3;

/// `suspicious: root from 192.0.2.66 at 2026-…: …; 192.0.2.66 is no address that root comes from`, unescaped.
pub fn sentence(author: &Authorship) -> String {
    match author {
        Authorship::By(by) => attributed(by),
        Authorship::NoEvent { coverage } if coverage.is_empty() => {
            "unknown: the logs that were read hold no record".to_owned()
        }
        Authorship::NoEvent { coverage } => {
            let mut each: Vec<_> = coverage.iter().take(MAX_SOURCES).map(covered).collect();
            if coverage.len() > MAX_SOURCES {
                each.push(format!("and {} more", number(coverage.len() - MAX_SOURCES)));
            }
            format!(
                "unknown: no record tells of it; read were {}",
                each.join(", ")
            )
        }
    }
}

fn attributed(by: &Attribution) -> String {
    let mut words = format!("{}: ", by.class.name());
    if let Some(actor) = &by.actor {
        words.push_str(&actor.name);
        if !by.addresses.is_empty() {
            words.push_str(&format!(" from {}", by.addresses.join(", ")));
        }
        if let Some(time) = by.time {
            words.push_str(&format!(" at {time:.0}"));
        }
        words.push_str("; ");
    }
    words.push_str(&by.reason);
    if !by.method.is_empty() && by.class != Class::Intended {
        words.push_str(&format!("; {}", by.method));
    }
    words
}

/// `audit.log from 03:00 to 04:00 (12 records, none from 03:10 to 03:40)`
fn covered(source: &LogCoverage) -> String {
    let LogCoverage {
        source: name,
        from,
        until,
        records,
        gaps,
        ..
    } = source;
    let records = counted(*records as usize, "record", "records");
    let silent: Vec<_> = gaps
        .iter()
        .map(|gap| format!("none from {:.0} to {:.0}", gap.from, gap.until))
        .collect();
    let silent = match silent.is_empty() {
        true => String::new(),
        false => format!(", {}", silent.join(", ")),
    };
    format!("{name} from {from:.0} to {until:.0} ({records}{silent})")
}

/// `, by root from 192.0.2.66`; nothing where nobody is known.
pub fn of_finding(finding: &Finding) -> String {
    let Some(actor) = &finding.actor else {
        return String::new();
    };
    match finding.addresses.is_empty() {
        true => format!(", by {}", actor.name),
        false => format!(", by {} from {}", actor.name, finding.addresses.join(", ")),
    }
}

/// `2 logs with 1,204 records, 57 rules`, with what of them was not looked at.
pub fn logs(read: &Detection) -> String {
    let lost: u64 = read.sources.iter().map(|source| source.lost()).sum();
    let mut words = format!(
        "{} with {}, {}",
        counted(read.sources.len(), "log", "logs"),
        counted(read.records() as usize, "record", "records"),
        counted(read.rules.loaded, "rule", "rules"),
    );
    if lost > 0 {
        words.push_str(&format!(
            "; {} could not be read",
            counted(lost as usize, "line", "lines")
        ));
    }
    let beyond: u64 = read.beyond.iter().map(|it| it.hits).sum();
    if beyond > 0 {
        words.push_str(&format!(
            "; {} more than are kept",
            counted(beyond as usize, "hit", "hits")
        ));
    }
    words
}
