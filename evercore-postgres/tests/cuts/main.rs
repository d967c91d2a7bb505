//! Cuts connections in the middle of a commit, after each byte of the request and of the answer.
//!
//! The caller learns the outcome of the commit, or that it will never be stored; when it then repeats the commit, it is
//! stored once.

mod appends;
mod pooler;
mod proxy;
mod settlements;
mod silence;
mod transactions;

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use proxy::{Cut, Passed, Proxy, Side};

#[derive(Aggregate, Default)]
struct Counter(i64);

#[event(aggregate = Counter)]
struct Counted {
    number: i64,
}

impl Apply<Counted> for Counter {
    fn apply(&mut self, event: &Counted, _meta: &EventMeta) {
        self.0 = event.number;
    }
}

/// A store in its own schema that reaches the server through a proxy, and a connection that bypasses the proxy.
struct Tapped {
    store: EventStore,
    proxy: Proxy,
    sql: PgConnection,
    schema: &'static str,
    counter: AggregateId,
}

/// The number of cut commits that were stored nevertheless, and of those that were not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcomes {
    landed: usize,
    refused: usize,
}

impl Tapped {
    async fn new(schema: &'static str) -> Self {
        Self::with(schema, |options| options).await
    }

    async fn with(schema: &'static str, set: fn(PostgresOptions) -> PostgresOptions) -> Self {
        let url = throwaway_postgres::url().unwrap_or_else(|failure| panic!("{failure}"));
        let mut sql = PgConnection::connect(&url).await.expect("the server answers");
        execute(&mut sql, format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await;

        let connect: PgConnectOptions = url.parse().expect("a URL");
        let proxy = Proxy::start(connect.get_host().to_owned(), connect.get_port()).await;
        // Without encryption, so that a cut hits a message rather than a cipher.
        let connect = connect.host("127.0.0.1").port(proxy.port()).ssl_mode(PgSslMode::Disable);
        // One connection of each kind, to know which bytes pass; notifications are sent asynchronously.
        let options = PostgresOptions::new(connect).readers(1).writers(1).without_notifications();
        let options = set(options.schema(schema).expect("a schema name"));
        let engine = PostgresEngine::open(options).await.expect("the server answers");
        let store = EventStore::builder().open(engine).await.expect("it migrates");
        store.warmup().await.expect("the server answers");
        let created = store.with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Counted { number: 0 })?;
            Ok::<_, Error>(counter.id())
        });
        let counter = created.await.expect("nothing speaks against it");
        Self { store, proxy, sql, schema, counter }
    }

    /// Returns how often each number up to this one is stored on the counter.
    async fn landed(&mut self, numbers: i64) -> Vec<i64> {
        let sql = format!(
            "SELECT count(e.position)
             FROM generate_series(0, $1) AS n
             LEFT JOIN {}.events e
                 ON convert_from(e.payload, 'UTF8')::json ->> 'number' = n::text
             GROUP BY n
             ORDER BY n",
            self.schema
        );
        sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(numbers)
            .fetch_all(&mut self.sql)
            .await
            .expect("numbers")
    }

    /// The control: the table of commits forgets all ids, so every question for an outcome is answered "never stored".
    async fn forget_commits(&mut self) {
        let sql = format!(
            "CREATE FUNCTION {0}.forget() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN NEW.id = gen_random_uuid(); RETURN NEW; END $$;
             CREATE TRIGGER forget BEFORE INSERT ON {0}.commits
                 FOR EACH ROW WHEN (NEW.landed) EXECUTE FUNCTION {0}.forget()",
            self.schema
        );
        execute(&mut self.sql, sql).await;
    }
}

/// Returns every place at which a connection can be cut while this many bytes pass.
fn cuts(passed: Passed) -> Vec<Cut> {
    let requests = (0..=passed.request).map(|after| Cut { side: Side::Request, after });
    let answers = (0..passed.answer).map(|after| Cut { side: Side::Answer, after });
    requests.chain(answers).collect()
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}
