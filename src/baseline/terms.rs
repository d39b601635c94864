//! The small things that settings are made of: names, times, durations, globs, paths.
//!
//! Flow: a node → a checked value, or a problem at that node with a hint that shows how it is written.
//!
//! **Invariant:** every text that gets through is bounded in length and free of control characters.

use std::time::Duration;

use globset::GlobBuilder;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::source::is_deceptive;
use crate::document::Yaml;
use crate::model::Problems;

/// The longest text of a setting, in characters.
const MAX_TEXT: usize = 4096;
/// The longest glob, in characters; a longer one could compile to something huge.
const MAX_GLOB: usize = 512;
/// The longest duration that anybody could mean.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 3600);

/// A text that is not empty, at most 4096 characters, on one line.
pub(super) fn line<'a>(node: &'a Yaml, problems: &mut Problems) -> Option<&'a str> {
    let text = node.text(problems)?;
    let wrong = if text.trim().is_empty() {
        "the text is empty"
    } else if text.chars().count() > MAX_TEXT {
        "the text is too long"
    } else if text.chars().any(is_deceptive) {
        "the text holds a line break or a control character"
    } else {
        return Some(text);
    };
    problems.push(node.problem(wrong));
    None
}

/// The lines of a list; those that are none are reported and left out.
pub(super) fn lines(node: &Yaml, problems: &mut Problems) -> Vec<String> {
    node.list(problems)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| line(item, problems).map(str::to_owned))
        .collect()
}

/// A name of 1 to 253 letters, digits and `-_.@+:`.
pub(super) fn name(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = node.text(problems)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@+:".contains(c);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(allowed) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem(format!("\"{}\" is not a name", shown(text)))
            .hint("a name is 1 to 253 letters, digits and any of - _ . @ + :"),
    );
    None
}

/// The name of a target or, with it, of its directory.
pub(super) fn is_target_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let first = text.bytes().next();
    text.len() <= 63
        && text.bytes().all(allowed)
        && first.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// A point in time: RFC 3339, or a date, which means the end of that day in UTC.
pub(super) fn instant(node: &Yaml, problems: &mut Problems) -> Option<Timestamp> {
    let text = node.text(problems)?;
    let end_of_day = |text: &str| {
        let next = text.parse::<Date>().ok()?.tomorrow().ok()?;
        Some(next.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let found = if text.len() == 10 {
        end_of_day(text)
    } else {
        text.parse().ok()
    };
    if found.is_none() {
        problems.push(
            node.problem(format!("\"{}\" is no date and no time", shown(text)))
                .hint("write 2027-01-31 or 2027-01-31T18:00:00Z"),
        );
    }
    found
}

/// A duration such as `30m`, `24h`, `7d` or `1d12h`.
pub(super) fn duration(node: &Yaml, problems: &mut Problems) -> Option<Duration> {
    let hint = "write a number and a unit (s, m, h, d, w), such as 30m, 24h or 7d";
    let text = match &node.value {
        crate::document::YamlValue::Int(number) => {
            problems.push(node.problem(format!("{number} has no unit")).hint(hint));
            return None;
        }
        _ => node.text(problems)?,
    };
    match parse_duration(text) {
        Some(duration) if duration <= MAX_DURATION => Some(duration),
        Some(_) => {
            problems.push(node.problem("the duration is longer than ten years"));
            None
        }
        None => {
            problems.push(
                node.problem(format!("\"{}\" is no duration", shown(text)))
                    .hint(hint),
            );
            None
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(Duration::from_secs(total))
}

/// A glob: `*` within a part, `**` across parts, `?`, `[...]`, `{a,b}`.
pub(super) fn glob(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = line(node, problems)?;
    is_glob(text)
        .map(|()| text.to_owned())
        .map_err(|why| {
            problems.push(
                node.problem(format!("\"{}\" is not a glob: {why}", shown(text)))
                    .hint("* matches within a part of a path, ** across parts, [a-c] one character, {a,b} either"),
            );
        })
        .ok()
}

/// Whether a text is a glob, or why it is none.
pub(super) fn is_glob(text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_GLOB {
        return Err(format!("it is longer than {MAX_GLOB} characters"));
    }
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map(|_| ())
        .map_err(|error| error.kind().to_string())
}

/// A glob for paths on a target, starting with `/`.
pub(super) fn path_glob(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = glob(node, problems)?;
    if text.starts_with('/') || text.starts_with("**") {
        return Some(text);
    }
    problems.push(
        node.problem("a glob of paths starts with /")
            .hint(format!("write \"/{0}\" or \"**/{0}\"", shown(&text))),
    );
    None
}

/// An absolute path without `.`, `..` or empty parts.
pub(super) fn absolute_path(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = line(node, problems)?;
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    match text.strip_prefix('/') {
        Some(rest) if rest.split('/').all(plain) => Some(text.to_owned()),
        Some(_) => {
            problems.push(
                node.problem("the path is not plain")
                    .hint("leave out `.`, `..`, double slashes and a slash at the end"),
            );
            None
        }
        None => {
            problems.push(
                node.problem("the path is not absolute")
                    .hint("start it with /"),
            );
            None
        }
    }
}

/// A path below the baseline's directory.
pub(super) fn relative_path(node: &Yaml, problems: &mut Problems) -> Option<String> {
    let text = line(node, problems)?;
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if text.split('/').all(plain) {
        return Some(text.to_owned());
    }
    problems.push(
        node.problem("the path does not lie below the baseline's directory")
            .hint("write it relative to the directory of evenkeel.yaml, without `.` or `..`"),
    );
    None
}

/// A text as part of a message: escaped and cut.
pub(super) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: every way people write durations means what they think, and what nobody can mean is refused.
    #[test]
    fn durations_parse() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("30m", Some(1800)),
            ("24h", Some(86_400)),
            ("7d", Some(604_800)),
            ("1d12h", Some(129_600)),
            ("2w", Some(1_209_600)),
            ("", None),
            ("h", None),
            ("24", None),
            ("24 h", None),
            ("-1h", None),
            ("1.5h", None),
            ("24é", None),
            ("99999999999999999999h", None),
            ("9999999999999999999w", None),
        ] {
            assert_eq!(
                parse_duration(text),
                seconds.map(Duration::from_secs),
                "{text:?}"
            );
        }
    }

    // Goal: a bare date is valid through that whole day, since that is what its writer expects.
    #[test]
    fn dates_last_until_midnight() {
        let docs = crate::document::parse(
            "a.yaml",
            b"- 2026-12-31\n- 2026-12-31T10:00:00+02:00\n- 2026-13-01\n- 2026-12-31T10:00\n",
        )
        .unwrap();
        let mut problems = Problems::default();
        let items = docs[0].list(&mut problems).unwrap();
        let times: Vec<_> = items
            .iter()
            .map(|item| instant(item, &mut problems).map(|time| time.to_string()))
            .collect();
        assert_eq!(
            times,
            [
                Some("2027-01-01T00:00:00Z".to_owned()),
                Some("2026-12-31T08:00:00Z".to_owned()),
                None,
                None
            ]
        );
        assert_eq!(problems.0.len(), 2);
    }
}
