//! Futures of a store on PostgreSQL, dropped at each of their await points.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use evercore_testing::{
    CancellationHarness, Durability, Harness, SqlHarness, SqlTransaction, cancellation,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{Mutex, OnceCell};

/// The connections that an engine keeps: one that reads, one for views and transactions, one that commits, one that
/// listens.
const KEPT: i64 = 4;

/// A schema of its own, and sessions that are known by its name.
#[derive(Debug)]
struct Schema {
    url: String,
    name: String,
    inspector: OnceCell<Mutex<PgConnection>>,
}

impl Schema {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("drops_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        Self { url, name, inspector: OnceCell::new() }
    }

    async fn open(&self) -> Result<Arc<PostgresEngine>> {
        let options: PostgresOptions = CancellationHarness::url(self).parse()?;
        Ok(Arc::new(PostgresEngine::open(options).await?))
    }
}

#[async_trait]
impl Harness for Schema {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(self.open().await?)
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        let failed = |error| evercore::Error::storage("drop a schema", error);
        let mut connection = PgConnection::connect(&self.url).await.map_err(failed)?;
        let sql = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.map_err(failed)?;
        connection.close().await.map_err(failed)
    }
}

#[async_trait]
impl CancellationHarness for Schema {
    fn url(&self) -> String {
        let Self { url, name, .. } = self;
        let separator = if url.contains('?') { '&' } else { '?' };
        format!("{url}{separator}schema={name}&application_name={name}&readers=1&writers=1")
    }

    async fn held(&self) -> Result<Vec<String>, BoxError> {
        let connect = async || PgConnection::connect(&self.url).await.map(Mutex::new);
        let inspector = self.inspector.get_or_try_init(connect).await?;
        let held = sqlx::query_scalar(include_str!("cancellation/held.sql"))
            .bind(&self.name)
            .bind(KEPT)
            .fetch_all(&mut *inspector.lock().await)
            .await?;
        Ok(held)
    }
}

#[async_trait]
impl SqlHarness for Schema {
    type Engine = PostgresEngine;

    const HOLDS_WRITERS_BACK: bool = false;

    async fn open(&self) -> Result<Arc<PostgresEngine>> {
        self.open().await
    }

    fn table(&self) -> String {
        format!("{}.effects", self.name)
    }

    async fn execute(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<(), BoxError> {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn numbers(
        &self,
        transaction: &mut SqlTransaction<Self>,
        sql: &str,
    ) -> Result<Vec<i64>, BoxError> {
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut **transaction).await?)
    }

    async fn clean_up(&self) -> Result<()> {
        Harness::clean_up(self).await
    }
}

cancellation!(Schema::new());

mod transactional {
    use super::Schema;

    evercore_testing::transactional_cancellation!(Schema::new());
}

mod closing {
    use std::time::Duration;

    use evercore::{Aggregate, Error, EventStore, state_event};
    use evercore_testing::{CancellationHarness, Harness};
    use futures_util::FutureExt;
    use sqlx::{AssertSqlSafe, Connection, PgConnection};

    use super::Schema;

    #[derive(Aggregate, Default)]
    #[aggregate(name = "thing")]
    struct Thing {
        number: i64,
    }

    #[state_event(aggregate = Thing, name = "happened")]
    struct Happened {
        number: i64,
    }

    async fn create(store: &EventStore) -> Result<(), Error> {
        store
            .with_context(async |ctx| {
                let mut thing = ctx.create::<Thing>().await?;
                ctx.apply(&mut thing, Happened { number: 1 })
            })
            .await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_close_after_one_that_was_dropped_waits_for_the_same_commits() {
        let schema = Schema::new();
        let store = EventStore::connect(CancellationHarness::url(&schema)).await.expect("it opens");
        create(&store).await.expect("it lands");

        let mut blocker = PgConnection::connect(&schema.url).await.expect("the server is there");
        let lock = format!("BEGIN; LOCK TABLE {}.events IN ACCESS EXCLUSIVE MODE", schema.name);
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut blocker).await.expect("nobody else has it");
        let committing = tokio::spawn({
            let store = store.clone();
            async move { create(&store).await }
        });
        while !schema
            .held()
            .await
            .expect("the server answers")
            .iter()
            .any(|it| it.contains("active"))
        {
            tokio::task::yield_now().await;
        }

        assert!(store.close().now_or_never().is_none(), "a commit is under way");
        let early = tokio::time::timeout(Duration::from_millis(50), store.close()).await;
        assert!(early.is_err(), "a commit is still under way");
        sqlx::raw_sql("ROLLBACK").execute(&mut blocker).await.expect("the server is there");
        store.close().await.expect("it ends");
        committing.await.expect("no panic").expect("what was under way has landed");
        Harness::clean_up(&schema).await.expect("the schema can be dropped");
    }
}
