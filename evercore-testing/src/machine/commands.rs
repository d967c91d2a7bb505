//! What can be asked of a store.

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// A unit of work.
    Work {
        by: Writer,
        work: Work,
    },
    /// A unit of work, and another one that lands after this one has read so many aggregates, or all of them, and before
    /// it lands.
    Overtaken {
        work: Work,
        reads: usize,
        by: Writer,
        other: Work,
    },
    /// An append without reading.
    Append {
        kind: Kind,
        stream: Stream,
        expected: Expected,
        events: u64,
    },
    /// A state of the past.
    LoadAsOf {
        aggregate: usize,
        sequence: usize,
    },
    /// The store is closed and opened again, as by the next process.
    Restart,
    /// The subscription runs until it is idle.
    Run(Taste),
    Pause,
    Resume,
    /// The subscription goes on from after so many events.
    Reset {
        after: usize,
    },
    Redrive,
    /// The first event that is parked beside one of those that are.
    RedriveEvent {
        nth: usize,
    },
    /// One of those that are parked.
    Discard {
        nth: usize,
    },
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    First,
    /// Another process.
    Second,
    /// Another process, whose program takes no snapshots.
    WithoutSnapshots,
}

/// What is done in one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) steps: Vec<Step>,
    pub(super) idempotency_key: Option<u8>,
}

/// One step of it. Existing aggregates are known by their place in the order of their creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create { kind: Kind, key: Option<u8>, events: u64 },
    Write { aggregate: usize, by: Way, events: u64 },
    ChangeKey { aggregate: usize, key: Option<u8> },
    Guard { aggregate: usize },
}

/// How an aggregate is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Id,
    /// If it has one.
    Key,
}

/// A type of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Takes snapshots.
    Tally,
    Counter,
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

/// What the handler of the subscription fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taste {
    Anything,
    /// It fails on some.
    Fussy,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tally => "tally",
            Self::Counter => "counter",
        }
    }

    pub(super) fn named(name: &str) -> Self {
        if name == Self::Tally.name() { Self::Tally } else { Self::Counter }
    }
}

impl Work {
    /// The existing aggregates that it is about, each once, and how each is found.
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
    /// The aggregate that it is about, if that exists already.
    pub(super) const fn aggregate(&self) -> Option<usize> {
        match self {
            Self::Create { .. } => None,
            Self::Write { aggregate, .. }
            | Self::ChangeKey { aggregate, .. }
            | Self::Guard { aggregate } => Some(*aggregate),
        }
    }
}

/// The text of a key: few, so that they clash.
pub(super) fn key_text(key: u8) -> String {
    format!("key-{key}")
}

/// Whether a fussy handler fails on an event with this number.
pub(super) const fn is_disliked(number: u64) -> bool {
    number % 7 == 3
}
