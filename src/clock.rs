//! Time: the system's, or a virtual one that passes only when somebody waits for it.
//!
//! **Invariant:** the virtual clock never looks at the system's and never goes back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::ports::Clock;

/// The system's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

/// A clock that stands still until it is slept on or advanced.
#[derive(Debug)]
pub struct VirtualClock {
    now: Mutex<Timestamp>,
}

impl VirtualClock {
    /// Starts at this instant.
    pub fn at(start: Timestamp) -> Self {
        Self {
            now: Mutex::new(start),
        }
    }

    /// Lets time pass, at most until the last instant there is.
    pub fn advance(&self, duration: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        *now = now.saturating_add(duration).unwrap_or(Timestamp::MAX);
    }

    /// Goes to this instant, unless it has passed already.
    pub fn advance_to(&self, instant: Timestamp) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = instant.max(*now);
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        self.advance(duration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    // Goal: sleeping on the virtual clock takes exactly the time it says, and none of ours.
    #[tokio::test]
    async fn sleeping_passes_time() {
        let clock = VirtualClock::at(instant("2026-11-24T03:50:32Z"));
        clock.sleep(Duration::from_secs(86_400)).await;
        assert_eq!(clock.now(), instant("2026-11-25T03:50:32Z"));
    }

    // Goal: neither an instant in the past nor an endless sleep breaks the clock.
    #[test]
    fn never_goes_back_and_never_overflows() {
        let clock = VirtualClock::at(instant("2026-11-24T03:50:32Z"));
        clock.advance_to(instant("2020-01-01T00:00:00Z"));
        assert_eq!(clock.now(), instant("2026-11-24T03:50:32Z"));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::MAX);
    }
}
