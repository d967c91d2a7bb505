//! Decisions are made in READ COMMITTED, whatever the default of the database.

use std::sync::Arc;

use evercore::boundary::Tag;
use evercore::engine::{StorageEngine as _, StoredEvent, TagAtom, TagQuery, TagRequest};
use evercore::{Error, EventStore};
use evercore_postgres::{PostgresContext, PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::decisions::{Seat, Taken};
use crate::{Account, BankError, Deposited};

/// Returns the URL of a database whose transactions are serializable by default.
async fn serializable(name: &str) -> String {
    let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
    let mut connection = PgConnection::connect(&url).await.expect("the server answers");
    for sql in [
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name}"),
        format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"),
    ] {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("it is ours");
    }
    format!("{}&dbname={name}", if url.contains('?') { url } else { url + "?" })
}

async fn deposit(store: &EventStore) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.load_or_create::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })
        })
        .await
}

#[tokio::test]
async fn the_default_isolation_of_a_database_changes_nothing() {
    let url = serializable("isolation_default").await;
    let store = EventStore::connect(url).await.expect("the server answers");
    deposit(&store).await.expect("it lands");
    let isolation: Result<String, BankError> = store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let mut account = ctx.load_by_key::<Account>("ada").await?;
            ctx.apply(&mut account, Deposited { amount: 1 })?;
            let show = sqlx::query_scalar("SHOW transaction_isolation");
            Ok(show.fetch_one(&mut **ctx.transaction()).await?)
        })
        .await;
    assert_eq!(isolation.expect("it lands"), "read committed");
}

#[tokio::test]
async fn a_session_that_is_left_to_its_isolation_commits_nothing() {
    let url = serializable("isolation_left_alone").await + "&session_timeouts=off";
    let store = EventStore::connect(url).await.expect("the server answers");
    assert_refused(&deposit(&store).await.expect_err("it is judged on an old snapshot"));
}

#[tokio::test]
async fn a_session_that_is_left_to_its_isolation_reads_nothing_for_a_decision() {
    let url = serializable("isolation_reads").await;
    let store = EventStore::connect(&url).await.expect("the server answers");
    store.with_context(async |ctx| ctx.emit(Taken { seat: 1 })).await.expect("it lands");

    let options: PostgresOptions = (url + "&session_timeouts=off").parse().expect("a URL");
    let engine = Arc::new(PostgresEngine::open(options).await.expect("the server answers"));
    let store = EventStore::builder().open_shared(engine.clone()).await.expect("it opens");
    let read = store.with_context(async |ctx| ctx.read(Seat::of(1)).await.map(drop)).await;
    assert_refused(&read.expect_err("the frontier is later than the events"));
    // The commit itself would be accepted: its transaction says its isolation.
    let decided: Result<(), Error> = store
        .with_transaction(async |ctx: &mut PostgresContext| {
            let seat = ctx.read(Seat::of(1)).await?;
            if seat.times == 0 { ctx.emit(Taken { seat: 1 }) } else { Ok(()) }
        })
        .await;
    assert_refused(&decided.expect_err("the frontier is later than the events"));

    let stored = StoredEvent { aggregate: "evercore.facts".into(), event: "taken".into() };
    let tags = vec![Tag::new("seat", 1).expect("a tag")];
    let query = TagQuery { atoms: vec![TagAtom { types: vec![stored], tags }] };
    let view = engine.begin_read().await.expect("it opens");
    let pages = view.read_tagged(vec![TagRequest::new(Arc::new(query), 10)]).await;
    assert_eq!(pages.expect("a view has one snapshot")[0].events.len(), 1);
}

fn assert_refused(error: &Error) {
    let Error::Storage { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("READ COMMITTED only, not in SERIALIZABLE"), "{source}");
}
