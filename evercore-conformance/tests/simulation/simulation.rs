//! A single run, from a seed to a verdict.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use evercore::engine::StorageEngine;
use evercore::{Error, EventStore, Expected, NaturalKey, Result, Stream};
use tokio::runtime::Builder;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::database::{Database, Ending};
use crate::domain::{Happened, Thing, registry};
use crate::network::Network;
use crate::plan::Plan;
use crate::process::{self, Health};
use crate::tally::Tally;

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) verdict: Result<(), String>,
    pub(crate) tally: Tally,
    /// Empty unless the plan asks for a trace.
    pub(crate) trace: Vec<String>,
}

/// Runs a plan in virtual time. The same plan gives the same run.
pub(crate) fn run(plan: &Plan) -> Run {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime of one thread");
    runtime.block_on(async {
        let database = Database::new(plan);
        let ended = trouble(&database).await;
        let mut observer = database.observer();
        observer.ended(database.clock.elapsed());
        let observed = observer.verdict();
        let trace = observer.trace.take().unwrap_or_default();
        Run { verdict: observed.and(ended), tally: observer.tally, trace }
    })
}

async fn trouble(database: &Arc<Database>) -> Result<(), String> {
    let calm = CancellationToken::new();
    let plan = &database.plan;
    let workers: Vec<_> = (0..plan.workers)
        .map(|number| tokio::spawn(process::live(Arc::clone(database), number, calm.clone())))
        .collect();
    let writers: Vec<_> = (0..plan.writers)
        .flat_map(|number| [(number, Ending::Commits), (number, Ending::RollsBack)])
        .map(|(number, ending)| {
            tokio::spawn(write(Arc::clone(database), number, ending, calm.clone()))
        })
        .collect();
    let jumping = tokio::spawn(jump(Arc::clone(database), calm.clone()));
    sleep(plan.trouble).await;
    for writer in writers {
        let written = writer.await.expect("a writer does not panic");
        written.map_err(|error| format!("a writer has failed: {error}"))?;
    }
    calm.cancel();
    jumping.await.expect("a clock does not panic");
    for worker in workers {
        let worked = worker.await.expect("a worker does not panic");
        worked.map_err(|error| format!("a worker has failed: {error}"))?;
    }
    if database.observer().verdict().is_ok() {
        process::finish(database, &calm).await?;
        database.observer().check_complete();
    }
    database.observer().verdict()
}

/// Appends to a separate aggregate; if `ending` says so, each commit is rolled back.
async fn write(
    database: Arc<Database>,
    number: u64,
    ending: Ending,
    calm: CancellationToken,
) -> Result<()> {
    let health = Health::new(&format!("writer {number}"), &calm);
    let network = Network::new(&database, health, ending, false);
    let engine: Arc<dyn StorageEngine> = Arc::new(network);
    let store = EventStore::builder().registry(registry()).seed(number).open_shared(engine).await?;
    let key = NaturalKey::new(format!("{ending:?} {number}"))?;
    for round in 0..database.plan.commits {
        let (pause, events) = {
            let mut random = database.random();
            (random.u64(0..=80), random.i64(1..=3))
        };
        sleep(Duration::from_millis(pause)).await;
        let events = (0..events).map(|number| Happened { number: number + i64::from(round) });
        let stream = Stream::Key(key.clone());
        let events: Vec<_> = events.collect();
        match store.append::<Thing, _>(stream, Expected::Any, events).await {
            Ok(_) => {}
            Err(Error::Busy { .. }) if ending == Ending::RollsBack => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Moves the clock of the database forward and back.
async fn jump(database: Arc<Database>, calm: CancellationToken) {
    while database.plan.does_clock_jump && !calm.is_cancelled() {
        let (pause, by) = {
            let mut random = database.random();
            (random.u64(50..=500), random.i64(-2_000..=2_000))
        };
        sleep(Duration::from_millis(pause)).await;
        database.clock.jump(TimeDelta::milliseconds(by));
        database.observer().note(database.clock.elapsed(), || format!("the clock jumps {by} ms"));
    }
}
