//! Work that makes further work, done by several threads at once.
//!
//! What was added last is done first, so that what waits stays as small as the tree is deep and not as large as it is.
//!
//! **Invariant:** returns when nothing is left, and with one lane does everything in one order.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

struct Shared<J> {
    waiting: Vec<J>,
    /// How many jobs are being done, each of which may add some.
    busy: usize,
}

struct Pool<J> {
    shared: Mutex<Shared<J>>,
    changed: Condvar,
}

/// Does a job, and all that `work` adds.
pub fn run<J: Send>(lanes: usize, first: J, work: impl Fn(J, &mut Vec<J>) + Sync) {
    let pool = Pool {
        shared: Mutex::new(Shared {
            waiting: vec![first],
            busy: 0,
        }),
        changed: Condvar::new(),
    };
    if lanes <= 1 {
        return pool.lane(&work);
    }
    std::thread::scope(|scope| {
        for _ in 1..lanes {
            // A system that gives no more threads makes it slower.
            let spawned = std::thread::Builder::new().spawn_scoped(scope, || pool.lane(&work));
            if spawned.is_err() {
                break;
            }
        }
        pool.lane(&work);
    });
}

impl<J: Send> Pool<J> {
    fn lock(&self) -> MutexGuard<'_, Shared<J>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(&self, work: &(impl Fn(J, &mut Vec<J>) + Sync)) {
        let mut more = Vec::new();
        while let Some(job) = self.next() {
            // Also when the work panics: the other lanes must not wait for it.
            let done = Done(self);
            work(job, &mut more);
            self.lock().waiting.append(&mut more);
            drop(done);
        }
    }

    fn next(&self) -> Option<J> {
        let mut shared = self.lock();
        loop {
            if let Some(job) = shared.waiting.pop() {
                shared.busy += 1;
                return Some(job);
            }
            if shared.busy == 0 {
                return None;
            }
            shared = self
                .changed
                .wait(shared)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Done<'a, J: Send>(&'a Pool<J>);

impl<J: Send> Drop for Done<'_, J> {
    fn drop(&mut self) {
        self.0.lock().busy -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    // Goal: everything that is added is done exactly once and the pool ends, with any number of lanes; a job that panics
    // does not leave the others waiting for ever.
    #[test]
    fn everything_is_done_once() {
        for lanes in [1, 2, 7] {
            let done = AtomicU64::new(0);
            run(lanes, 12_u32, |height, more| {
                done.fetch_add(1, Ordering::Relaxed);
                let below = if height == 0 { 0 } else { 2 };
                more.extend((0..below).map(|_| height - 1));
            });
            assert_eq!(done.load(Ordering::Relaxed), (1 << 13) - 1);
        }
        let panicked = std::panic::catch_unwind(|| {
            run(3, 5_u32, |height, more| {
                assert_ne!(height, 2, "on purpose");
                more.extend((0..3).map(|_| height - 1));
            });
        });
        assert!(panicked.is_err());
    }
}
