//! What families ask of a drift.

use crate::model::{Change, Drift, FieldDrift, State, Value};

/// The fields that say what something holds, and not what may be done with it.
const HOLDS: [&str; 7] = [
    "content", "type", "target", "lines", "device", "tree", "xattrs",
];

/// A drift with what is asked of it often.
pub struct Seen<'a> {
    pub drift: &'a Drift,
    pub kind: &'a str,
    /// The place in the file system, where it is at one.
    pub path: Option<&'a str>,
}

impl<'a> Seen<'a> {
    pub fn new(drift: &'a Drift) -> Self {
        let address = drift.address.0.as_str();
        let is_path = address.starts_with('/') && !address.starts_with("//");
        Self {
            drift,
            kind: &drift.resource.kind.0,
            path: is_path.then_some(address),
        }
    }

    /// The words of a part's address behind its kind: `alice`, `in`, `sudo` of `//user/alice/in/sudo`.
    pub fn part(&self, kind: &str) -> Option<Vec<&'a str>> {
        let rest = self.drift.address.0.strip_prefix("//")?;
        let mut words = rest.split('/');
        (words.next() == Some(kind)).then(|| words.collect())
    }

    pub fn is_missing(&self) -> bool {
        self.drift.change == Change::Missing
    }

    pub fn is_extra(&self) -> bool {
        self.drift.change == Change::Extra
    }

    /// The kind of the resource that lists it.
    pub fn found_in(&self) -> Option<&'a str> {
        Some(self.drift.found_in.as_ref()?.kind.0.as_str())
    }

    /// Whether it is at one of these places or below, or is a folder that nobody lists with such a place in it.
    pub fn within(&self, places: &[&str]) -> bool {
        let Some(path) = self.path else {
            return false;
        };
        let holds = self.is_extra() && self.live("type") == Some("directory");
        places
            .iter()
            .any(|place| lies_in(path, place) || (holds && lies_in(place, path)))
    }

    /// Its last name.
    pub fn name(&self) -> &'a str {
        let path = self.drift.address.0.as_str();
        path.rsplit_once('/').map_or(path, |(_, name)| name)
    }

    /// Whether it holds something else than git says: its permissions apart. What is missing holds nothing.
    pub fn holds_other(&self) -> bool {
        match self.drift.change {
            Change::Extra => true,
            Change::Missing => false,
            Change::Changed => HOLDS.iter().any(|field| self.differs(field)),
        }
    }

    /// Whether it holds something else, or is gone.
    pub fn is_other(&self) -> bool {
        self.is_missing() || self.holds_other()
    }

    /// The drifts of a field, and of what is inside of it.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &'a FieldDrift> {
        let is_it = move |path: &str| {
            let rest = path.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let fields = self.drift.fields.iter();
        fields.filter(move |field| is_it(&field.path))
    }

    pub fn differs(&self, name: &str) -> bool {
        self.fields(name).next().is_some()
    }

    /// Whether anything is there of a field that git does not say, or says otherwise.
    pub fn adds(&self, name: &str) -> bool {
        self.fields(name).any(|field| field.actual.is_some())
    }

    /// What a text field that differs is now.
    pub fn now(&self, name: &str) -> Option<&'a str> {
        self.fields(name)
            .find_map(|field| field.actual.as_ref()?.as_text())
    }

    /// What a text field that differs should be.
    pub fn expected(&self, name: &str) -> Option<&'a str> {
        self.fields(name)
            .find_map(|field| field.expected.as_ref()?.as_text())
    }

    /// A text of what is there, whether it differs or not.
    pub fn live(&self, name: &str) -> Option<&'a str> {
        self.drift.before.state()?.get(name)?.as_text()
    }

    pub fn live_number(&self, name: &str) -> Option<i64> {
        self.drift.before.state()?.get(name)?.as_int()
    }

    /// The bits of the mode that are there.
    pub fn mode(&self) -> Option<u32> {
        mode_of(self.drift.before.state()?)
    }

    /// The bits of the mode that git wants, as far as it says so.
    pub fn wanted_mode(&self) -> Option<u32> {
        mode_of(self.drift.after.as_ref()?)
    }

    /// Whether a file that can be executed is there, or should be. Of a link the bits mean nothing.
    pub fn is_program(&self) -> bool {
        let states = [self.drift.before.state(), self.drift.after.as_ref()];
        states.into_iter().flatten().any(|state| {
            let is_file = state.get("type").and_then(Value::as_text) == Some("file");
            is_file && mode_of(state).is_some_and(|mode| mode & 0o111 != 0)
        })
    }

    /// The bits of the mode that are set and that git does not want; of what nobody lists, all of them.
    pub fn bits_too_many(&self) -> u32 {
        match self.drift.change {
            Change::Missing => 0,
            Change::Extra => self.mode().unwrap_or(0) & !self.wanted_mode().unwrap_or(0),
            Change::Changed => {
                let (Some(now), Some(wanted)) = (self.mode(), self.wanted_mode()) else {
                    return 0;
                };
                now & !wanted
            }
        }
    }

    /// Whether somebody else owns it, or an access list says more.
    pub fn has_other_owner(&self) -> bool {
        self.drift.change == Change::Changed
            && (self.differs("uid") || self.now("acl").is_some_and(|acl| acl != "none"))
    }
}

fn mode_of(state: &State) -> Option<u32> {
    let text = state.get("mode").and_then(Value::as_text)?;
    u32::from_str_radix(text, 8).ok()
}

/// Whether a path is a place or below it.
pub fn lies_in(path: &str, place: &str) -> bool {
    let rest = path.strip_prefix(place);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
