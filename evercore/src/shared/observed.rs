//! Tells an observer of the answers of the engine. The future of a call is polled as it is: boxing it once more would
//! cost more than the observer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::observer::{CommitAnswer, Observation, Observer};
use crate::{Committed, Result};

/// A call of the engine. If there is an observer, it is told of the answer.
#[must_use = "the engine does nothing until the call is awaited"]
pub(crate) struct Observed<'a, T> {
    call: BoxFuture<'a, T>,
    told: Option<Told<'a, T>>,
}

struct Told<'a, T> {
    observer: &'a dyn Observer,
    /// The time of the operating system, even if a test has paused tokio's clock.
    began: Instant,
    /// The number of events of a commit.
    events: usize,
    observation: fn(&T, Duration, usize) -> Observation<'static>,
}

impl<'a, T> Observed<'a, T> {
    /// Passes on a call of which no observer is told.
    pub(crate) fn silent(call: BoxFuture<'a, T>) -> Self {
        Self { call, told: None }
    }

    /// Passes on the call that loads an aggregate.
    pub(crate) fn load(observer: Option<&'a dyn Observer>, call: BoxFuture<'a, T>) -> Self {
        let observation: fn(&T, _, _) -> _ = |_, duration, _| Observation::Load { duration };
        let told =
            observer.map(|it| Told { observer: it, began: Instant::now(), events: 0, observation });
        Self { call, told }
    }
}

impl<'a> Observed<'a, Result<Committed>> {
    /// Passes on the call that stores a commit with this many events.
    pub(crate) fn commit(
        observer: Option<&'a dyn Observer>,
        events: usize,
        call: BoxFuture<'a, Result<Committed>>,
    ) -> Self {
        let observation: fn(&Result<Committed>, _, _) -> _ = |answer, duration, events| {
            Observation::Commit { duration, answer: CommitAnswer::of(answer), events }
        };
        let told =
            observer.map(|it| Told { observer: it, began: Instant::now(), events, observation });
        Self { call, told }
    }
}

impl<T> Future for Observed<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let answer = ready!(self.call.as_mut().poll(context));
        if let Some(Told { observer, began, events, observation }) = self.told.take() {
            observer.observe(&observation(&answer, began.elapsed(), events));
        }
        Poll::Ready(answer)
    }
}

impl<T> fmt::Debug for Observed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}
