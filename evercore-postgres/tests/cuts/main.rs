//! Connections that are cut in the middle of a commit, after each byte of what is asked and of what is answered.
//!
//! Whoever commits is told what became of it, or that it never lands; made again then, it lands once.

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

/// A store in a schema of its own that reaches the server through a proxy, and a connection that does not.
struct Tapped {
    store: EventStore,
    proxy: Proxy,
    sql: PgConnection,
    schema: &'static str,
    counter: AggregateId,
}

/// How often a commit that was cut had landed all the same, and how often not.
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
        // So that a cut is one of a message and not of a cipher.
        let connect = connect.host("127.0.0.1").port(proxy.port()).ssl_mode(PgSslMode::Disable);
        // One connection of a kind, so that it is known what passes: notifications go out at their own pace.
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

    /// How often each of the numbers up to this one is on the counter.
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

    /// The control: the table of commits remembers none, so that whoever asks is told that it never lands.
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

/// Every place where a connection can be cut while this passes.
fn cuts(passed: Passed) -> Vec<Cut> {
    let requests = (0..=passed.request).map(|after| Cut { side: Side::Request, after });
    let answers = (0..passed.answer).map(|after| Cut { side: Side::Answer, after });
    requests.chain(answers).collect()
}

async fn execute(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}
