//! Commits run in READ COMMITTED, whatever the default of the database.

use evercore::{Error, EventStore};
use evercore_postgres::PostgresContext;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

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
    let refused = deposit(&store).await.expect_err("it is judged on an old snapshot");
    let Error::Storage { source, .. } = &refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("READ COMMITTED only, not in SERIALIZABLE"), "{source}");
}
