//! Enqueues tasks, in commits that land, are refused, or are dropped in the middle.

use std::sync::{Arc, PoisonError};

use evercore::task::Task;
use evercore::{AggregateId, Error, EventStore, Result};
use fastrand::Rng;

use super::{COUNTERS, Shared, WRITERS, delay, tasks};
use crate::cut::drop_after_polls;
use crate::domain::errands::Add;
use crate::domain::tally::{self, Counted, Tally};
use crate::race::race_all;

/// The number of an event that belongs to no task.
const NO_TASK: u64 = 0;

/// The maximum number of polls before a commit is dropped.
const MOST_POLLS: u32 = 8;

/// A writer with an aggregate of its own.
struct Writer {
    store: EventStore,
    shared: Arc<Shared>,
    tally: AggregateId,
}

/// Runs all writers until they have enqueued their tasks.
pub(super) async fn run(
    stores: &[EventStore],
    shared: &Arc<Shared>,
    random: &mut Rng,
) -> Result<()> {
    let each = tasks().div_ceil(WRITERS);
    race_all(usize::try_from(WRITERS).expect("few"), |index| {
        let (store, shared) = (stores[index % stores.len()].clone(), Arc::clone(shared));
        let mut random = random.fork();
        // Numbers count from 1.
        let first = index as u64 * each + 1;
        async move {
            let tally = tally::create(&store, &[NO_TASK]).await?;
            let writer = Writer { store, shared, tally };
            for number in first..first + each {
                writer.write(number, &mut random).await?;
            }
            Ok(())
        }
    })
    .await
    .map(drop)
}

impl Writer {
    async fn write(&self, number: u64, random: &mut Rng) -> Result<()> {
        match random.u8(..8) {
            0..=2 => self.enqueue_alone(number).await,
            3..=5 => self.enqueue_with_an_event(number).await,
            6 => self.enqueue_and_be_refused(number).await,
            _ => {
                let polls = random.u32(1..=MOST_POLLS);
                drop_after_polls(polls, self.enqueue_with_an_event(number)).await.unwrap_or(Ok(()))
            }
        }
    }

    async fn enqueue_alone(&self, number: u64) -> Result<()> {
        self.store.enqueue(self.task(number)).await?;
        self.shared.enqueued.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        Ok(())
    }

    async fn enqueue_with_an_event(&self, number: u64) -> Result<()> {
        self.store
            .with_context(async |ctx| {
                let mut tally = ctx.load::<Tally>(self.tally).await?;
                ctx.enqueue(self.task(number))?;
                ctx.apply(&mut tally, Counted { number })
            })
            .await
    }

    /// Another commit lands between the decision and this commit, which conflicts.
    async fn enqueue_and_be_refused(&self, number: u64) -> Result<()> {
        let refused = self.store.with_context_once(async |ctx| {
            let mut tally = ctx.load::<Tally>(self.tally).await?;
            ctx.enqueue(self.task(number))?;
            ctx.apply(&mut tally, Counted { number })?;
            let rival = self.store.detached();
            let overtakes = rival.with_context(async |ctx| {
                let mut tally = ctx.load::<Tally>(self.tally).await?;
                ctx.apply(&mut tally, Counted { number: NO_TASK })
            });
            overtakes.await
        });
        match refused.await {
            Err(Error::Conflict { .. }) => Ok(()),
            answer => panic!("the commit was overtaken, and the answer is {answer:?}"),
        }
    }

    fn task(&self, number: u64) -> Task<Add> {
        let by = i64::try_from(number).expect("there are few tasks");
        let counter = self.shared.counters[usize::try_from(number).unwrap_or(0) % COUNTERS];
        Task::new(Add { counter, by }).after(delay(number))
    }
}
