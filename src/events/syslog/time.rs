//! The time at the start of a line, and what stands in for what it lacks.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Timestamp};

use crate::events::SourceTerms;
use crate::model::TimeBasis;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
/// How much later than the source's own time a line may be: its clock's zone may be another than was assumed.
const SLACK: SignedDuration = SignedDuration::from_hours(24);
/// How many years back a day is looked for: between two 29ths of February there are at most eight.
const YEARS: i16 = 9;

/// Reads the time and gives what follows it.
pub(super) fn read<'a>(
    text: &'a str,
    terms: &SourceTerms,
) -> Result<(Timestamp, TimeBasis, &'a str), &'static str> {
    let month = text
        .get(..3)
        .and_then(|name| MONTHS.iter().position(|month| *month == name));
    match month {
        Some(month) => traditional(month as i8 + 1, &text[3..], terms),
        None => rfc3339(text, terms),
    }
}

fn rfc3339<'a>(
    text: &'a str,
    terms: &SourceTerms,
) -> Result<(Timestamp, TimeBasis, &'a str), &'static str> {
    let (stamp, _) = text.split_once(' ').unwrap_or((text, ""));
    let shaped = stamp.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && stamp.as_bytes().get(10) == Some(&b'T');
    if !shaped {
        return Err("no time at the start");
    }
    let rest = &text[stamp.len()..];
    if let Ok(time) = stamp.parse::<Timestamp>() {
        return Ok((time, TimeBasis::Stated, rest));
    }
    let local: DateTime = stamp.parse().map_err(|_| "no such time")?;
    let time = instant(local, terms).ok_or("no such time")?;
    Ok((time, TimeBasis::ZoneInferred, rest))
}

/// ` 24 03:15:47`, and with a year before or after the clock.
fn traditional<'a>(
    month: i8,
    text: &'a str,
    terms: &SourceTerms,
) -> Result<(Timestamp, TimeBasis, &'a str), &'static str> {
    let (day, rest) = word(text).ok_or("no day")?;
    let day: i8 = small(day, 2).ok_or("no day")?;
    let (next, after) = word(rest).ok_or("no clock")?;
    let (year, clock, mut rest) = match small::<i16>(next, 4).filter(|year| *year >= 1970) {
        Some(year) => {
            let (clock, after) = word(after).ok_or("no clock")?;
            (Some(year), clock, after)
        }
        None => (None, next, after),
    };
    let clock = clock_of(clock.trim_end_matches(':')).ok_or("no clock")?;
    let mut stated = year;
    if year.is_none()
        && let Some((next, after)) = word(rest)
        && next.len() == 4
        && let Some(year) = small::<i16>(next, 4).filter(|year| *year >= 1970)
    {
        (stated, rest) = (Some(year), after);
    }
    if let Some(year) = stated {
        let date = Date::new(year, month, day).map_err(|_| "no such day")?;
        let time = instant(date.to_datetime(clock), terms).ok_or("no such time")?;
        return Ok((time, TimeBasis::ZoneInferred, rest));
    }
    let time = infer(month, day, clock, terms).ok_or("no such day")?;
    Ok((time, TimeBasis::YearInferred, rest))
}

/// In the newest year that does not put it later than the source.
fn infer(month: i8, day: i8, clock: Time, terms: &SourceTerms) -> Option<Timestamp> {
    let latest = terms.until.checked_add(SLACK).unwrap_or(Timestamp::MAX);
    let newest = terms.zone.to_datetime(latest).year();
    (0..YEARS).find_map(|back| {
        let date = Date::new(newest - back, month, day).ok()?;
        let time = instant(date.to_datetime(clock), terms)?;
        (time <= latest).then_some(time)
    })
}

fn instant(local: DateTime, terms: &SourceTerms) -> Option<Timestamp> {
    terms.zone.to_timestamp(local).ok()
}

fn clock_of(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hour = small(parts.next()?, 2)?;
    let minute = small(parts.next()?, 2)?;
    // A leap second is the second before it, as in jiff's own reading of times.
    let second: i8 = small::<i8>(parts.next()?, 2)?.min(59);
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let nanos = match fraction {
        "" => 0,
        digits => small::<i32>(digits, 9)? * 10_i32.pow(9 - digits.len() as u32),
    };
    Time::new(hour, minute, second, nanos).ok()
}

/// A number of at most so many digits and nothing else.
fn small<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    let plain =
        !text.is_empty() && text.len() <= digits && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// The next word after one or two blanks. What follows keeps its blank.
fn word(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix(' ')?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let end = rest.find(' ').unwrap_or(rest.len());
    (end > 0).then(|| rest.split_at(end))
}
