//! Committers and a subscription on one store, whose server fails meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evercore::subscription::SubscriptionHandle;
use evercore::{AggregateId, Batch, Error, EventStore};
use evercore_postgres::PostgresEngine;
use evercore_testing::history::{Check, Follower, Recorder, Verdict, check};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::{Counted, Counter, options};

const COMMITTERS: usize = 16;

/// Fewer than committers, so that they conflict.
const SHARED: usize = 6;

/// The number of acknowledged commits before the first fault, between two faults, and after the last one.
const BETWEEN: usize = 60;

/// The time limit for a store to work again.
const WITHIN: Duration = Duration::from_secs(60);

const FOLLOWER: &str = "follower";

/// A store with running committers and a subscription.
pub(crate) struct Storm {
    store: EventStore,
    recorder: Recorder,
    committers: Vec<JoinHandle<()>>,
    follower: SubscriptionHandle,
    tally: Arc<Tally>,
}

/// The numbers of commits by outcome.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
    /// Commits that failed with an error which says that nothing is stored.
    refused: AtomicUsize,
    /// Commits that failed because the disk was full.
    full: AtomicUsize,
    unknown: AtomicUsize,
}

/// Writes to its own counter and to shared ones.
struct Committer {
    store: EventStore,
    own: Option<AggregateId>,
    shared: Vec<AggregateId>,
    number: i64,
    tally: Arc<Tally>,
}

impl Storm {
    pub(crate) async fn start(url: &str) -> Self {
        let recorder = Recorder::new();
        let engine = PostgresEngine::open(options(url)).await.expect("the server answers");
        let engine = recorder.observe(Arc::new(engine));
        let store = EventStore::builder().open_shared(engine).await.expect("it migrates");
        let mut shared = Vec::new();
        for _ in 0..SHARED {
            let created = store.with_context(async |ctx| ctx.create::<Counter>().await);
            shared.push(created.await.expect("nothing speaks against it").id());
        }
        let handler = recorder.handler(FOLLOWER, async |_: Batch| Ok::<_, Error>(()));
        let follower = store.subscription(FOLLOWER).poll_interval(Duration::from_millis(50));
        let follower = follower.spawn(handler).expect("a name");
        let tally = Arc::new(Tally::default());
        let committers = (0..COMMITTERS).map(|committer| {
            let (store, tally) = (store.clone(), Arc::clone(&tally));
            let mut shared = shared.clone();
            shared.rotate_left(committer % SHARED);
            tokio::spawn(Committer { store, own: None, shared, number: 0, tally }.run())
        });
        Self { committers: committers.collect(), store, recorder, follower, tally }
    }

    /// Waits until some more commits are acknowledged.
    pub(crate) async fn rage(&self) {
        let so_far = self.tally.acknowledged.load(Ordering::Relaxed);
        self.until("the store does not work", |tally| {
            tally.acknowledged.load(Ordering::Relaxed) >= so_far + BETWEEN
        })
        .await;
    }

    /// Waits until some more commits have failed.
    pub(crate) async fn until_interrupted(&self) {
        let so_far = self.tally.interrupted();
        self.until("nothing fails", |tally| tally.interrupted() >= so_far + COMMITTERS).await;
    }

    async fn until(&self, otherwise: &str, is_there: impl Fn(&Tally) -> bool) {
        let deadline = Instant::now() + WITHIN;
        while !is_there(&self.tally) {
            assert!(Instant::now() < deadline, "{otherwise}: {:?}", self.tally);
            let is_working = self.committers.iter().all(|committer| !committer.is_finished());
            assert!(is_working, "a committer has failed");
            // Polling without a pause would slow them down.
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops the committers, lets the subscription reach the end, and asserts that all answers agree with the log.
    pub(crate) async fn end_well(mut self) -> Arc<Tally> {
        self.stop_writing().await;
        let idle = timeout(WITHIN, self.store.wait_until_idle(FOLLOWER)).await;
        idle.expect("it gets there").expect("the server answers");
        self.follower.shutdown().await.expect("no fault is a reason to end");
        let history = self.recorder.history();
        let check = Check::of(&history).follower(Follower::new(FOLLOWER)).states_of::<Counter>();
        let verdict = check.run(&self.store).await.expect("it can be read");
        println!("{:?}\n{verdict}", self.tally);
        verdict.assert_sound();
        self.tally
    }

    /// Compares the committers' answers with the log, after they have stopped.
    pub(crate) async fn judge(self) -> Verdict {
        self.follower.shutdown().await.expect("no fault is a reason to end");
        let history = self.recorder.history();
        let judged = async {
            loop {
                match check(&history, &self.store).await {
                    // The connection may be from before the fault.
                    Err(error) if error.is_retryable() => {}
                    judged => return judged.expect("it can be read"),
                }
            }
        };
        timeout(WITHIN, judged).await.expect("the server answers")
    }

    pub(crate) async fn stop_writing(&mut self) {
        self.tally.stop.store(true, Ordering::Relaxed);
        for committer in self.committers.drain(..) {
            timeout(WITHIN, committer).await.expect("none hangs").expect("none fails");
        }
    }
}

impl Tally {
    /// Returns the number of commits that failed because of a fault.
    pub(crate) fn interrupted(&self) -> usize {
        [&self.refused, &self.full, &self.unknown]
            .map(|tally| tally.load(Ordering::Relaxed))
            .into_iter()
            .sum()
    }

    /// Returns the number of commits that failed because the disk was full.
    pub(crate) fn full(&self) -> usize {
        self.full.load(Ordering::Relaxed)
    }
}

impl Committer {
    async fn run(mut self) {
        while !self.tally.stop.load(Ordering::Relaxed) {
            let counter = match self.commit().await {
                Ok(own) => {
                    self.own = Some(own);
                    &self.tally.acknowledged
                }
                Err(Error::OutcomeUnknown { .. }) => &self.tally.unknown,
                Err(Error::DiskFull { .. }) => &self.tally.full,
                Err(error) if error.is_retryable() => &self.tally.refused,
                Err(error) => panic!("no fault is a reason for {error:?}"),
            };
            counter.fetch_add(1, Ordering::Relaxed);
            self.number += 1;
        }
    }

    /// Writes to two aggregates, and sometimes guards a third.
    async fn commit(&self) -> Result<AggregateId, Error> {
        let Self { store, own, shared, number, .. } = self;
        let turn = usize::try_from(*number).expect("not negative");
        let (other, guarded) = (shared[turn % SHARED], shared[(turn + 1) % SHARED]);
        store
            .with_context(async |ctx| {
                let mut own = match own {
                    Some(own) => ctx.load::<Counter>(*own).await?,
                    None => ctx.create().await?,
                };
                ctx.apply(&mut own, Counted { number: *number })?;
                if number % 3 == 0 {
                    let mut other = ctx.load::<Counter>(other).await?;
                    ctx.apply(&mut other, Counted { number: 1 })?;
                }
                if number % 7 == 0 {
                    let guarded = ctx.load::<Counter>(guarded).await?;
                    ctx.guard(&guarded)?;
                }
                Ok(own.id())
            })
            .await
    }
}
