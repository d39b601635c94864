//! The worker's pledge to take a step back that cuts the host off from whoever asked for it.
//!
//! Flow: the state before is seen → the step is done → [`Pledge::make`] → `Confirm` comes and it is released, or it does not
//! come within [`PATIENCE`], the connection ends or says that nobody could log in, and the state before is put back.
//!
//! **Invariant:** only a confirmation releases it: a connection that is still open proves nothing about new ones.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::{Contents, Digest, Observed, Step, Undo, Verb};
use crate::ports::{ActContext, Captured, ContentSource};
use crate::providers::host::{Host, LocalFs};

/// How long a confirmation may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// What is said where it was taken back, and where that failed too.
const TAKEN_BACK: &str =
    "the host could not be reached after it, so it was taken back by the host itself";
const STUCK: &str = "the host could not be reached after it, and taking it back failed on the host";
const NOTHING: &str = "there was nothing to confirm";

/// At most one step that is not confirmed yet.
#[derive(Default)]
pub struct Pledge(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    #[default]
    None,
    Open(Box<WayBack>),
    Redeemed(&'static str),
}

struct WayBack {
    host: Arc<Host<LocalFs>>,
    step: Step,
    contents: Kept,
    since: Instant,
}

struct Kept(Contents);

impl ContentSource for Kept {
    fn content(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        self.0.get(digest)
    }
}

impl Pledge {
    /// Promises to put the state before back, which this step has just changed.
    pub fn make(&self, host: Arc<Host<LocalFs>>, step: &Step, before: Captured) {
        let way_back = Box::new(WayBack::of(host, step, before));
        let state = Arc::clone(&self.0);
        if let Ok(mut state) = state.lock() {
            *state = State::Open(way_back);
        }
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if let Ok(mut state) = state.lock()
                && matches!(&*state, State::Open(open) if open.since.elapsed() >= PATIENCE)
            {
                state.redeem();
            }
        });
    }

    /// The host is still reached.
    ///
    /// # Errors
    /// What became of the step instead.
    pub fn release(&self) -> Result<(), &'static str> {
        let mut state = self.0.lock().map_err(|_| STUCK)?;
        match std::mem::take(&mut *state) {
            State::Open(_) => Ok(()),
            State::Redeemed(how) => Err(how),
            State::None => Err(NOTHING),
        }
    }

    /// Takes the step back now, where it is not confirmed; says what became of it.
    pub fn redeem(&self) -> &'static str {
        self.0.lock().map_or(STUCK, |mut state| state.redeem())
    }
}

impl State {
    fn redeem(&mut self) -> &'static str {
        let how = match self {
            Self::None => return NOTHING,
            Self::Redeemed(how) => return how,
            Self::Open(way_back) => way_back.go(),
        };
        *self = Self::Redeemed(how);
        how
    }
}

impl WayBack {
    fn of(host: Arc<Host<LocalFs>>, step: &Step, before: Captured) -> Self {
        let state = before.observed.state().cloned();
        let verb = match state {
            Some(_) => Verb::Put,
            None => Verb::Remove,
        };
        let leaves = before.observed.digest();
        Self {
            host,
            step: Step {
                verb,
                expect: step.leaves,
                leaves: leaves.unwrap_or_else(Observed::absent_digest),
                state,
                undo: Undo::Restore,
                ..step.clone()
            },
            contents: Kept(before.contents),
            since: Instant::now(),
        }
    }

    fn go(&self) -> &'static str {
        let context = ActContext {
            contents: &self.contents,
            nonce: "pledge",
        };
        // Whatever stands there now: a host that nobody reaches is worse than a change by somebody else that is lost.
        let now = self.host.keep_before(&self.step, 0);
        let step = Step {
            expect: now
                .ok()
                .and_then(|now| now.observed.digest())
                .unwrap_or(self.step.expect),
            ..self.step.clone()
        };
        match self.host.carry_out(&step, &context) {
            Ok(_) => TAKEN_BACK,
            Err(_) => STUCK,
        }
    }
}
