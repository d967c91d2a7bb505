//! Reports how commands end, to timing and tracing.

use std::time::Duration;

use evercore::command::{Executed, command_name};
use evercore::{Aggregate, AggregateId, CommandError, Error, Target};
use tokio::time::Instant;

use crate::CommandRequest;

/// A command that has ended, as passed to the closure of a [`TimingLayer`](crate::TimingLayer).
#[derive(Debug)]
pub struct Ended<'a> {
    aggregate: &'static str,
    command: &'static str,
    id: Option<AggregateId>,
    outcome: Outcome<'a>,
    took: Duration,
}

/// The outcome of a command.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// Its events are committed.
    Happened,
    /// The decision emitted no event, so nothing was stored.
    Nothing,
    /// A command with the same idempotency key had taken effect before.
    Repetition,
    /// The aggregate or a check rejected it.
    Rejected,
    /// The aggregate could not be loaded, or the events could not be staged or committed.
    Failed(&'a Error),
    /// The future was dropped before the answer, for example by a timeout. A commit that was sent before may have been
    /// stored.
    Abandoned,
}

/// Reports the end of a command once: with its answer, or when it is dropped without one.
#[derive(Debug)]
pub(crate) struct Watch<F: Fn(&Ended<'_>)> {
    aggregate: &'static str,
    command: &'static str,
    id: Option<AggregateId>,
    since: Instant,
    tell: Option<F>,
}

impl Ended<'_> {
    /// Returns the stored name of the aggregate's type.
    #[must_use]
    pub const fn aggregate(&self) -> &'static str {
        self.aggregate
    }

    /// The [name](command_name) of the command.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        self.command
    }

    /// The id of the aggregate, if the command names it, or its events are committed.
    #[must_use]
    pub const fn id(&self) -> Option<AggregateId> {
        self.id
    }

    /// The outcome of the command.
    #[must_use]
    pub const fn outcome(&self) -> Outcome<'_> {
        self.outcome
    }

    /// The time from the call of the service to the answer. It is measured by tokio's clock, which tests can pause.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }
}

impl Outcome<'_> {
    /// Returns one lower-case word, to label metrics with.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Happened => "happened",
            Self::Nothing => "nothing",
            Self::Repetition => "repetition",
            Self::Rejected => "rejected",
            Self::Failed(_) => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl<'a> Outcome<'a> {
    fn of<T, E>(answer: &'a Result<Executed<T>, CommandError<E>>) -> Self {
        match answer {
            Ok(executed) if executed.is_repetition() => Self::Repetition,
            Ok(executed) if executed.events().is_empty() => Self::Nothing,
            Ok(_) => Self::Happened,
            Err(CommandError::Rejected(_)) => Self::Rejected,
            Err(CommandError::Store(error)) => Self::Failed(error),
        }
    }
}

impl<F: Fn(&Ended<'_>)> Watch<F> {
    pub(crate) fn start<T: Aggregate, C>(request: &CommandRequest<C>, tell: F) -> Self {
        let id = match request.target {
            Target::Id(id) => Some(id),
            _ => None,
        };
        Self {
            aggregate: T::NAME,
            command: command_name::<C>(),
            id,
            since: Instant::now(),
            tell: Some(tell),
        }
    }

    /// Reports the answer, and returns it.
    pub(crate) fn end<T, E>(
        mut self,
        answer: Result<Executed<T>, CommandError<E>>,
    ) -> Result<Executed<T>, CommandError<E>> {
        // If the decision emitted nothing, the id may be one that no aggregate has.
        if let Ok(executed) = &answer
            && executed.position().is_some()
        {
            self.id = Some(executed.id());
        }
        self.tell(Outcome::of(&answer));
        answer
    }

    fn tell(&mut self, outcome: Outcome<'_>) {
        if let Some(tell) = self.tell.take() {
            let (aggregate, command, id) = (self.aggregate, self.command, self.id);
            tell(&Ended { aggregate, command, id, outcome, took: self.since.elapsed() });
        }
    }
}

impl<F: Fn(&Ended<'_>)> Drop for Watch<F> {
    fn drop(&mut self) {
        self.tell(Outcome::Abandoned);
    }
}
