//! Many committers through one store, while the server crashes under them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use evercore::engine::CommitOutcome;
use evercore::{AggregateId, CommitId, Error, EventStore, Position};
use tokio::time::{Instant, timeout};

use crate::{Counted, Counter, count, crash, open, server};

const COMMITTERS: i64 = 16;
const CRASHES: usize = 3;

/// Acknowledged commits between two crashes.
const BETWEEN: usize = 100;

/// What a committer was told about one of its commits.
#[derive(Debug)]
enum Told {
    Landed,
    Unknown(CommitId),
    /// Any other error, which says that it has not landed and never will.
    Failed,
}

/// Commits pairs of events with growing numbers, one on each of two counters, until it is told to stop.
struct Committer {
    store: EventStore,
    counters: [AggregateId; 2],
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Committer {
    async fn run(self) -> ([AggregateId; 2], Vec<Told>) {
        let mut told = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let number = i64::try_from(told.len()).expect("few");
            told.push(match self.commit(number).await {
                Ok(()) => {
                    self.acknowledged.fetch_add(1, Ordering::Relaxed);
                    Told::Landed
                }
                Err(Error::OutcomeUnknown { commit, .. }) => Told::Unknown(commit),
                Err(error) if error.is_retryable() => Told::Failed,
                Err(error) => panic!("a crash is no reason for {error:?}"),
            });
        }
        (self.counters, told)
    }

    async fn commit(&self, number: i64) -> Result<(), Error> {
        self.store
            .with_context(async |ctx| {
                for id in self.counters {
                    let mut counter = ctx.load::<Counter>(id).await?;
                    ctx.apply(&mut counter, Counted { number })?;
                }
                Ok(())
            })
            .await
    }
}

/// How often each number is on each counter.
async fn landed(store: &EventStore) -> HashMap<(AggregateId, i64), usize> {
    let mut landed = HashMap::new();
    let mut cursor = Position::START;
    loop {
        let page = store.read_log(cursor, 1_000).await.expect("it can be read");
        for event in &page.events {
            let number = event.decode::<Counted>().expect("it is ours").number;
            *landed.entry((event.aggregate_id(), number)).or_default() += 1;
        }
        if page.at_end {
            return landed;
        }
        cursor = page.end;
    }
}

/// How often the events of a commit are to be there.
async fn times(store: &EventStore, told: Told) -> usize {
    match told {
        Told::Landed => 1,
        Told::Failed => 0,
        Told::Unknown(commit) => {
            match store.find_commit(commit).await.expect("the server answers") {
                CommitOutcome::Landed(_) => 1,
                CommitOutcome::NeverLands => 0,
            }
        }
    }
}

async fn wait_for(acknowledged: &AtomicUsize, wanted: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while acknowledged.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "the store does not work again after a restart");
        // So that looking does not slow them down.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_commits_survive_and_others_are_there_whole_or_not_at_all() {
    let mut server = server(&[]);
    let store = open(&server).await;
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut committers = Vec::new();
    for _ in 0..COMMITTERS {
        let committer = Committer {
            store: store.clone(),
            counters: [
                count(&store, None, -1).await.expect("it lands"),
                count(&store, None, -1).await.expect("it lands"),
            ],
            acknowledged: Arc::clone(&acknowledged),
            stop: Arc::clone(&stop),
        };
        committers.push(tokio::spawn(committer.run()));
    }
    for _ in 0..CRASHES {
        let so_far = acknowledged.load(Ordering::Relaxed);
        wait_for(&acknowledged, so_far + BETWEEN).await;
        tokio::task::block_in_place(|| crash(&mut server));
    }
    let so_far = acknowledged.load(Ordering::Relaxed);
    wait_for(&acknowledged, so_far + BETWEEN).await;
    stop.store(true, Ordering::Relaxed);

    let mut wanted = Vec::new();
    let mut interrupted = 0;
    for committer in committers {
        let ended = timeout(Duration::from_secs(60), committer).await.expect("none hangs");
        let (counters, told) = ended.expect("no panic");
        for (number, told) in (0..).zip(told) {
            interrupted += usize::from(!matches!(told, Told::Landed));
            wanted.push((counters, number, times(&store, told).await));
        }
    }
    let landed = landed(&store).await;
    for (counters, number, wanted) in wanted {
        let found = counters.map(|id| landed.get(&(id, number)).copied().unwrap_or_default());
        assert_eq!(found, [wanted; 2], "how often {number} is on {counters:?}");
    }
    assert!(interrupted > 0, "the control: nobody noticed the crashes");
}

#[tokio::test]
async fn a_store_that_rested_while_the_server_was_restarted_notices_nothing() {
    let mut server = server(&["fsync=off"]);
    let store = open(&server).await;
    let counters = [
        count(&store, None, 1).await.expect("it lands"),
        count(&store, None, 1).await.expect("it lands"),
    ];
    server.crash().unwrap_or_else(|failure| panic!("{failure}"));
    // Not to wait for anything: this is how long the server is away.
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.restart().unwrap_or_else(|failure| panic!("{failure}"));

    let (first, second) =
        tokio::join!(count(&store, Some(counters[0]), 2), count(&store, Some(counters[1]), 2));
    first.and(second).expect("it connects anew");
    let page = store.read_log(Position::START, 10).await.expect("it connects anew");
    assert_eq!(page.events.len(), 4);
}
