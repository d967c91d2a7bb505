//! Work that waits for a thread, and threads that wait for work: all that they share.
//!
//! `tests/interleavings` compiles this file with locks of its own and tries every order in which threads can meet here.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A queue and those who work on it.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    state: Mutex<State<W>>,
    /// Given when there is work, and when there will be no more.
    news: Condvar,
    most_threads: u32,
}

#[derive(Debug)]
struct State<W> {
    waiting: VecDeque<(u64, W)>,
    next_number: u64,
    threads: u32,
    idle: usize,
    is_closed: bool,
}

/// Why work was not taken.
#[derive(Debug)]
pub(crate) enum Refused<E> {
    Closed,
    /// There is no thread, and none can be started.
    NoThread(E),
}

impl<W> Queue<W> {
    pub(crate) fn new(most_threads: u32) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            next_number: 0,
            threads: 0,
            idle: 0,
            is_closed: false,
        };
        Self { state: Mutex::new(state), news: Condvar::new(), most_threads }
    }

    /// Leaves work for a thread; `start` starts one more, if it takes that. The number that the work is taken back by.
    pub(crate) fn leave<E>(
        &self,
        work: W,
        start: impl FnOnce() -> Result<(), E>,
    ) -> Result<u64, Refused<E>> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if state.waiting.len() >= state.idle && state.threads < self.most_threads {
            match start() {
                Ok(()) => state.threads += 1,
                // One of the others does it.
                Err(_) if state.threads > 0 => {}
                Err(error) => return Err(Refused::NoThread(error)),
            }
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back((number, work));
        let is_anyone_idle = state.idle > 0;
        drop(state);
        if is_anyone_idle {
            self.news.notify_one();
        }
        Ok(number)
    }

    /// Takes work back that no thread has begun. Whether there was any.
    pub(crate) fn take_back(&self, number: u64) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(|(waiting, _)| *waiting == number);
        let taken_back = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        taken_back.is_some()
    }

    /// The next work for a thread that has none. `None` if there will be no more.
    pub(crate) fn next(&self) -> Option<W> {
        let mut state = self.state();
        loop {
            if let Some((_, work)) = state.waiting.pop_front() {
                return Some(work);
            }
            if state.is_closed {
                return None;
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Notes that a thread has ended.
    pub(crate) fn leave_thread(&self) {
        self.state().threads -= 1;
        self.news.notify_all();
    }

    /// Refuses further work, and lets the threads end. What nobody has begun.
    pub(crate) fn close(&self) -> impl Iterator<Item = W> + use<W> {
        let mut state = self.state();
        state.is_closed = true;
        let refused = std::mem::take(&mut state.waiting);
        drop(state);
        self.news.notify_all();
        refused.into_iter().map(|(_, work)| work)
    }

    /// Waits until all threads have ended, up to a limit. Blocks.
    pub(crate) fn wait_for_threads(&self, patience: Duration) {
        let began = Instant::now();
        let mut state = self.state();
        while state.threads > 0 {
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            let waited = self.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much work waits, and how many threads there are.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, u32) {
        let state = self.state();
        (state.waiting.len(), state.threads)
    }
}
