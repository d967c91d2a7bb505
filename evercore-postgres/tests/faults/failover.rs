//! A standby that is promoted without the end of the log.

use evercore::{
    AggregateId, Appended, Batch, CommitOutcome, Error, EventStore, Expected, Position, Start,
    Stream,
};
use throwaway_postgres::Server;
use tokio::time::{Duration, Instant, sleep};

use crate::{Counted, Counter, connect, done, execute, number, open, server};

const WITHIN: Duration = Duration::from_secs(30);
const FOLLOWER: &str = "follower";

async fn create(store: &EventStore) -> AggregateId {
    let created =
        store.with_context(async |ctx| Ok::<_, Error>(ctx.create::<Counter>().await?.id()));
    created.await.expect("nothing speaks against it")
}

async fn append(store: &EventStore, counter: AggregateId, number: i64) -> Appended {
    let append =
        store.append::<Counter, _>(Stream::Id(counter), Expected::Any, [Counted { number }]);
    append.await.expect("any state will do")
}

async fn numbers(store: &EventStore, after: Position) -> Vec<i64> {
    let page = store.read_log(after, 100).await.expect("it can be read");
    let numbers = page.events.iter().map(|event| Ok(event.decode::<Counted>()?.number));
    numbers.collect::<Result<_, Error>>().expect("all are ours")
}

/// Waits until the standby has caught up, then stops replication.
async fn cut_off(primary: &Server, standby: &Server) {
    let mut sql = connect(standby).await;
    let behind = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_lsn()";
    let deadline = Instant::now() + WITHIN;
    while number(&mut connect(primary).await, behind).await > 0 {
        assert!(Instant::now() < deadline, "the standby does not follow");
        sleep(Duration::from_millis(10)).await;
    }
    execute(&mut sql, "ALTER SYSTEM SET primary_conninfo = ''").await;
    execute(&mut sql, "SELECT pg_reload_conf()").await;
    while number(&mut sql, "SELECT count(*) FROM pg_stat_wal_receiver").await > 0 {
        assert!(Instant::now() < deadline, "the standby still follows");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn follow(store: &EventStore) -> u64 {
    let worker = store.subscription(FOLLOWER).spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    store.wait_until_idle(FOLLOWER).await.expect("it gets there");
    let handled = worker.status().handled;
    worker.shutdown().await.expect("it stops");
    handled
}

#[tokio::test]
async fn a_standby_that_is_promoted_without_its_tail_goes_on_from_what_it_has() {
    let primary = server(&["fsync=off"]);
    let store = open(&primary.url()).await;
    let counter = create(&store).await;
    let kept = append(&store, counter, 1).await;
    assert_eq!(follow(&store).await, 1);
    let mut standby = done(primary.standby());
    cut_off(&primary, &standby).await;

    let lost = append(&store, counter, 2).await;
    assert_eq!(follow(&store).await, 1);
    let elsewhere = lost.committed.position().expect("it has an event");
    drop(store);
    drop(primary);
    done(standby.promote());
    let store = open(&standby.url()).await;

    // Events that were not replicated are lost, acknowledged or not, and their positions are assigned again.
    assert_eq!(numbers(&store, Position::START).await, [1]);
    let engine = store.engine();
    let outcome = engine.find_commit(kept.committed.id).await.expect("it can be asked");
    assert!(matches!(outcome, CommitOutcome::Landed(_)), "{outcome:?}");
    let outcome = engine.find_commit(lost.committed.id).await.expect("it can be asked");
    assert_eq!(outcome, CommitOutcome::NeverLands, "so that it can be made again");
    let beyond = store.subscription("elsewhere").start(Start::After(elsewhere));
    let refused = beyond.run(async |_: Batch| Ok::<_, Error>(())).await;
    assert!(matches!(refused, Err(Error::StartBeyondEnd { .. })), "{refused:?}");
    let again = append(&store, counter, 3).await;
    assert!(again.committed.positions <= lost.committed.positions, "{again:?} and {lost:?}");
    append(&store, counter, 4).await;

    // The cursor went back together with the log, so no event is skipped. A cursor that is kept elsewhere is refused
    // while it lies beyond the end, and skips events once it does not, as this control shows.
    assert_eq!(follow(&store).await, 2);
    assert_eq!(numbers(&store, elsewhere).await, [4]);
}
