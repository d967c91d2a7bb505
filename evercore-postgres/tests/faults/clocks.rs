//! Clocks that jump.
//!
//! A test cannot set the server's clock and need not: only the difference between the clock and the stored times
//! matters. If the clock jumps ahead by an hour, the effect is the same as if all stored times were an hour older.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercore::{Batch, Clock, Error, EventStore, Start};
use evercore_postgres::{PostgresContext, PostgresEngine};
use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{Counted, Counter, connect, execute, number, open, options, server};

const WITHIN: Duration = Duration::from_secs(30);
const LEASE: Duration = Duration::from_secs(2);

async fn count(store: &EventStore) {
    let counted = store.with_context(async |ctx| {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Counted { number: 1 })
    });
    counted.await.expect("nothing speaks against it");
}

/// Simulates a jump of the server's clock, ahead or back.
async fn jump(sql: &mut PgConnection, hours: i64) {
    execute(
        sql,
        &format!(
            "UPDATE evercore.subscription_partitions
             SET leased_until = leased_until - interval '{hours} h',
                 wanted_until = wanted_until - interval '{hours} h'"
        ),
    )
    .await;
}

async fn until(sql: &mut PgConnection, condition: &str) {
    let deadline = Instant::now() + WITHIN;
    while number(sql, &format!("SELECT count(*) WHERE {condition}")).await == 0 {
        assert!(Instant::now() < deadline, "never: {condition}");
        // Polling without a pause would keep the server busy.
        sleep(Duration::from_millis(10)).await;
    }
}

/// The clock jumps past the end of a worker's lease in the middle of a batch, and another worker takes over.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_jumps_ahead_gives_leases_away_and_no_effect_is_doubled() {
    let server = server(&["fsync=off"]);
    let mut sql = connect(&server).await;
    let (first, second) = (open(&server.url()).await, open(&server.url()).await);
    execute(&mut sql, "CREATE TABLE handled (worker text, events bigint)").await;
    count(&first).await;

    let (is_in, may_end, stop) = (Notify::new(), Notify::new(), CancellationToken::new());
    let work = async |store: &EventStore, name: &'static str| {
        let handler = async |ctx: &mut PostgresContext, batch: Batch| {
            let insert = sqlx::query("INSERT INTO handled VALUES ($1, $2)");
            let events = i64::try_from(batch.len()).expect("few");
            insert.bind(name).bind(events).execute(&mut **ctx.transaction()).await?;
            if name == "first" {
                is_in.notify_one();
                may_end.notified().await;
            }
            Ok::<_, sqlx::Error>(())
        };
        let subscription = store.subscription("jump").lease(LEASE).owner(name);
        subscription.stop_on(stop.clone()).run_in_transaction(handler).await
    };
    let take_over = async {
        is_in.notified().await;
        work(&second, "second").await
    };
    let jump_until_then = async {
        // The owner renews its lease meanwhile, so the clock may have to jump more than once.
        let deadline = Instant::now() + WITHIN;
        while number(&mut sql, "SELECT count(*) FROM handled").await == 0 {
            assert!(Instant::now() < deadline, "no worker takes over");
            jump(&mut sql, 1).await;
            // Gives another worker the time to take the lease.
            sleep(Duration::from_millis(10)).await;
        }
        may_end.notify_one();
        stop.cancel();
    };
    let (first, second, ()) = tokio::join!(work(&first, "first"), take_over, jump_until_then);
    first.and(second).expect("no jump is a reason to end");
    assert_eq!(number(&mut sql, "SELECT sum(events)::bigint FROM handled").await, 1);
    assert_eq!(number(&mut sql, "SELECT count(*) FROM handled WHERE worker = 'second'").await, 1);
}

/// A running worker renews its lease by the current clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_clock_jumps_back_keeps_no_lease_for_longer_than_it_is_renewed() {
    let server = server(&["fsync=off"]);
    let mut sql = connect(&server).await;
    let store = open(&server.url()).await;
    let worker = store.subscription("jump").lease(LEASE).spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    count(&store).await;
    store.wait_until_idle("jump").await.expect("it can be asked");
    jump(&mut sql, -1).await;
    let table = "FROM evercore.subscription_partitions";
    until(&mut sql, &format!("(SELECT leased_until < now() + interval '1 min' {table})")).await;

    worker.shutdown().await.expect("it stops");

    // A worker that is gone keeps its lease until the clock has caught up, or until the lease is taken away.
    let gone = "UPDATE evercore.subscription_partitions
                SET owner = 'gone', token = 1000, leased_until = now() + interval '2 s'";
    execute(&mut sql, gone).await;
    jump(&mut sql, -1).await;
    let subscription = || store.subscription("jump").lease(LEASE);
    let refused = subscription().fail_if_owned().run(async |_: Batch| Ok::<_, Error>(())).await;
    let Err(Error::SubscriptionOwned { until, .. }) = refused else { panic!("{refused:?}") };
    assert!(until > Utc::now() + TimeDelta::minutes(50), "{until}");
    let place = store.subscriptions().find("jump").await.expect("it can be asked");
    let place = place.expect("it is stored").cursor;
    let reset = store.subscriptions().reset("jump", Start::After(place)).await;
    reset.expect("it takes the lease away");
    let worker = subscription().spawn(async |_: Batch| Ok::<_, Error>(())).expect("a name");
    count(&store).await;
    store.wait_until_idle("jump").await.expect("it can be asked");
    assert_eq!(worker.status().handled, 1, "only what is new");
    worker.shutdown().await.expect("it stops");
}

/// The store's clock sets the times of events. It does not affect leases.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_jumps_keeps_its_lease_and_no_more() {
    #[derive(Debug, Default)]
    struct Jumping(AtomicUsize);

    impl Clock for Jumping {
        fn now(&self) -> DateTime<Utc> {
            let years = [0, 30, -20][self.0.fetch_add(1, Ordering::Relaxed) % 3];
            Utc::now() + TimeDelta::days(365 * years)
        }
    }

    let server = server(&["fsync=off"]);
    let mut sql = connect(&server).await;
    let engine = PostgresEngine::open(options(&server.url())).await.expect("the server answers");
    let store = EventStore::builder().clock(Arc::new(Jumping::default())).open(engine).await;
    let store = store.expect("it migrates");
    let worker = store.subscription("jump").lease(LEASE).spawn(async |_: Batch| Ok::<_, Error>(()));
    let worker = worker.expect("a name");
    for _ in 0..9 {
        count(&store).await;
    }
    store.wait_until_idle("jump").await.expect("it can be asked");
    let leased = "leased_until BETWEEN now() AND now() + interval '2 s'";
    let table = "FROM evercore.subscription_partitions";
    until(&mut sql, &format!("(SELECT {leased} {table})")).await;
    let spread = "SELECT (extract(year FROM max(recorded_at)) - extract(year FROM min(recorded_at)))::bigint FROM evercore.events";
    assert_eq!(number(&mut sql, spread).await, 50, "the control: its clock does jump");
    worker.shutdown().await.expect("it stops");
}
