//! What is known of a drift's author, on the findings that the drift gives.
//!
//! **Invariant:** a level goes down only for a class that git or authenticated records prove, and up for what speaks against
//! the author.

use crate::model::{Attribution, Authorship, Class, Finding, Level};

/// Puts who it was on a finding, with the records that show it and the level that it makes.
pub(super) fn tell(finding: &mut Finding, authorship: &Authorship) {
    let Authorship::By(by) = authorship else {
        return;
    };
    finding.level = level(finding.level, by);
    finding.actor.clone_from(&by.actor);
    finding.addresses.clone_from(&by.addresses);
    finding.events.clone_from(&by.events);
    finding.event_count = by.events.len() as u64;
    finding.first = by.events.iter().map(|event| event.time).min();
    finding.last = by.events.iter().map(|event| event.time).max();
}

/// The level that an indicator has for this author, where no rule of the team says another one.
fn level(level: Level, by: &Attribution) -> Level {
    match (by.class, by.against.is_empty()) {
        (Class::Intended, _) => Level::Informational,
        (Class::Controller, _) => level.min(Level::Low),
        (Class::Manual, _) => level.down(),
        (Class::Suspicious, true) => level,
        (Class::Suspicious, false) => level.up(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Confidence, ResourceId, TargetName};

    fn by(class: Class, against: &[&str]) -> Attribution {
        Attribution {
            class,
            actor: None,
            original: None,
            addresses: vec!["192.0.2.7".into()],
            key_fingerprint: None,
            time: None,
            method: String::new(),
            events: Vec::new(),
            trust: None,
            confidence: Confidence::High,
            reason: String::new(),
            against: against.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    fn told(authorship: &Authorship) -> Finding {
        let id = ResourceId::new(&TargetName("h1".into()), "File", "/etc/a");
        let mut finding = Finding::on(id, "some", Level::Medium);
        tell(&mut finding, authorship);
        finding
    }

    // Goal: each class has its level, and that nobody is known changes nothing.
    #[test]
    fn the_author_weighs() {
        let cases = [
            (by(Class::Intended, &[]), Level::Informational),
            (by(Class::Controller, &[]), Level::Low),
            (by(Class::Manual, &[]), Level::Low),
            (by(Class::Suspicious, &[]), Level::Medium),
            (
                by(Class::Suspicious, &["never came from there"]),
                Level::High,
            ),
        ];
        for (by, level) in cases {
            let class = by.class;
            let finding = told(&Authorship::By(Box::new(by)));
            assert_eq!(finding.level, level, "{class:?}");
            assert_eq!(finding.addresses, ["192.0.2.7"]);
        }
        let unknown = told(&Authorship::NoEvent { coverage: vec![] });
        assert_eq!(unknown.level, Level::Medium);
        assert!(unknown.addresses.is_empty());
    }

    // Goal: there is nothing below the lowest level and nothing above the highest.
    #[test]
    fn levels_have_ends() {
        assert_eq!(Level::Informational.down(), Level::Informational);
        assert_eq!(Level::Critical.up(), Level::Critical);
        assert_eq!(Level::High.up().down(), Level::High);
    }
}
