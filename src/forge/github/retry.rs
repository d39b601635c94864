//! When a request is sent again: a plain function of what came back.
//!
//! Flow: an answer's status and headers → [`Seen`] → [`next`] → send again after a wait, return, or give up.
//!
//! **Invariant:** a request that may have been done, and that does harm when done twice, is never sent again from here.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

/// How often one request is sent at most.
pub(super) const MAX_ATTEMPTS: u32 = 5;
/// How long one request may take with all its waits.
pub(super) const MAX_TOTAL: Duration = Duration::from_secs(180);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(16);

/// Whether a request does harm when it is done twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    Harmless,
    /// Only what was surely not done is sent again.
    Harmful,
}

/// What matters of an answer for sending again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// A definite answer.
    Answered,
    /// Refused for the rate of requests, so surely not done.
    Limited { wait: Option<Duration> },
    /// No answer, or one that does not tell whether it was done.
    Unclear { wait: Option<Duration> },
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Return,
    After(Duration),
    /// Waiting as long as the forge asks is not worth it.
    GiveUp {
        asked: Duration,
    },
}

/// Decides after the attempt with this number, counted from 0, when `elapsed` has passed since the first began.
pub(super) fn next(seen: &Seen, repeat: Repeat, attempt: u32, elapsed: Duration) -> Next {
    let wait = match (seen, repeat) {
        (Seen::Answered, _) | (Seen::Unclear { .. }, Repeat::Harmful) => return Next::Return,
        (Seen::Limited { wait } | Seen::Unclear { wait }, _) => {
            wait.unwrap_or_default().max(backoff(attempt))
        }
    };
    if attempt + 1 >= MAX_ATTEMPTS {
        return Next::Return;
    }
    if elapsed + wait > MAX_TOTAL {
        return Next::GiveUp { asked: wait };
    }
    Next::After(wait)
}

/// Doubles from one second to sixteen.
fn backoff(attempt: u32) -> Duration {
    FIRST_BACKOFF
        .saturating_mul(1 << attempt.min(8))
        .min(MAX_BACKOFF)
}

/// Reads an answer.
pub(super) fn seen(status: u16, headers: &HeaderMap, message: &str, now: Timestamp) -> Seen {
    let wait = asked_wait(headers, now);
    let is_limited = match status {
        429 => true,
        403 => wait.is_some() || message.to_ascii_lowercase().contains("rate limit"),
        _ => false,
    };
    match status {
        _ if is_limited => Seen::Limited { wait },
        408 | 500..=599 => Seen::Unclear { wait },
        _ => Seen::Answered,
    }
}

/// Until when the forge takes no more requests, when this answer was the last one that it gives.
pub(super) fn used_up_until(headers: &HeaderMap) -> Option<Timestamp> {
    if header(headers, "x-ratelimit-remaining")?
        .parse::<u64>()
        .ok()?
        > 0
    {
        return None;
    }
    let reset = header(headers, "x-ratelimit-reset")?.parse().ok()?;
    Timestamp::from_second(reset).ok()
}

/// How long the forge asks to wait.
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    if let Some(text) = header(headers, "retry-after") {
        let date = || jiff::fmt::rfc2822::parse(text).ok();
        return match text.trim().parse() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => date().map(|date| until(date.timestamp())),
        };
    }
    used_up_until(headers).map(until)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).try_into().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn now() -> Timestamp {
        "2026-12-01T12:00:00Z".parse().unwrap()
    }

    // Goal: what may have been done is sent again only when that is harmless; what was surely not done always is.
    #[test]
    fn only_the_harmless_is_repeated() {
        let unclear = Seen::Unclear { wait: None };
        let limited = Seen::Limited { wait: None };
        let zero = Duration::ZERO;
        assert_eq!(next(&unclear, Repeat::Harmful, 0, zero), Next::Return);
        let second = Next::After(Duration::from_secs(1));
        assert_eq!(next(&unclear, Repeat::Harmless, 0, zero), second);
        assert_eq!(next(&limited, Repeat::Harmful, 0, zero), second);
        assert_eq!(
            next(&Seen::Answered, Repeat::Harmless, 0, zero),
            Next::Return
        );
    }

    // Goal: waits grow, attempts end, and no wait goes beyond the total.
    #[test]
    fn waits_are_bounded() {
        let unclear = Seen::Unclear { wait: None };
        let waits: Vec<_> = (0..MAX_ATTEMPTS)
            .map(|attempt| next(&unclear, Repeat::Harmless, attempt, Duration::ZERO))
            .collect();
        let after = |seconds| Next::After(Duration::from_secs(seconds));
        assert_eq!(
            waits,
            [after(1), after(2), after(4), after(8), Next::Return]
        );
        let asked = Duration::from_secs(3600);
        let limited = Seen::Limited { wait: Some(asked) };
        assert_eq!(
            next(&limited, Repeat::Harmless, 0, Duration::ZERO),
            Next::GiveUp { asked }
        );
        assert_eq!(
            next(&unclear, Repeat::Harmless, 0, MAX_TOTAL),
            Next::GiveUp {
                asked: Duration::from_secs(1)
            }
        );
    }

    // Goal: each way in which a forge asks for time is understood, nonsense and the past included.
    #[test]
    fn asked_waits_are_read() {
        let wait = |pairs: &[(&'static str, &str)]| asked_wait(&headers(pairs), now());
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(&[("retry-after", "7")]), seconds(7));
        assert_eq!(
            wait(&[("retry-after", "Tue, 01 Dec 2026 12:00:30 GMT")]),
            seconds(30)
        );
        assert_eq!(
            wait(&[("retry-after", "Tue, 01 Dec 2026 11:00:00 GMT")]),
            seconds(0)
        );
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        let reset = (now().as_second() + 40).to_string();
        let limit = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", &reset),
        ];
        assert_eq!(wait(&limit), seconds(40));
        let left = [
            ("x-ratelimit-remaining", "3"),
            ("x-ratelimit-reset", &reset),
        ];
        assert_eq!(wait(&left), None);
        assert_eq!(
            wait(&[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "-99999999999999999")
            ]),
            None
        );
    }

    // Goal: a 403 for missing rights is an answer; only one for the rate of requests is waited for.
    #[test]
    fn forbidden_is_not_limited() {
        let none = HeaderMap::new();
        assert_eq!(
            seen(403, &none, "Resource not accessible by integration", now()),
            Seen::Answered
        );
        assert_eq!(
            seen(
                403,
                &none,
                "You have exceeded a secondary rate limit",
                now()
            ),
            Seen::Limited { wait: None }
        );
        assert_eq!(seen(502, &none, "", now()), Seen::Unclear { wait: None });
        assert_eq!(seen(422, &none, "", now()), Seen::Answered);
    }
}
