//! Which paths are for a tree to judge.
//!
//! **Invariant:** what is ignored, or said by another resource, is nothing that a tree finds; also not on the host, which
//! is told of both by the options of the tree's steps.

use std::collections::BTreeSet;

use crate::model::{Address, Fields, Value};
use crate::providers::host::fs::HostPath;
use crate::providers::host::glob::Globs;

const WITHIN: &str = "within";
const IGNORE: &str = "ignore";
const EVERYWHERE: &str = "everywhere";
const OTHERS: &str = "others";
const APART: &str = "apart";

/// A tree's place, and what in it is not the tree's.
#[derive(Default)]
pub struct Bounds {
    pub within: HostPath,
    /// Relative to it.
    pub ignore: Globs,
    /// On whole paths.
    pub everywhere: Globs,
    /// Paths that other resources are about.
    pub others: BTreeSet<HostPath>,
    /// Directories of which another resource says what they hold.
    pub apart: BTreeSet<HostPath>,
}

impl Bounds {
    /// The bounds in an option; none where they cannot be understood.
    pub fn of(option: &Fields) -> Option<Self> {
        let texts = |name: &str| match option.get(name) {
            Some(Value::List(texts)) => texts.iter().filter_map(Value::as_text).collect(),
            _ => Vec::new(),
        };
        let globs = |name: &str| {
            let texts: Vec<String> = texts(name).into_iter().map(str::to_owned).collect();
            Globs::new(&texts).ok()
        };
        let place = |text: &str| HostPath::from_address(&Address(text.to_owned()));
        let places = |name: &str| texts(name).into_iter().map(place).collect::<Option<_>>();
        Some(Self {
            within: option
                .get(WITHIN)
                .and_then(Value::as_text)
                .and_then(place)?,
            ignore: globs(IGNORE)?,
            everywhere: globs(EVERYWHERE)?,
            others: places(OTHERS)?,
            apart: places(APART)?,
        })
    }

    /// As an option.
    pub fn option(within: &HostPath, ignore: &[String], everywhere: &[String]) -> Fields {
        let globs = |texts: &[String]| Value::List(texts.iter().map(Value::text).collect());
        Fields::from([
            (WITHIN.to_owned(), Value::Text(within.address().0)),
            (IGNORE.to_owned(), globs(ignore)),
            (EVERYWHERE.to_owned(), globs(everywhere)),
        ])
    }

    /// Adds to an option what other resources say.
    pub fn leave_to_others(option: &mut Fields, others: &[&HostPath], apart: &[&HostPath]) {
        let list = |places: &[&HostPath]| {
            let places: BTreeSet<&HostPath> = places.iter().copied().collect();
            Value::List(
                places
                    .into_iter()
                    .map(|place| Value::Text(place.address().0))
                    .collect(),
            )
        };
        option.insert(OTHERS.to_owned(), list(others));
        option.insert(APART.to_owned(), list(apart));
    }

    /// Whether anything in the place may be ignored.
    pub fn has_exceptions(&self) -> bool {
        !self.ignore.is_empty() || !self.everywhere.is_empty()
    }

    /// Whether a path in the place is ignored, with all that it holds.
    pub fn is_ignored(&self, path: &HostPath) -> bool {
        if !self.has_exceptions() {
            return false;
        }
        let top = self.within.0.len();
        (top + 1..=path.0.len()).any(|length| {
            let relative = || path.0[top..length].join(&b'/');
            let whole = || [b"/", path.0[..length].join(&b'/').as_slice()].concat();
            !self.ignore.is_empty() && self.ignore.matches(&relative())
                || !self.everywhere.is_empty() && self.everywhere.matches(&whole())
        })
    }

    /// Whether a path is for the tree to judge.
    pub fn counts(&self, path: &HostPath) -> bool {
        let is_apart = |length: usize| self.apart.contains(&HostPath(path.0[..length].to_vec()));
        path.is_within(&self.within)
            && !self.others.contains(path)
            && !self.is_ignored(path)
            && (self.apart.is_empty() || !(self.within.0.len() + 1..=path.0.len()).any(is_apart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> HostPath {
        HostPath::from_address(&Address(text.to_owned())).unwrap()
    }

    // Goal: what a person excepted, or another resource says, stays excepted on the host too: bounds that went through an
    // option say the same, and a damaged option is none rather than one without exceptions.
    #[test]
    fn exceptions_survive_the_option() {
        let ignore = ["local/**".to_owned(), "*.log".to_owned()];
        let mut option = Bounds::option(&path("/usr"), &ignore, &["/usr/opt".to_owned()]);
        let (other, apart) = (path("/usr/bin/w"), path("/usr/lib/mod"));
        Bounds::leave_to_others(&mut option, &[&other], &[&apart]);
        let bounds = Bounds::of(&option).unwrap();
        for (address, counts) in [
            ("/usr", true),
            ("/usr/bin/ls", true),
            ("/etc/passwd", false),
            ("/usrx", false),
            ("/usr/local", false),
            ("/usr/local/bin/x", false),
            ("/usr/a.log", false),
            ("/usr/a.log/x", false),
            ("/usr/opt/x", false),
            ("/usr/bin/w", false),
            ("/usr/lib/mod", false),
            ("/usr/lib/mod/one", false),
            ("/usr/lib/module", true),
        ] {
            assert_eq!(bounds.counts(&path(address)), counts, "{address}");
        }
        for (name, value) in [(WITHIN, "x"), (OTHERS, "x"), (IGNORE, "[")] {
            let mut damaged = option.clone();
            let value = match name {
                WITHIN => Value::text(value),
                _ => Value::List(vec![Value::text(value)]),
            };
            damaged.insert(name.to_owned(), value);
            assert!(Bounds::of(&damaged).is_none(), "{name}");
        }
    }
}
