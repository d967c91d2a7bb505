//! Executes the commands' work in a context.

use std::collections::HashMap;

use evercore::task::{Task, TaskId};
use evercore::{AggregateId, Context, Error, StateAggregate};

use super::boundaries::Ask;
use super::commands::{Kind, Step, Way, Work, key_text};
use super::errands::Errand;
use crate::domain::counter::{Added, Counter};
use crate::domain::errands::{Note, note};
use crate::domain::tally::{Counted, PlainCounted, PlainTally, Tally};

/// The reason why a command failed.
#[derive(Debug)]
pub(super) enum Trouble {
    Store(Error),
    /// The store's answer is wrong.
    Wrong(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// Whether the writer's program takes snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    TakesSnapshots,
    TakesNone,
}

/// An existing aggregate as the model describes it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: AggregateId,
    pub(super) kind: Kind,
    pub(super) key: Option<String>,
}

/// The handle of one aggregate.
enum Handle {
    Tally(StateAggregate<Tally>),
    PlainTally(StateAggregate<PlainTally>),
    Counter(StateAggregate<Counter>),
}

/// Calls a generic method of a context with the aggregate in the handle.
macro_rules! with_handle {
    ($handle:expr, $held:ident => $call:expr) => {
        match $handle {
            Handle::Tally($held) => $call,
            Handle::PlainTally($held) => $call,
            Handle::Counter($held) => $call,
        }
    };
}

/// The aggregates that a unit of work has read, by index.
#[derive(Default)]
pub(super) struct Opened(HashMap<usize, Handle>);

/// Reads aggregates of a unit of work.
pub(super) async fn open(
    ctx: &mut Context,
    program: Program,
    aggregates: &[(usize, Way)],
    known: &[Known],
    opened: &mut Opened,
) -> Result<(), Trouble> {
    for &(place, way) in aggregates {
        let known = &known[place];
        let handle = find(ctx, program, known, way).await?;
        let found = with_handle!(&handle, held => held.id());
        if found != known.id {
            return Err(Trouble::Wrong(format!("{known:?} was asked for, and {found} found")));
        }
        opened.0.insert(place, handle);
    }
    Ok(())
}

async fn find(
    ctx: &mut Context,
    program: Program,
    known: &Known,
    way: Way,
) -> Result<Handle, Error> {
    let key = known.key.as_deref().filter(|_| way == Way::Key);
    Ok(match (known.kind, program, key) {
        (Kind::Tally, Program::TakesSnapshots, None) => Handle::Tally(ctx.load(known.id).await?),
        (Kind::Tally, Program::TakesSnapshots, Some(key)) => {
            Handle::Tally(ctx.load_by_key(key).await?)
        }
        (Kind::Tally, Program::TakesNone, None) => Handle::PlainTally(ctx.load(known.id).await?),
        (Kind::Tally, Program::TakesNone, Some(key)) => {
            Handle::PlainTally(ctx.load_by_key(key).await?)
        }
        (Kind::Counter, _, None) => Handle::Counter(ctx.load(known.id).await?),
        (Kind::Counter, _, Some(key)) => Handle::Counter(ctx.load_by_key(key).await?),
        (Kind::Facts, ..) => unreachable!("BUG: no command loads it"),
    })
}

/// Reads boundaries of a unit of work.
pub(super) async fn ask(
    ctx: &mut Context,
    asks: &[Ask],
    read: &mut Vec<Vec<u64>>,
) -> Result<(), Trouble> {
    for ask in asks {
        read.push(ask.read(ctx).await?);
    }
    Ok(())
}

/// The changes that a unit of work has staged.
#[derive(Debug, Default)]
pub(super) struct Staged {
    /// The ids of the aggregates that it creates, in order; `None` stands for that of the events that belong to no
    /// aggregate, which gets its id when the context commits.
    pub(super) created: Vec<Option<AggregateId>>,
    /// The ids of the tasks that it enqueues, in order.
    pub(super) enqueued: Vec<TaskId>,
}

/// Stages the steps of a unit of work.
pub(super) async fn stage(
    ctx: &mut Context,
    program: Program,
    work: &Work,
    mut opened: Opened,
    numbers: &[u64],
    read: &mut Vec<Vec<u64>>,
) -> Result<Staged, Trouble> {
    if let Some(key) = work.idempotency_key {
        ctx.set_idempotency_key(key_text(key))?;
    }
    let (mut staged, mut numbers) = (Staged::default(), numbers.iter().copied());
    for step in &work.steps {
        match step {
            Step::Create { kind, key, events } => {
                let mut handle = create(ctx, program, *kind, *key).await?;
                staged.created.push(Some(with_handle!(&handle, held => held.id())));
                append(ctx, &mut handle, &mut numbers, *events)?;
            }
            Step::Write { aggregate, events, .. } => {
                append(ctx, opened.get(*aggregate), &mut numbers, *events)?;
            }
            Step::ChangeKey { aggregate, key: Some(key) } => {
                let key = key_text(*key);
                with_handle!(opened.get(*aggregate), held => ctx.change_key(held, key)?);
            }
            Step::ChangeKey { aggregate, key: None } => {
                with_handle!(opened.get(*aggregate), held => ctx.clear_key(held)?);
            }
            Step::Guard { aggregate } => {
                with_handle!(opened.get(*aggregate), held => ctx.guard(held)?);
            }
            Step::Post { labels } => {
                ctx.emit(labels.posted(numbers.next().expect("BUG: there are enough")))?;
                if !staged.created.contains(&None) {
                    staged.created.push(None);
                }
            }
            Step::Pin { aggregate, labels } => match opened.get(*aggregate) {
                Handle::Counter(counter) => {
                    let number = numbers.next().expect("BUG: there are enough");
                    ctx.apply(counter, labels.pinned(number))?;
                }
                handle => append(ctx, handle, &mut numbers, 1)?,
            },
            Step::Ask(asked) => ask(ctx, &[*asked], read).await?,
            Step::Enqueue(errand) => staged.enqueued.push(ctx.enqueue(task(errand))?),
            Step::Cancel { key } => ctx.cancel::<Note>(key_text(*key))?,
        }
    }
    Ok(staged)
}

fn task(errand: &Errand) -> Task<Note> {
    let task = Task::new(note("at random")).if_key_exists(errand.if_key_exists);
    let task = task.priority(errand.priority).after(errand.when.wait());
    match errand.key {
        Some(key) => task.key(key_text(key)),
        None => task,
    }
}

impl Opened {
    fn get(&mut self, place: usize) -> &mut Handle {
        self.0.get_mut(&place).expect("BUG: all aggregates of a work are read first")
    }
}

async fn create(
    ctx: &mut Context,
    program: Program,
    kind: Kind,
    key: Option<u8>,
) -> Result<Handle, Error> {
    let key = key.map(key_text);
    Ok(match (kind, program, key) {
        (Kind::Tally, Program::TakesSnapshots, None) => Handle::Tally(ctx.create().await?),
        (Kind::Tally, Program::TakesSnapshots, Some(key)) => {
            Handle::Tally(ctx.create_with_key(key).await?)
        }
        (Kind::Tally, Program::TakesNone, None) => Handle::PlainTally(ctx.create().await?),
        (Kind::Tally, Program::TakesNone, Some(key)) => {
            Handle::PlainTally(ctx.create_with_key(key).await?)
        }
        (Kind::Counter, _, None) => Handle::Counter(ctx.create().await?),
        (Kind::Counter, _, Some(key)) => Handle::Counter(ctx.create_with_key(key).await?),
        (Kind::Facts, ..) => unreachable!("BUG: no command creates it"),
    })
}

fn append(
    ctx: &mut Context,
    handle: &mut Handle,
    numbers: &mut impl Iterator<Item = u64>,
    events: u64,
) -> Result<(), Error> {
    for (_, number) in (0..events).zip(numbers) {
        match handle {
            Handle::Tally(tally) => ctx.apply(tally, Counted { number })?,
            Handle::PlainTally(tally) => ctx.apply(tally, PlainCounted { number })?,
            Handle::Counter(counter) => ctx.apply(counter, added(number))?,
        }
    }
    Ok(())
}

pub(super) fn added(number: u64) -> Added {
    Added { by: i64::try_from(number).expect("BUG: there are few events") }
}
