//! The modifiers behind a field's name: which there are, which go together, and in which order.

use std::fmt;

use super::encode::Utf16;
use super::text::Anchor;
use crate::document::suggest;

/// What is asked of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Text(Anchor),
    Regex {
        ignore_case: bool,
        multi_line: bool,
        dot_all: bool,
    },
    Cidr,
    Compare(Comparison),
    Exists,
    /// The value is the name of another field.
    Field(Anchor),
    Part(Part),
}

/// A comparison of numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A part of a time, as it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Part {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// What is made of a value before it is looked for, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transform {
    Windash,
    Utf16(Utf16),
    Base64,
    Base64Offset,
}

/// All that stands behind a field's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Modifiers {
    pub operation: Operation,
    /// All values have to hold instead of one.
    pub all: bool,
    pub cased: bool,
    /// The item holds where it would not without this.
    pub negated: bool,
    /// `%name%` in the values stands for something.
    pub expand: bool,
    pub transforms: Vec<Transform>,
}

/// Why a chain of modifiers means nothing.
#[derive(Debug)]
pub(super) struct NoSense {
    pub message: String,
    pub hint: String,
}

const KNOWN: [&str; 31] = [
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "endswith",
    "exists",
    "expand",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

impl Part {
    const ALL: [(&'static str, Self, i64, i64); 6] = [
        ("minute", Self::Minute, 0, 59),
        ("hour", Self::Hour, 0, 23),
        ("day", Self::Day, 1, 31),
        ("week", Self::Week, 1, 53),
        ("month", Self::Month, 1, 12),
        ("year", Self::Year, 1, 9999),
    ];

    /// By its name in a rule.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, part, ..)| *part)
    }

    /// What values it can have.
    pub fn range(self) -> (i64, i64) {
        let found = Self::ALL.iter().find(|(_, part, ..)| *part == self);
        found.map_or((0, 0), |(_, _, least, most)| (*least, *most))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, part, ..)| part == self);
        f.write_str(found.map_or("", |(name, ..)| name))
    }
}

/// What the modifiers of one chain say, before it is known whether that goes together.
#[derive(Default)]
struct Chain {
    operation: Option<(Operation, String)>,
    anchor: Option<Anchor>,
    all: bool,
    cased: bool,
    negated: bool,
    expand: bool,
    transforms: Vec<Transform>,
}

fn no_sense(message: impl Into<String>, hint: impl Into<String>) -> NoSense {
    NoSense {
        message: message.into(),
        hint: hint.into(),
    }
}

impl Modifiers {
    /// Reads what stands between and behind the bars of `field|a|b`.
    pub fn parse(names: &[&str]) -> Result<Self, NoSense> {
        let mut chain = Chain::default();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(no_sense(
                    format!("the modifier `{name}` stands there twice"),
                    "write it once",
                ));
            }
            chain.add(name)?;
        }
        chain.finish()
    }
}

impl Chain {
    fn add(&mut self, name: &str) -> Result<(), NoSense> {
        match name {
            "all" => self.all = true,
            "cased" => self.cased = true,
            "neq" => self.negated = true,
            "expand" => {
                self.expand = true;
                if !self.transforms.is_empty() {
                    return Err(no_sense(
                        "`expand` stands behind an encoding",
                        "put `expand` first",
                    ));
                }
            }
            "contains" => self.anchor(Anchor::Anywhere, name)?,
            "startswith" => self.anchor(Anchor::Start, name)?,
            "endswith" => self.anchor(Anchor::End, name)?,
            "windash" => self.transform(Transform::Windash, name)?,
            "wide" | "utf16le" => self.transform(Transform::Utf16(Utf16::Little), name)?,
            "utf16be" => self.transform(Transform::Utf16(Utf16::Big), name)?,
            "utf16" => self.transform(Transform::Utf16(Utf16::Marked), name)?,
            "base64" => self.transform(Transform::Base64, name)?,
            "base64offset" => self.transform(Transform::Base64Offset, name)?,
            "i" | "m" | "s" => self.flag(name)?,
            "re" => self.operate(
                Operation::Regex {
                    ignore_case: false,
                    multi_line: false,
                    dot_all: false,
                },
                name,
            )?,
            "cidr" => self.operate(Operation::Cidr, name)?,
            "exists" => self.operate(Operation::Exists, name)?,
            "fieldref" => {
                if self.anchor.is_some() {
                    return Err(no_sense(
                        "`fieldref` stands behind another comparison",
                        "put `fieldref` first: `|fieldref|contains`",
                    ));
                }
                self.operate(Operation::Field(Anchor::Whole), name)?;
            }
            "gt" => self.operate(Operation::Compare(Comparison::More), name)?,
            "gte" => self.operate(Operation::Compare(Comparison::AtLeast), name)?,
            "lt" => self.operate(Operation::Compare(Comparison::Less), name)?,
            "lte" => self.operate(Operation::Compare(Comparison::AtMost), name)?,
            _ => match Part::named(name) {
                Some(part) => self.operate(Operation::Part(part), name)?,
                None => {
                    return Err(no_sense(
                        format!("the modifier `{}` is not known", name.escape_debug()),
                        match name {
                            "not" => "use `neq`, or `not` in the condition".to_owned(),
                            _ => suggest(name, &KNOWN),
                        },
                    ));
                }
            },
        }
        Ok(())
    }

    fn operate(&mut self, operation: Operation, name: &str) -> Result<(), NoSense> {
        if let Some((_, other)) = &self.operation {
            return Err(no_sense(
                format!("`{other}` and `{name}` are two comparisons in one"),
                "use one of them, or two selections",
            ));
        }
        self.operation = Some((operation, name.to_owned()));
        Ok(())
    }

    fn anchor(&mut self, anchor: Anchor, name: &str) -> Result<(), NoSense> {
        if self.anchor.is_some() {
            return Err(no_sense(
                format!("`{name}` stands beside another of `contains`, `startswith`, `endswith`"),
                "use one of them, or two selections",
            ));
        }
        self.anchor = Some(anchor);
        Ok(())
    }

    fn transform(&mut self, transform: Transform, name: &str) -> Result<(), NoSense> {
        let encoded = matches!(
            self.transforms.last(),
            Some(Transform::Base64 | Transform::Base64Offset)
        );
        if encoded {
            return Err(no_sense(
                format!("`{name}` stands behind Base64, where there is no text any more"),
                format!("put `{name}` first"),
            ));
        }
        let is_utf16 = |of: &Transform| matches!(of, Transform::Utf16(_));
        if self.transforms.last().is_some_and(is_utf16)
            && !matches!(transform, Transform::Base64 | Transform::Base64Offset)
        {
            return Err(no_sense(
                format!("`{name}` stands behind an encoding in UTF-16"),
                "only `base64` and `base64offset` may stand behind one",
            ));
        }
        if self.anchor.is_some() && transform != Transform::Windash {
            return Err(no_sense(
                format!("`{name}` stands behind a comparison, which it would encode"),
                format!("put the comparison last: `|{name}|contains`"),
            ));
        }
        self.transforms.push(transform);
        Ok(())
    }

    fn flag(&mut self, name: &str) -> Result<(), NoSense> {
        match (&mut self.operation, name) {
            (Some((Operation::Regex { ignore_case, .. }, _)), "i") => *ignore_case = true,
            (Some((Operation::Regex { multi_line, .. }, _)), "m") => *multi_line = true,
            (Some((Operation::Regex { dot_all, .. }, _)), "s") => *dot_all = true,
            _ => {
                return Err(no_sense(
                    format!("`{name}` is a flag of `re` and stands behind something else"),
                    format!("write `|re|{name}`"),
                ));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Modifiers, NoSense> {
        let operation = match (&self.operation, self.anchor) {
            (None, anchor) => Operation::Text(anchor.unwrap_or(Anchor::Whole)),
            (Some((Operation::Field(_), _)), anchor) => {
                Operation::Field(anchor.unwrap_or(Anchor::Whole))
            }
            (Some((operation, _)), None) => *operation,
            (Some((_, name)), Some(_)) => {
                return Err(no_sense(
                    format!(
                        "`{name}` does not go together with `contains`, `startswith` or `endswith`"
                    ),
                    "use one of them, or two selections",
                ));
            }
        };
        self.check(operation)?;
        Ok(Modifiers {
            operation,
            all: self.all,
            cased: self.cased,
            negated: self.negated,
            expand: self.expand,
            transforms: self.transforms,
        })
    }

    fn check(&self, operation: Operation) -> Result<(), NoSense> {
        let name = self
            .operation
            .as_ref()
            .map_or("", |(_, name)| name.as_str());
        let is_text = matches!(operation, Operation::Text(_));
        if !is_text && !self.transforms.is_empty() {
            return Err(no_sense(
                format!("an encoding does not go together with `{name}`"),
                "encodings go together with `contains`, `startswith`, `endswith` or none",
            ));
        }
        if self.cased && !is_text && !matches!(operation, Operation::Field(_)) {
            return Err(no_sense(
                format!("`cased` does not go together with `{name}`"),
                "a regular expression minds case unless `i` stands behind it",
            ));
        }
        let takes_text = is_text || matches!(operation, Operation::Regex { .. } | Operation::Cidr);
        if self.expand && !takes_text {
            return Err(no_sense(
                format!("`expand` does not go together with `{name}`"),
                "leave it out",
            ));
        }
        if self.negated && matches!(operation, Operation::Exists | Operation::Compare(_)) {
            return Err(no_sense(
                format!("`neq` does not go together with `{name}`"),
                "write the opposite",
            ));
        }
        if self.all && matches!(operation, Operation::Exists | Operation::Part(_)) {
            return Err(no_sense(
                format!("`all` does not go together with `{name}`"),
                "leave it out",
            ));
        }
        self.check_transforms(operation)
    }

    fn check_transforms(&self, operation: Operation) -> Result<(), NoSense> {
        match self.transforms.last() {
            Some(Transform::Utf16(_)) => Err(no_sense(
                "an encoding in UTF-16 stands alone, which no log holds as text",
                "put `base64` or `base64offset` behind it",
            )),
            Some(Transform::Base64Offset) if operation != Operation::Text(Anchor::Anywhere) => {
                Err(no_sense(
                    "`base64offset` is about a text somewhere in another and nothing says so",
                    "write `|base64offset|contains`",
                ))
            }
            _ => Ok(()),
        }
    }
}
