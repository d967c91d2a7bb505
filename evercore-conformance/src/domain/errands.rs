//! Tasks: to add to a counter, and to note a text.

use std::sync::{Arc, Mutex};

use evercore::format::Encoding;
use evercore::task::{Claimed, QueueName, TaskBodies, TaskBody, TaskError, Work};
use evercore::{AggregateId, Context, Event};
use serde::{Deserialize, Serialize};

use super::counter::{Added, Counter};

/// The queue of both types.
pub(crate) const QUEUE: &str = "errands";

/// Adds to a counter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Add {
    pub(crate) counter: AggregateId,
    pub(crate) by: i64,
}

/// Notes a text, in whatever list its handler has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) text: String,
}

impl Event for Add {
    type Aggregate = TaskBodies;
    const NAME: &'static str = "add";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl TaskBody for Add {
    const QUEUE: &'static str = QUEUE;
}

impl Event for Note {
    type Aggregate = TaskBodies;
    const NAME: &'static str = "note";
    const ENCODING: Encoding<Self> = Encoding::serde();
}

impl TaskBody for Note {
    const QUEUE: &'static str = QUEUE;
}

/// Returns the name of the queue of both types.
pub(crate) fn queue() -> QueueName {
    QueueName::new(QUEUE).expect("BUG: the name is valid")
}

pub(crate) fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

/// Adds in the context of the task.
#[derive(Clone, Debug)]
pub(crate) struct Adder;

impl Work<Add> for Adder {
    async fn work(&self, ctx: &mut Context, task: &Claimed<Add>) -> Result<(), TaskError> {
        let mut counter = ctx.load::<Counter>(task.counter).await?;
        Ok(ctx.apply(&mut counter, Added { by: task.by })?)
    }
}

/// The texts that were noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    pub(crate) fn add(&self, text: &str) {
        self.0.lock().expect("a handler panicked").push(text.to_owned());
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("a handler panicked").clone()
    }
}
