//! The log under test.

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[derive(Aggregate, Default)]
pub(crate) struct Counter(i64);

#[event(aggregate = Counter)]
pub(crate) struct Counted;

impl Apply<Counted> for Counter {
    fn apply(&mut self, _event: &Counted, _meta: &EventMeta) {
        self.0 += 1;
    }
}

/// A separate schema.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) url: String,
    pub(crate) schema: &'static str,
}

impl Log {
    pub(crate) async fn new(schema: &'static str) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        Self::on(url, schema).await
    }

    pub(crate) async fn on(url: String, schema: &'static str) -> Self {
        let log = Self { url, schema };
        let mut sql = log.sql().await;
        // Prepared transactions of an aborted run would hold locks on the schema.
        let forgotten: Vec<String> = sqlx::query_scalar(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() AND starts_with(gid, $1)",
        )
        .bind(schema)
        .fetch_all(&mut sql)
        .await
        .expect("anyone may look");
        for gid in forgotten {
            execute(&mut sql, format!("ROLLBACK PREPARED '{gid}'")).await;
        }
        execute(&mut sql, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;
        log.store(1).await;
        log
    }

    /// Opens a separate connection.
    pub(crate) async fn sql(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the server answers")
    }

    /// Opens a store, as another process would.
    pub(crate) async fn store(&self, writers: u32) -> EventStore {
        let options: PostgresOptions = self.url.parse().expect("a URL");
        let options = options.schema(self.schema).expect("a schema name").writers(writers);
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let store = EventStore::builder().open(engine).await.expect("it migrates");
        store.warmup().await.expect("the server answers");
        store
    }

    /// Returns the positions of all events.
    pub(crate) async fn committed(&self) -> Vec<i64> {
        let sql = format!("SELECT position FROM {}.events ORDER BY position", self.schema);
        let mut connection = self.sql().await;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await.expect("numbers")
    }

    /// Returns the last position that was drawn.
    pub(crate) async fn drawn(&self) -> i64 {
        self.number(format!("SELECT last_value FROM {}.event_positions", self.schema)).await
    }

    pub(crate) async fn aggregates_with_holes(&self) -> i64 {
        let sql = format!(
            "SELECT count(*) FROM (
                SELECT FROM {}.events GROUP BY aggregate_id HAVING max(sequence) <> count(*)
             ) AS holes",
            self.schema
        );
        self.number(sql).await
    }

    async fn number(&self, sql: String) -> i64 {
        let mut connection = self.sql().await;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a number")
    }
}

pub(crate) async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}

/// Creates a counter with one event.
pub(crate) async fn create(store: &EventStore) -> AggregateId {
    let created = store.with_context(async |ctx| {
        let mut counter = ctx.create::<Counter>().await?;
        ctx.apply(&mut counter, Counted)?;
        Ok::<_, Error>(counter.id())
    });
    created.await.expect("nothing speaks against it")
}
