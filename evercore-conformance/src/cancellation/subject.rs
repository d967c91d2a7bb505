//! The store under test, and a second store that inspects the result.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use evercore::engine::StorageEngine;
use evercore::{
    AggregateId, BoxError, Context, Error, EventStore, Metadata, Position, Registry, Result, Start,
};
use futures_util::StreamExt;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::halting::Halting;
use super::{CancellationHarness, Outcome};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::{self, Setting};

/// The time limit for the effects of a drop to be undone, and for the store to continue.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time to observe the tasks of an idle store, to find out the number that it keeps.
const STOCK_TAKING: Duration = Duration::from_millis(30);

/// A store whose futures are dropped, two counters that every commit increments together, and a second store on the
/// same engine that inspects the result.
#[derive(Debug)]
pub struct Subject {
    pub(crate) store: EventStore,
    pub(crate) witness: EventStore,
    pub(crate) left: AggregateId,
    pub(crate) right: AggregateId,
    harness: Arc<dyn CancellationHarness>,
    engine: Arc<dyn StorageEngine>,
    tasks: AtomicUsize,
}

/// The natural key of [`Subject::left`].
pub(crate) const LEFT: &str = "left";

impl Subject {
    pub(super) async fn new(
        harness: Arc<dyn CancellationHarness>,
        engine: Arc<dyn StorageEngine>,
        setting: Setting,
    ) -> Result<Self, BoxError> {
        let halting: Arc<dyn StorageEngine> = Arc::new(Halting::new(Arc::clone(&engine)));
        let store = fixture::open(halting, setting, SEED).await?;
        let witness = fixture::open(Arc::clone(&engine), Setting::Default, SEED).await?;
        let left = match counter::find_by_key(&witness, LEFT).await? {
            Some(left) => left,
            None => counter::create_with_key(&witness, LEFT, 0).await?,
        };
        let right = match counter::find_by_key(&witness, "right").await? {
            Some(right) => right,
            None => counter::create_with_key(&witness, "right", 0).await?,
        };
        let tasks = AtomicUsize::new(usize::MAX);
        Ok(Self { store, witness, left, right, harness, engine, tasks })
    }

    /// Opens a store on the same engine that has reserved no ids and resolved no names yet.
    pub(super) async fn fresh_store(&self) -> Result<EventStore> {
        let halting: Arc<dyn StorageEngine> = Arc::new(Halting::new(Arc::clone(&self.engine)));
        fixture::open(halting, Setting::Default, SEED).await
    }

    /// Opens a store of another program on the same engine.
    pub(super) async fn store_of(&self, registry: Registry) -> Result<EventStore> {
        let halting: Arc<dyn StorageEngine> = Arc::new(Halting::new(Arc::clone(&self.engine)));
        EventStore::builder().registry(registry).open_shared(halting).await
    }

    /// Opens an engine with await points of its own, as another process would.
    pub(super) async fn open_another(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(Arc::new(Halting::new(self.harness.open().await?)))
    }

    pub(super) fn harness(&self) -> &dyn CancellationHarness {
        &*self.harness
    }

    /// Returns a text that is unique in this process.
    pub(super) fn mark() -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("mark {}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Increments both counters, with `mark` as correlation id.
    pub(super) async fn add_to_both(&self, ctx: &mut Context, mark: &str) -> Result<()> {
        ctx.set_metadata(correlated(mark))?;
        let mut left = ctx.load::<Counter>(self.left).await?;
        ctx.apply(&mut left, Added { by: 1 })?;
        let mut right = ctx.load_by_key::<Counter>("right").await?;
        ctx.apply(&mut right, Added { by: 1 })
    }

    /// Lets the witness write events for an operation to read. Returns the previous end of the log.
    pub(super) async fn prepare(&self, mark: &str) -> Result<Position> {
        let before = self.witness.head().await?;
        self.witness.with_context(async |ctx| self.add_to_both(ctx, mark).await).await?;
        Ok(before)
    }

    /// Checks that the log has all `events` with the correlation id `mark` or none of them; all of them if `is_done`.
    pub(super) async fn check_whole(&self, mark: &str, events: usize, is_done: bool) -> Outcome {
        let began = Instant::now();
        loop {
            let found = self.witness.read_correlated(mark, Position::START).await?.events.len();
            if found == events || (found == 0 && !is_done) {
                return Ok(());
            }
            // A rollback that is still running may hide an acknowledged event for a moment.
            if found != 0 || began.elapsed() > PATIENCE {
                return Err(format!("{found} of {events} events of a commit are there").into());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Records the number of tasks while the store is idle.
    pub(super) async fn take_stock(&self) -> Outcome {
        self.check_it_goes_on().await?;
        // The first watch may start tasks that stay alive, and an operation may end before it has called `watch_log`.
        drop(self.engine.watch_log());
        let began = Instant::now();
        let mut fewest = usize::MAX;
        while began.elapsed() < STOCK_TAKING {
            fewest = fewest.min(Handle::current().metrics().num_alive_tasks());
            sleep(Duration::from_millis(1)).await;
        }
        self.tasks.store(fewest, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until no task and no resource is left for a dropped future; fails if some remain.
    pub(super) async fn check_nothing_is_held(&self) -> Outcome {
        let began = Instant::now();
        let most = self.tasks.load(Ordering::Relaxed);
        loop {
            let tasks = Handle::current().metrics().num_alive_tasks();
            let held = if tasks <= most { self.harness.held().await? } else { Vec::new() };
            if tasks <= most && held.is_empty() {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{tasks} tasks of {most}, and these are held: {held:?}").into());
            }
            sleep(Duration::from_micros(200)).await;
        }
    }

    /// Checks that commits to the same aggregates and keys, views, new aggregates and subscriptions still work.
    pub(super) async fn check_it_goes_on(&self) -> Outcome {
        let go_on = async {
            let before = self.witness.head().await?;
            for store in [&self.witness, &self.store] {
                let mark = Self::mark();
                store.with_context(async |ctx| self.add_to_both(ctx, &mark).await).await?;
                self.check_whole(&mark, 2, true).await?;
                let (left, right) = store
                    .with_readonly_context(async |ctx| {
                        let left = ctx.load_by_key::<Counter>(LEFT).await?.state().value;
                        // A read beside the view needs a connection of its own.
                        store.history(self.left, ..).await?;
                        let right = ctx.load::<Counter>(self.right).await?.state().value;
                        Ok::<_, Error>((left, right))
                    })
                    .await?;
                if left != right {
                    return Err(format!("the counters are out of step: {left} and {right}").into());
                }
                counter::create(store, 1).await?;
            }
            let stream = self.store.ephemeral().start(Start::After(before)).stream();
            let mut stream = std::pin::pin!(stream);
            stream.next().await.ok_or("a stream has ended")??;
            Ok::<_, BoxError>(())
        };
        match timeout(PATIENCE, go_on).await {
            Ok(gone_on) => gone_on.map_err(|error| format!("it does not go on: {error}").into()),
            Err(_) => Err("it does not go on".into()),
        }
    }

    pub(super) async fn end(self) -> Outcome {
        Ok(self.engine.close().await?)
    }
}

/// The tests themselves use no randomness; only the drivers and the server do.
const SEED: u64 = 7;

pub(super) fn correlated(mark: &str) -> Metadata {
    Metadata::new().correlation(mark)
}
