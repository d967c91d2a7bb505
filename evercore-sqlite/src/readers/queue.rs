//! Shares a queue of work between callers and threads.
//!
//! `tests/interleavings` compiles this file with other locks and tries every order in which threads can meet here.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A queue and the state of the threads that work on it.
#[derive(Debug)]
pub(crate) struct Queue<W> {
    state: Mutex<State<W>>,
    /// Signalled when there is work, when the queue is closed, and when a thread has ended.
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

/// The reason why work was not accepted.
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

    /// Queues work for a thread; `start` is called to start one more, if that is needed. Returns the number by which
    /// the work can be taken back.
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
                // One of the other threads will do the work.
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

    /// Removes work that no thread has begun. Returns whether it was still queued.
    pub(crate) fn take_back(&self, number: u64) -> bool {
        let mut state = self.state();
        let place = state.waiting.iter().position(|(waiting, _)| *waiting == number);
        let taken_back = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        taken_back.is_some()
    }

    /// Waits for the next work. `None` if the queue is closed and empty.
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

    /// Records the end of a thread when it is dropped.
    pub(crate) fn leave_thread(&self) {
        self.state().threads -= 1;
        self.news.notify_all();
    }

    /// Refuses further work, and lets the threads end. Returns the work that no thread has begun.
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

    /// Returns the number of queued items and of threads.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, u32) {
        let state = self.state();
        (state.waiting.len(), state.threads)
    }
}
