//! Commands that are sent: to change a counter.

use evercore::command::Command;
use evercore::format::Encoding;
use evercore::task::{Handlers, TaskBodies, TaskBody};
use evercore::{Aggregate, Decide, Decision, Event, Result, Target};
use serde::{Deserialize, Serialize};

use super::counter::{Added, Counter};

/// The queue of the commands.
pub(crate) const QUEUE: &str = "orders";

/// Adds to a counter, which does not become negative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) counter: Target,
    /// Nothing happens if it is 0.
    pub(crate) by: i64,
}

/// Adds one to a counter, whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Increment {
    pub(crate) counter: Target,
}

/// The reason for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the counter would become negative")]
pub(crate) struct Negative;

impl Event for Change {
    type Aggregate = TaskBodies;
    const NAME: &'static str = "change";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl TaskBody for Change {
    const QUEUE: &'static str = QUEUE;
}

impl Command for Change {
    type Aggregate = Counter;

    fn target(&self) -> Result<Target> {
        Ok(self.counter.clone())
    }
}

impl Decide<Change> for Counter {
    type Error = Negative;

    fn decide(counter: &mut Decision<'_, Self>, command: &Change) -> Result<(), Negative> {
        if command.by != 0 {
            counter.emit(Added { by: command.by });
        }
        if counter.value < 0 { Err(Negative) } else { Ok(()) }
    }
}

impl Event for Increment {
    type Aggregate = TaskBodies;
    const NAME: &'static str = "increment";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl TaskBody for Increment {
    const QUEUE: &'static str = QUEUE;
}

impl Command for Increment {
    type Aggregate = Counter;

    fn target(&self) -> Result<Target> {
        Ok(self.counter.clone())
    }
}

impl Decide<Increment> for Counter {
    type Error = std::convert::Infallible;

    fn decide(counter: &mut Decision<'_, Self>, _: &Increment) -> Result<(), Self::Error> {
        counter.emit(Added { by: 1 });
        Ok(())
    }
}

pub(crate) fn change(counter: impl Into<Target>, by: i64) -> Change {
    Change { counter: counter.into(), by }
}

/// Returns the handlers of both commands.
pub(crate) fn handlers() -> Handlers {
    Handlers::new().command::<Change>().command::<Increment>()
}

/// The stored name of the type of the aggregate.
pub(crate) const AGGREGATE: &str = Counter::NAME;
