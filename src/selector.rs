//! Selectors made ready to match.
//!
//! Flow: [`Selector`] (what the baseline says) → [`Matcher`] → whether it chooses a resource.
//!
//! **Invariant:** a selector whose globs cannot be read matches everything it restricts, so that a protection is never lost.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::{Address, ResourceId, RiskLevel, Selector};

/// A selector with its globs compiled.
#[derive(Debug)]
pub struct Matcher {
    target: Option<GlobMatcher>,
    kind: Option<GlobMatcher>,
    name: Option<GlobMatcher>,
    path: Option<GlobMatcher>,
    risk: Option<RiskFloor>,
    text: String,
}

#[derive(Clone, Copy, Debug)]
enum RiskFloor {
    Level(RiskLevel),
    Irreversible,
}

impl Matcher {
    /// Compiles a selector.
    pub fn new(selector: &Selector) -> Self {
        Self {
            target: selector.target.as_deref().map(|glob| compile(glob, false)),
            kind: selector.kind.as_deref().map(|glob| compile(glob, false)),
            name: selector.name.as_deref().map(|glob| compile(glob, false)),
            path: selector.path.as_deref().map(|glob| compile(glob, true)),
            risk: selector.risk.as_deref().map(|risk| match risk {
                "irreversible" => RiskFloor::Irreversible,
                "high" => RiskFloor::Level(RiskLevel::High),
                "medium" => RiskFloor::Level(RiskLevel::Medium),
                _ => RiskFloor::Level(RiskLevel::Low),
            }),
            text: describe(selector),
        }
    }

    /// Whether the selector chooses this resource, when changing it has this risk.
    pub fn matches(
        &self,
        id: &ResourceId,
        address: &Address,
        level: RiskLevel,
        irreversible: bool,
    ) -> bool {
        let glob = |matcher: &Option<GlobMatcher>, text: &str| {
            matcher.as_ref().is_none_or(|glob| glob.is_match(text))
        };
        let risk = match self.risk {
            None => true,
            Some(RiskFloor::Level(floor)) => level >= floor || irreversible,
            Some(RiskFloor::Irreversible) => irreversible,
        };
        risk && glob(&self.target, &id.target.0)
            && glob(&self.kind, &id.kind.0)
            && glob(&self.name, &id.name)
            && glob(&self.path, &address.0)
    }

    /// The selector as a person would write it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn compile(glob: &str, separate: bool) -> GlobMatcher {
    GlobBuilder::new(glob)
        .literal_separator(separate)
        .backslash_escape(true)
        .build()
        .unwrap_or_else(|_| {
            GlobBuilder::new("**")
                .build()
                .expect("a constant glob compiles")
        })
        .compile_matcher()
}

fn describe(selector: &Selector) -> String {
    let parts = [
        ("target", &selector.target),
        ("kind", &selector.kind),
        ("name", &selector.name),
        ("path", &selector.path),
        ("risk", &selector.risk),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {value}")))
        .collect();
    format!("{{{}}}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetName;

    fn matches(selector: Selector, path: &str, level: RiskLevel, irreversible: bool) -> bool {
        let id = ResourceId::new(&TargetName("web-1".into()), "File", "sshd-config");
        Matcher::new(&selector).matches(&id, &Address(path.into()), level, irreversible)
    }

    // Goal: every part that is given has to match, and a part that is not given excludes nothing.
    #[test]
    fn parts_are_joined_by_and() {
        let both = Selector {
            kind: Some("File".into()),
            target: Some("web-*".into()),
            ..Selector::default()
        };
        assert!(matches(both.clone(), "/x", RiskLevel::Low, false));
        let other = Selector {
            kind: Some("Directory".into()),
            ..both
        };
        assert!(!matches(other, "/x", RiskLevel::Low, false));
    }

    // Goal: one star stays within a directory, two cross it, so that protecting /etc/* does not silently mean all below.
    #[test]
    fn stars_respect_directories() {
        let path = |glob: &str| Selector {
            path: Some(glob.into()),
            ..Selector::default()
        };
        assert!(matches(
            path("/etc/**"),
            "/etc/ssh/sshd_config",
            RiskLevel::Low,
            false
        ));
        assert!(!matches(
            path("/etc/*"),
            "/etc/ssh/sshd_config",
            RiskLevel::Low,
            false
        ));
    }

    // Goal: a risk selector is a floor, and what is irreversible counts as the highest.
    #[test]
    fn risk_is_a_floor() {
        let risk = |level: &str| Selector {
            risk: Some(level.into()),
            ..Selector::default()
        };
        assert!(matches(risk("medium"), "/x", RiskLevel::High, false));
        assert!(!matches(risk("medium"), "/x", RiskLevel::Low, false));
        assert!(matches(risk("high"), "/x", RiskLevel::Low, true));
        assert!(!matches(risk("irreversible"), "/x", RiskLevel::High, false));
    }
}
