//! Names and versions as Debian writes them.
//!
//! **Invariant:** pure, and total over what [`is_version`] accepts: the order is that of Debian's policy, section 5.6.12.

use std::cmp::Ordering;

/// The longest name or version, in bytes.
const MAX_BYTES: usize = 256;

/// Whether this is the name of a package: `procps`, `libstdc++6`.
pub fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let starts = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    // apt reads a `-` at the end as an order to remove.
    starts
        && (2..=MAX_BYTES).contains(&text.len())
        && text.bytes().all(inner)
        && !text.ends_with('-')
}

/// Whether this is the name of an architecture: `amd64`, `all`.
pub fn is_architecture(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= 64 && !text.starts_with('-') && text.bytes().all(inner)
}

/// Whether this is a version: `[epoch:]upstream[-revision]`.
pub fn is_version(text: &str) -> bool {
    let (epoch, upstream, revision) = parts(text);
    let sound = |part: &str, more: &[u8]| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".+~".contains(&b) || more.contains(&b))
    };
    let upstream_may: &[u8] = match epoch {
        Some(_) => b"-:",
        None => b"-",
    };
    text.len() <= MAX_BYTES
        && epoch.is_none_or(|epoch| !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()))
        && sound(upstream, upstream_may)
        && upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
        && revision.is_none_or(|revision| sound(revision, b""))
}

/// Which of two versions is the later one.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, upstream_a, revision_a) = parts(a);
    let (epoch_b, upstream_b, revision_b) = parts(b);
    number(epoch_a.unwrap_or(""))
        .cmp(&number(epoch_b.unwrap_or("")))
        .then_with(|| part(upstream_a, upstream_b))
        .then_with(|| part(revision_a.unwrap_or(""), revision_b.unwrap_or("")))
}

/// Epoch, upstream version and revision.
fn parts(text: &str) -> (Option<&str>, &str, Option<&str>) {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    match rest.rsplit_once('-') {
        Some((upstream, revision)) => (epoch, upstream, Some(revision)),
        None => (epoch, rest, None),
    }
}

/// A number of any length, in an order that is that of numbers.
fn number(digits: &str) -> (usize, &str) {
    let digits = digits.trim_start_matches('0');
    (digits.len(), digits)
}

/// Compares by turns what is no digit, by its own order, and what is, as numbers.
fn part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (words_a, words_b) = (take(&mut a, false), take(&mut b, false));
        let (digits_a, digits_b) = (take(&mut a, true), take(&mut b, true));
        let found = words(words_a, words_b).then_with(|| number(digits_a).cmp(&number(digits_b)));
        if found != Ordering::Equal {
            return found;
        }
    }
    Ordering::Equal
}

/// Takes the longest beginning of digits, or of anything else.
fn take<'a>(text: &mut &'a str, digits: bool) -> &'a str {
    let end = text
        .find(|c: char| c.is_ascii_digit() != digits)
        .unwrap_or(text.len());
    let (taken, rest) = text.split_at(end);
    *text = rest;
    taken
}

/// `~` before the end, the end before letters, letters before all else.
fn words(a: &str, b: &str) -> Ordering {
    let rank = |byte: Option<&u8>| match byte {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|at| rank(a.as_bytes().get(at)).cmp(&rank(b.as_bytes().get(at))))
        .find(|found| *found != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Goal: the order is Debian's, not that of texts: a wrong one would call an unpatched package patched. Method: the
    // examples of the policy manual and those that dpkg tests itself with, each in both directions.
    #[test]
    fn versions_are_in_debians_order() {
        let rising = [
            // 5.6.12: the tilde sorts before everything, the end of a part included.
            ("~~", "~~a"),
            ("~~a", "~"),
            ("~", ""),
            ("", "a"),
            ("1.0~beta1~svn1245", "1.0~beta1"),
            ("1.0~beta1", "1.0"),
            ("1.0", "1.0-1"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("1.0-1+deb12u1", "1.0-1+deb12u10"),
            ("1.0-1+deb12u2", "1.0-1+deb12u10"),
            ("2.9", "2.10"),
            ("0:9", "1:1"),
            ("9:1", "10:0"),
            ("1.0a", "1.0+"),
            ("1.0", "1.0a"),
            ("1.0-1~bpo12+1", "1.0-1"),
            ("2024a-0+deb12u1", "2025b-0+deb12u1"),
            ("2:4.0.2-3", "2:4.0.2-3+b1"),
            ("1-1-1", "1-1-2"),
            ("99999999999999999999998", "99999999999999999999999"),
        ];
        for (low, high) in rising {
            assert_eq!(compare(low, high), Ordering::Less, "{low} {high}");
            assert_eq!(compare(high, low), Ordering::Greater, "{high} {low}");
        }
        for (a, b) in [
            ("0:1.0-0", "1.0"),
            ("1.00", "1.0"),
            ("1.0-0", "1.0-000"),
            ("a:b", "a:b"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    // Goal: nothing that apt would read as another order, a pattern or an option passes for a name or a version.
    #[test]
    fn names_and_versions_are_debians() {
        for good in ["procps", "g++", "libstdc++6", "0ad", "python3.11"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "", "a", "-y", "a=1", "wget-", "A", "a b", "a/stable", "^a", "a*", "./a", "ä",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["1", "1:2.3-4", "1.0~rc1+dfsg-2+b1", "1:2:3-4", "a"] {
            assert!(is_version(good), "{good}");
        }
        for bad in [
            "", "-1", ":1", "x:1", "1:", "1-", "1*", "1 2", "1/2", "1_2", "1\n", "~1", "+1",
        ] {
            assert!(!is_version(bad), "{bad}");
        }
        assert!(
            is_architecture("kfreebsd-amd64") && !is_architecture("") && !is_architecture("../x")
        );
    }
}
