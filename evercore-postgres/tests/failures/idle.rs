//! Sessions that the server ends because they were idle for too long.

use std::time::Duration;

use evercore::{Error, EventStore, Expected, Position, Stream};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep};

use crate::{Account, Deposited, execute, sql, url};

const WITHIN: Duration = Duration::from_secs(20);

/// Opens a store on a database that ends sessions after 200 ms without activity, if the server has such a setting.
async fn store(database: &str) -> Option<(EventStore, PgConnection)> {
    let mut sql = sql().await;
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version_num')")
        .fetch_one(&mut sql)
        .await
        .expect("a version");
    if version.parse::<u32>().expect("a number") < 140_000 {
        eprintln!("left out: before PostgreSQL 14, sessions do not end by themselves");
        return None;
    }
    execute(&mut sql, &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)")).await;
    execute(&mut sql, &format!("CREATE DATABASE {database}")).await;
    let set = format!("ALTER DATABASE {database} SET idle_session_timeout = '200ms'");
    execute(&mut sql, &set).await;
    let connect: PgConnectOptions = url().parse().expect("a URL");
    let engine = PostgresEngine::open(PostgresOptions::new(connect.database(database))).await;
    let store = EventStore::builder().open(engine.expect("it answers")).await;
    Some((store.expect("it migrates"), sql))
}

/// Waits until the server has ended all idle sessions of the database except the one that listens.
async fn until_none_rests(sql: &mut PgConnection, database: &str) {
    let deadline = Instant::now() + WITHIN;
    loop {
        let resting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND query NOT LIKE 'LISTEN%'",
        )
        .bind(database)
        .fetch_one(&mut *sql)
        .await
        .expect("a number");
        if resting == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{resting} sessions rest");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn reads_and_commits_do_not_notice_that_sessions_have_ended() {
    let name = "idle_sessions";
    let Some((store, mut sql)) = store(name).await else { return };
    let created = store.with_context(async |ctx| {
        let mut account = ctx.create::<Account>().await?;
        ctx.apply(&mut account, Deposited { amount: 1 })?;
        Ok::<_, Error>(account.id())
    });
    let id = created.await.expect("it lands");
    let balance = async || {
        let load = store.with_context(async |ctx| ctx.load::<Account>(id).await);
        load.await.map(|account| account.state().balance)
    };
    for round in 0..3 {
        // Open several sessions of each kind, which all end.
        let read = || store.read_log(Position::START, 10);
        let (first, second, third) = tokio::join!(read(), read(), read());
        first.and(second).and(third).expect("it can be read");

        until_none_rests(&mut sql, name).await;
        assert_eq!(balance().await.expect("it can be read"), 1 + 2 * round);
        until_none_rests(&mut sql, name).await;
        let append =
            store.append::<Account, _>(Stream::Id(id), Expected::Any, [Deposited { amount: 1 }]);
        append.await.expect("it lands");
        until_none_rests(&mut sql, name).await;
        let transaction = store.with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load::<Account>(id).await?;
            ctx.apply(&mut account, Deposited { amount: 1 })
        });
        transaction.await.expect("it lands");
        until_none_rests(&mut sql, name).await;
        let view = store.with_readonly_context(async |ctx| ctx.load::<Account>(id).await);
        view.await.expect("it can be read");
        until_none_rests(&mut sql, name).await;
        let report = store.verify().run().await.expect("it can be read");
        assert!(report.is_clean(), "{report:?}");
    }
    store.close().await.expect("it closes");
}

#[tokio::test]
async fn subscriptions_do_not_notice_that_sessions_have_ended() {
    let name = "idle_workers";
    let Some((store, mut sql)) = store(name).await else { return };
    let plain = store.subscription("plain").spawn(async |_: evercore::Batch| Ok::<_, Error>(()));
    let plain = plain.expect("a name");
    let builder = store.subscription("transactional");
    let progress = builder.progress();
    let stop = tokio_util::sync::CancellationToken::new();
    let handler = async |ctx: &mut PostgresContext, _: evercore::Batch| {
        sqlx::query("SELECT 1").execute(&mut **ctx.transaction()).await.map(drop)
    };
    let transactional = builder.stop_on(stop.clone()).run_in_transaction(handler);
    let feed = async {
        for number in 1..=4 {
            let append = store.append::<Account, _>(
                Stream::Key("ada".try_into().expect("a key")),
                Expected::Any,
                [Deposited { amount: number }],
            );
            append.await.expect("it lands");
            let deadline = Instant::now() + WITHIN;
            let wanted = u64::try_from(number).expect("it is small");
            while progress.status().handled < wanted || plain.status().handled < wanted {
                let seen = (progress.status(), plain.status());
                assert!(Instant::now() < deadline && !plain.is_finished(), "{seen:?}");
                sleep(Duration::from_millis(5)).await;
            }
            until_none_rests(&mut sql, name).await;
        }
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(transactional, feed);
    ended.expect("no reason to end");
    plain.shutdown().await.expect("no reason to end");
    store.close().await.expect("it closes");
}
