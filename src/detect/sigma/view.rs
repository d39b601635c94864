//! A record's body as the engine asks for it, without a copy.
//!
//! A path is keys with dots between them. A key that has dots itself is found too; where a path crosses an array, it leads
//! to every element. Some names are no paths of the record but questions about one, which the engine could not ask right.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rsigma_eval::{Event, EventValue};
use serde_json::Value;

use super::modifiers::Part;

/// Before a path: whether there is such a field, also one without a value.
pub(super) const EXISTS: char = '\u{1}';
/// Before `part:` and a path: a part of the time that stands there.
pub(super) const PART: char = '\u{2}';
/// Before a path: the value where it is no object and not null.
pub(super) const SCALAR: char = '\u{3}';

/// What a path leads to.
#[derive(Debug, Default)]
pub(super) enum Found<'a> {
    #[default]
    Nothing,
    One(&'a Value),
    Many(Vec<&'a Value>),
}

impl<'a> Found<'a> {
    fn push(&mut self, value: &'a Value) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(value),
            Self::One(first) => Self::Many(vec![first, value]),
            Self::Many(mut values) => {
                values.push(value);
                Self::Many(values)
            }
        };
    }

    /// Every value, those of an array one by one.
    pub fn each(&self, take: &mut impl FnMut(&'a Value)) {
        let mut one = |value: &'a Value| match value {
            Value::Array(items) => items.iter().for_each(&mut *take),
            _ => take(value),
        };
        match self {
            Self::Nothing => {}
            Self::One(value) => one(value),
            Self::Many(values) => values.iter().for_each(|value| one(value)),
        }
    }

    fn value(self) -> Option<EventValue<'a>> {
        match self {
            Self::Nothing => None,
            Self::One(value) => Some(convert(value)),
            Self::Many(values) => {
                Some(EventValue::Array(values.into_iter().map(convert).collect()))
            }
        }
    }
}

/// What stands at a path of a body.
pub(super) fn find<'a>(body: &'a Value, path: &str) -> Found<'a> {
    let mut found = Found::default();
    walk(body, path, &mut found);
    found
}

fn walk<'a>(value: &'a Value, path: &str, found: &mut Found<'a>) {
    match value {
        Value::Object(map) => {
            if let Some(inner) = map.get(path) {
                found.push(inner);
            } else if let Some((first, rest)) = path.split_once('.')
                && let Some(inner) = map.get(first)
            {
                walk(inner, rest, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
        _ => {}
    }
}

/// Numbers that are no whole ones of 64 bits keep their text, which the engine reads where it compares numbers.
fn convert(value: &Value) -> EventValue<'_> {
    match value {
        Value::String(text) => EventValue::Str(Cow::Borrowed(text)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => EventValue::Int(number),
            None => EventValue::Str(Cow::Owned(number.to_string())),
        },
        Value::Bool(value) => EventValue::Bool(*value),
        Value::Null => EventValue::Null,
        Value::Array(items) => EventValue::Array(items.iter().map(convert).collect()),
        // Nothing that is asked of a field looks into an object.
        Value::Object(_) => EventValue::Map(Vec::new()),
    }
}

/// A value as text, so that a number and its text are one; lists are as they are.
fn scalar(found: Found<'_>) -> Option<EventValue<'_>> {
    match found {
        Found::One(Value::Null | Value::Object(_)) => None,
        Found::One(value @ (Value::Number(_) | Value::Bool(_))) => {
            Some(EventValue::Str(Cow::Owned(value.to_string())))
        }
        found => found.value(),
    }
}

/// A body, and the questions that the rules at hand ask of it.
pub(super) struct Shown<'a> {
    pub body: &'a Value,
    pub questions: &'a [String],
}

impl Event for Shown<'_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        let mut chars = path.chars();
        match chars.next() {
            Some(EXISTS) => {
                let is_there = !matches!(find(self.body, chars.as_str()), Found::Nothing);
                Some(EventValue::Str(Cow::Borrowed(if is_there {
                    "true"
                } else {
                    "false"
                })))
            }
            Some(PART) => {
                let (part, path) = chars.as_str().split_once(':')?;
                parts(Part::named(part)?, &find(self.body, path))
            }
            Some(SCALAR) => scalar(find(self.body, chars.as_str())),
            _ => find(self.body, path).value(),
        }
    }

    fn any_string_value(&self, holds: &dyn Fn(&str) -> bool) -> bool {
        any_text(self.body, &mut |text: &str| holds(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        let mut texts = Vec::new();
        any_text(self.body, &mut |text: &str| {
            texts.push(Cow::Owned(text.to_owned()));
            false
        });
        texts
    }

    fn visit_string_values(&self, visit: &mut dyn FnMut(&str)) {
        any_text(self.body, &mut |text: &str| {
            visit(text);
            false
        });
    }

    fn to_json(&self) -> Value {
        self.body.clone()
    }

    fn visit_top_level_keys(&self, visit: &mut dyn FnMut(&str)) -> bool {
        let Value::Object(map) = self.body else {
            return false;
        };
        map.keys().for_each(|key| visit(key));
        self.questions.iter().for_each(|question| visit(question));
        true
    }
}

/// Whether something holds of any text, number or truth value in a record. Its depth is bounded by whoever parsed it.
fn any_text<F: FnMut(&str) -> bool + ?Sized>(value: &Value, holds: &mut F) -> bool {
    match value {
        Value::String(text) => holds(text),
        Value::Number(number) => holds(&number.to_string()),
        Value::Bool(true) => holds("true"),
        Value::Bool(false) => holds("false"),
        Value::Null => false,
        Value::Array(items) => items.iter().any(|item| any_text(item, holds)),
        Value::Object(map) => map.values().any(|item| any_text(item, holds)),
    }
}

fn parts<'a>(part: Part, found: &Found<'_>) -> Option<EventValue<'a>> {
    let mut numbers = Vec::new();
    found.each(&mut |value| {
        numbers.extend(time(value).map(|time| EventValue::Int(part_of(time, part))))
    });
    match numbers.len() {
        0 => None,
        1 => numbers.pop(),
        _ => Some(EventValue::Array(numbers)),
    }
}

/// A time as logs write them, as it is written: what its zone says is not reckoned with, as the specification has it. Numbers
/// are seconds or milliseconds since 1970, in UTC.
fn time(value: &Value) -> Option<DateTime> {
    let utc = |time: Timestamp| time.to_zoned(TimeZone::UTC).datetime();
    match value {
        Value::String(text) => match text.parse::<DateTime>() {
            Ok(time) => Some(time),
            // With `Z` a time is no civil one.
            Err(_) => text.parse::<Timestamp>().ok().map(utc),
        },
        Value::Number(number) => {
            let number = number
                .as_i64()
                .or_else(|| number.as_f64().map(|number| number as i64))?;
            let seconds = match number.unsigned_abs() > 100_000_000_000 {
                true => number / 1000,
                false => number,
            };
            Timestamp::from_second(seconds).ok().map(utc)
        }
        _ => None,
    }
}

fn part_of(time: DateTime, part: Part) -> i64 {
    match part {
        Part::Minute => time.minute().into(),
        Part::Hour => time.hour().into(),
        Part::Day => time.day().into(),
        Part::Week => time.date().iso_week_date().week().into(),
        Part::Month => time.month().into(),
        Part::Year => time.year().into(),
    }
}
