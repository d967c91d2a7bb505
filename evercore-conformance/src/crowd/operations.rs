//! The operations of a client.

use std::sync::atomic::{AtomicU64, Ordering};

use evercore::engine::Capability;
use evercore::{
    AggregateId, Context, Error, EventStore, Expected, NaturalKey, Result, Sequence, Stream,
};
use fastrand::Rng;

use crate::domain::counter::{self, Added, Counter};
use crate::domain::courses::{self, Load, Seats, Seen, Subscribed};
use crate::domain::tally::{self, Counted, Tally};

/// Few, so that clients conflict with each other.
const AGGREGATES: usize = 3;

const KEYS: u8 = 5;

const COURSES: usize = 2;

const STUDENTS: usize = 4;

/// The number of idempotency keys. There are many, because each can be used only once.
const IDEMPOTENCY_KEYS: u8 = 40;

/// The aggregates and the event numbers that all clients share.
#[derive(Debug)]
pub(super) struct Shared {
    tallies: Vec<AggregateId>,
    counters: Vec<AggregateId>,
    /// The number of the next event.
    number: AtomicU64,
}

/// An operation of a client.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Writes to two aggregates and guards a third.
    Write {
        tally: usize,
        counter: usize,
        guard: usize,
        events: u64,
        idempotency_key: Option<u8>,
    },
    /// Writes nothing, but guards two aggregates.
    Guard {
        tally: usize,
        counter: usize,
    },
    Create {
        key: u8,
        events: u64,
    },
    /// Loads the aggregate with a key, or creates it.
    Enter {
        key: u8,
    },
    ChangeKey {
        tally: usize,
        key: Option<u8>,
    },
    /// Decides on the events of a course and of a student, and writes to an aggregate as well.
    Subscribe {
        course: usize,
        student: usize,
        tally: usize,
    },
    /// Decides on the events of a course without one of its own, and guards an aggregate.
    Inspect {
        course: usize,
        tally: usize,
    },
    /// Adds an event to a course and a student, whatever is there.
    Force {
        course: usize,
        student: usize,
    },
    /// Appends an event, whatever the state.
    Append {
        counter: usize,
    },
    /// Appends an event at a sequence that may be outdated.
    AppendAt {
        counter: usize,
        sequence: i64,
    },
}

impl Shared {
    /// Creates the aggregates.
    pub(super) async fn create(store: &EventStore) -> Result<Self> {
        let mut shared =
            Self { tallies: Vec::new(), counters: Vec::new(), number: AtomicU64::new(0) };
        for number in 0..AGGREGATES {
            shared.tallies.push(tally::create(store, &[shared.next()]).await?);
            let value = i64::try_from(number).expect("few");
            shared.counters.push(counter::create(store, value).await?);
        }
        Ok(shared)
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }
}

impl Operation {
    pub(super) fn draw(random: &mut Rng) -> Self {
        let tally = random.usize(..AGGREGATES);
        let counter = random.usize(..AGGREGATES);
        let (course, student) = (random.usize(..COURSES), random.usize(..STUDENTS));
        match random.u8(..16) {
            0..=4 => {
                let idempotency_key = (random.u8(..4) == 0).then(|| random.u8(..IDEMPOTENCY_KEYS));
                let (guard, events) = (random.usize(..AGGREGATES), random.u64(1..4));
                Self::Write { tally, counter, guard, events, idempotency_key }
            }
            5 => Self::Guard { tally, counter },
            6 => Self::Create { key: random.u8(..KEYS), events: random.u64(..3) },
            7 => Self::Enter { key: random.u8(..KEYS) },
            8 | 9 => {
                let key = (random.u8(..4) > 0).then(|| random.u8(..KEYS));
                Self::ChangeKey { tally, key }
            }
            10 => Self::Append { counter },
            11 | 12 => Self::Subscribe { course, student, tally },
            13 => Self::Force { course, student },
            14 => Self::Inspect { course, tally },
            _ => Self::AppendAt { counter, sequence: random.i64(1..30) },
        }
    }

    pub(super) async fn run(&self, store: &EventStore, shared: &Shared) -> Result<()> {
        match *self {
            Self::Append { counter } => append(store, shared, counter, Expected::Any).await,
            Self::AppendAt { counter, sequence } => {
                let expected = Expected::Exactly(Sequence::new(sequence)?);
                append(store, shared, counter, expected).await
            }
            Self::Subscribe { .. } | Self::Force { .. } | Self::Inspect { .. }
                if !store.engine().capabilities().has(Capability::Tags) =>
            {
                Ok(())
            }
            _ => store.with_context(async |ctx| self.within(ctx, shared).await).await,
        }
    }

    async fn within(&self, ctx: &mut Context, shared: &Shared) -> Result<()> {
        match *self {
            Self::Write { tally, counter, guard, events, idempotency_key } => {
                if let Some(key) = idempotency_key {
                    ctx.set_idempotency_key(format!("request-{key}"))?;
                }
                let guarded = ctx.load::<Tally>(shared.tallies[guard]).await?;
                ctx.guard(&guarded)?;
                let mut tally = ctx.load::<Tally>(shared.tallies[tally]).await?;
                let mut counter = ctx.load::<Counter>(shared.counters[counter]).await?;
                // Gives others time to write.
                tokio::task::yield_now().await;
                for _ in 0..events {
                    ctx.apply(&mut tally, Counted { number: shared.next() })?;
                }
                ctx.apply(&mut counter, Added { by: 1 })
            }
            Self::Guard { tally, counter } => {
                let tally = ctx.load::<Tally>(shared.tallies[tally]).await?;
                ctx.guard(&tally)?;
                tokio::task::yield_now().await;
                let counter = ctx.load::<Counter>(shared.counters[counter]).await?;
                ctx.guard(&counter)
            }
            Self::Create { key, events } => {
                let mut tally = ctx.create_with_key::<Tally>(key_text(key)).await?;
                for _ in 0..events {
                    ctx.apply(&mut tally, Counted { number: shared.next() })?;
                }
                Ok(())
            }
            Self::Enter { key } => {
                let mut tally = ctx.load_or_create::<Tally>(key_text(key)).await?;
                tokio::task::yield_now().await;
                ctx.apply(&mut tally, Counted { number: shared.next() })
            }
            Self::ChangeKey { tally, key } => {
                let mut tally = ctx.load::<Tally>(shared.tallies[tally]).await?;
                tokio::task::yield_now().await;
                match key {
                    Some(key) => ctx.change_key(&mut tally, key_text(key)),
                    None => ctx.clear_key(&mut tally),
                }
            }
            Self::Subscribe { course, student, tally } => {
                let (course, student) = (course.to_string(), student.to_string());
                let key = (Seats::of(&course), Load::of(&student));
                let (seats, load) = ctx.read(key).await?;
                let mut tally = ctx.load::<Tally>(shared.tallies[tally]).await?;
                tokio::task::yield_now().await;
                ctx.apply(&mut tally, Counted { number: shared.next() })?;
                let (of_course, of_student) = (seats.students.len(), load.courses.len());
                let seen = Some(Seen { of_course, of_student });
                ctx.emit(Subscribed { seen, ..courses::subscribed(&course, &student) })
            }
            Self::Inspect { course, tally } => {
                ctx.read(Seats::of(&course.to_string())).await?;
                let tally = ctx.load::<Tally>(shared.tallies[tally]).await?;
                tokio::task::yield_now().await;
                ctx.guard(&tally)
            }
            Self::Force { course, student } => {
                ctx.emit(courses::subscribed(&course.to_string(), &student.to_string()))
            }
            Self::Append { .. } | Self::AppendAt { .. } => unreachable!("BUG: it has no context"),
        }
    }
}

async fn append(
    store: &EventStore,
    shared: &Shared,
    counter: usize,
    expected: Expected,
) -> Result<()> {
    let stream = Stream::Id(shared.counters[counter]);
    store.append::<Counter, _>(stream, expected, [Added { by: 1 }]).await.map(drop)
}

fn key_text(key: u8) -> NaturalKey {
    NaturalKey::new(format!("key-{key}")).expect("BUG: it is short")
}

/// Returns whether clients have to expect this error.
pub(super) const fn is_expected(error: &Error) -> bool {
    matches!(
        error,
        Error::Conflict { .. }
            | Error::BoundaryConflict { .. }
            | Error::KeyTaken { .. }
            | Error::IdempotencyKeyUsed { .. }
    )
}
