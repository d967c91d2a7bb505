//! The commands that are sent to a store and the model.

use evercore::Aggregate;
use evercore_testing::model::FACTS;

use super::boundaries::{Ask, Labels, Question};
use super::errands::{Errand, When};
use crate::domain::counter::Counter;
use crate::domain::tally::Tally;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A unit of work.
    Work {
        by: Writer,
        work: Work,
    },
    /// A unit of work, and another one that commits before it: after the first unit has read the given number of
    /// aggregates and of boundaries, or all of them.
    Overtaken {
        work: Work,
        reads: usize,
        by: Writer,
        other: Work,
    },
    /// Appends events without reading.
    Append {
        kind: Kind,
        stream: Stream,
        expected: Expected,
        events: u64,
    },
    /// Loads a past state.
    LoadAsOf {
        aggregate: usize,
        sequence: usize,
    },
    /// Reads a past state of a boundary: that after this many events of the log.
    ReadAsOf {
        question: Question,
        after: usize,
    },
    /// Reads the events that have all tags of a label, after this many events of the log.
    ReadTagged {
        labels: Labels,
        after: usize,
    },
    /// Closes the store and opens it again, as the next process would.
    Restart,
    /// Runs the subscription until it is idle.
    Run(Taste),
    Pause,
    Resume,
    /// Moves the subscription to after this many events.
    Reset {
        after: usize,
    },
    Redrive,
    /// Redrives the first parked event of the aggregate of the nth parked event.
    RedriveEvent {
        nth: usize,
    },
    /// Discards the nth parked event.
    Discard {
        nth: usize,
    },
    /// Something that a worker or an operator of the queue does.
    Queue(Act),
}

/// A command of a worker or an operator. `nth` chooses among what there is, modulo the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Claim {
        most: usize,
    },
    /// Renews the nth of all leases, held or not: until after every command, or for no time.
    Renew {
        nth: usize,
        when: When,
    },
    /// Gives back the task of the nth lease.
    GiveBack {
        nth: usize,
    },
    /// Records a failure under the nth lease. `None` means that the task is dead.
    Fail {
        nth: usize,
        again: Option<When>,
    },
    /// Completes a task under the nth lease, together with an event of a counter.
    Complete {
        nth: usize,
        counter: Option<usize>,
    },
    /// Runs a worker for one task, whose handler does this work and fails if the work is refused.
    Serve(Work),
    /// Retries the nth task that is dead, or that a claim may find, or any.
    Retry {
        nth: usize,
    },
    RetryAll,
    Discard {
        nth: usize,
    },
    DiscardAll,
    Pause,
    Resume,
}

/// The process that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    First,
    /// Opens the engine and the store of another process on the same data.
    Second,
    /// Another process, whose program takes no snapshots.
    WithoutSnapshots,
}

/// The work of one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// The boundaries that it reads before it does anything else.
    pub(super) asks: Vec<Ask>,
    pub(super) steps: Vec<Step>,
    pub(super) idempotency_key: Option<u8>,
}

/// A step of a unit of work. Existing aggregates are identified by their index in the order of creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create {
        kind: Kind,
        key: Option<u8>,
        events: u64,
    },
    Write {
        aggregate: usize,
        by: Way,
        events: u64,
    },
    ChangeKey {
        aggregate: usize,
        key: Option<u8>,
    },
    Guard {
        aggregate: usize,
    },
    /// Emits an event that belongs to no aggregate.
    Post {
        labels: Labels,
    },
    /// Appends an event, with tags if the aggregate is a counter.
    Pin {
        aggregate: usize,
        labels: Labels,
    },
    /// Reads a boundary, with the events that are staged already.
    Ask(Ask),
    Enqueue(Errand),
    /// Cancels the task with a key.
    Cancel {
        key: u8,
    },
}

/// The way to look up an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Id,
    /// By its key, if it has one.
    Key,
}

/// An aggregate type of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Has snapshots.
    Tally,
    Counter,
    /// The events of a commit that belong to no aggregate.
    Facts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Id(usize),
    Key(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Any,
    NoStream,
    Exactly(usize),
}

/// The events on which the subscription's handler fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taste {
    Anything,
    /// Fails on some events.
    Fussy,
}

impl Command {
    /// Returns whether it may change the queue.
    pub(super) fn has_tasks(&self) -> bool {
        match self {
            Self::Queue(_) => true,
            Self::Work { work, .. } => work.has_tasks(),
            Self::Overtaken { work, other, .. } => work.has_tasks() || other.has_tasks(),
            _ => false,
        }
    }
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tally => Tally::NAME,
            Self::Counter => Counter::NAME,
            Self::Facts => FACTS,
        }
    }

    pub(super) fn named(name: &str) -> Self {
        let mut all = [Self::Tally, Self::Counter, Self::Facts].into_iter();
        all.find(|kind| kind.name() == name).expect("BUG: there are no other types")
    }
}

impl Work {
    /// Returns whether it changes the queue.
    fn has_tasks(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Enqueue(_) | Step::Cancel { .. }))
    }

    /// Returns the existing aggregates of its steps, each once, with how it is looked up.
    pub(super) fn aggregates(&self) -> Vec<(usize, Way)> {
        let mut all: Vec<(usize, Way)> = Vec::new();
        for step in &self.steps {
            let Some(aggregate) = step.aggregate() else { continue };
            if all.iter().all(|(known, _)| *known != aggregate) {
                let by = if let Step::Write { by, .. } = step { *by } else { Way::Id };
                all.push((aggregate, by));
            }
        }
        all
    }
}

impl Step {
    /// Returns the existing aggregate that the step concerns.
    pub(super) const fn aggregate(&self) -> Option<usize> {
        match self {
            Self::Create { .. }
            | Self::Post { .. }
            | Self::Ask(_)
            | Self::Enqueue(_)
            | Self::Cancel { .. } => None,
            Self::Write { aggregate, .. }
            | Self::Pin { aggregate, .. }
            | Self::ChangeKey { aggregate, .. }
            | Self::Guard { aggregate } => Some(*aggregate),
        }
    }
}

/// Returns the text of a key. Few keys are used, so that they collide.
pub(super) fn key_text(key: u8) -> String {
    format!("key-{key}")
}

/// Returns whether a fussy handler fails on an event with this number.
pub(super) const fn is_disliked(number: u64) -> bool {
    number % 7 == 3
}
