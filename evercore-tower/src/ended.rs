//! How commands end, for those who watch.

use std::time::Duration;

use evercore::{Aggregate, AggregateId, CommandError, Error, Executed, Target, command_name};
use tokio::time::Instant;

use crate::CommandRequest;

/// A command that has ended, as a [`TimingLayer`](crate::TimingLayer) tells it.
#[derive(Debug)]
pub struct Ended<'a> {
    aggregate: &'static str,
    command: &'static str,
    id: Option<AggregateId>,
    outcome: Outcome<'a>,
    took: Duration,
}

/// How a command has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// Its events have happened.
    Happened,
    /// The decision emitted nothing, and so nothing has changed.
    Nothing,
    /// It had come true before, by its idempotency key.
    Repetition,
    /// The aggregate refused it, or a check did.
    Rejected,
    /// It could not be loaded, decided on, or landed.
    Failed(&'a Error),
    /// Nobody waits for the answer any more: the future was dropped, by a timeout for instance. A commit that was sent
    /// before may have landed.
    Abandoned,
}

/// Tells how a command ends, once: by its answer, or when it is dropped without one.
#[derive(Debug)]
pub(crate) struct Watch<F: Fn(&Ended<'_>)> {
    aggregate: &'static str,
    command: &'static str,
    id: Option<AggregateId>,
    since: Instant,
    tell: Option<F>,
}

impl Ended<'_> {
    /// The stored name of the aggregate's type.
    #[must_use]
    pub const fn aggregate(&self) -> &'static str {
        self.aggregate
    }

    /// The [name](command_name) of the command.
    #[must_use]
    pub const fn command(&self) -> &'static str {
        self.command
    }

    /// The aggregate, if the command names it by its id or has made something happen to it.
    #[must_use]
    pub const fn id(&self) -> Option<AggregateId> {
        self.id
    }

    /// How it has ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome<'_> {
        self.outcome
    }

    /// How long it took, from the call of the service to the answer. To the clock of tokio, which tests can stop.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }
}

impl Outcome<'_> {
    /// One lower-case word, to label metrics with.
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

    /// Tells of the answer, and gives it back.
    pub(crate) fn end<T, E>(
        mut self,
        answer: Result<Executed<T>, CommandError<E>>,
    ) -> Result<Executed<T>, CommandError<E>> {
        // A decision that emitted nothing may leave an id that nothing has.
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
