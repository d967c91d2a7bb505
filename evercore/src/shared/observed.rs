//! Tells an observer of the answers of the engine. Without one, a call is passed on as it is.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::observer::{CommitAnswer, Observation, Observer};
use crate::{Committed, Result};

/// A call of the engine that an observer is told the answer of.
pub(crate) struct Observed<'a, T> {
    call: BoxFuture<'a, T>,
    observer: &'a dyn Observer,
    /// The time of the operating system, even if a test has paused tokio's clock.
    began: Instant,
    /// The number of events of a commit.
    events: usize,
    observation: fn(&T, Duration, usize) -> Observation<'static>,
}

impl<'a, T: Send + 'a> Observed<'a, T> {
    /// Passes on a call.
    fn passed_on(
        observer: Option<&'a dyn Observer>,
        events: usize,
        observation: fn(&T, Duration, usize) -> Observation<'static>,
        call: BoxFuture<'a, T>,
    ) -> BoxFuture<'a, T> {
        match observer {
            None => call,
            Some(observer) => {
                Box::pin(Self { call, observer, began: Instant::now(), events, observation })
            }
        }
    }

    /// Passes on the call that loads an aggregate.
    pub(crate) fn load(
        observer: Option<&'a dyn Observer>,
        call: BoxFuture<'a, T>,
    ) -> BoxFuture<'a, T> {
        Self::passed_on(observer, 0, |_, duration, _| Observation::Load { duration }, call)
    }
}

impl<'a> Observed<'a, Result<Committed>> {
    /// Passes on the call that stores a commit with this many events.
    pub(crate) fn commit(
        observer: Option<&'a dyn Observer>,
        events: usize,
        call: BoxFuture<'a, Result<Committed>>,
    ) -> BoxFuture<'a, Result<Committed>> {
        let observation: fn(&Result<Committed>, _, _) -> _ = |answer, duration, events| {
            Observation::Commit { duration, answer: CommitAnswer::of(answer), events }
        };
        Self::passed_on(observer, events, observation, call)
    }
}

impl<T> Future for Observed<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let answer = ready!(self.call.as_mut().poll(context));
        let observation = (self.observation)(&answer, self.began.elapsed(), self.events);
        self.observer.observe(&observation);
        Poll::Ready(answer)
    }
}

impl<T> fmt::Debug for Observed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}
