//! The promises hold after a crash of the server, and after a change of servers. Each test has its own servers.

mod positions;
mod rested;
mod standby;

use evercore::{Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, event};
use evercore_postgres as _;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use throwaway_postgres::{Binaries, Server};

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

fn server(settings: &[&str]) -> Server {
    Binaries::find()
        .and_then(|binaries| Server::start(&binaries, settings))
        .unwrap_or_else(|failure| panic!("{failure}"))
}

/// Stops a server as a power failure would, and starts it again.
fn crash(server: &mut Server) {
    server.crash().and_then(|()| server.restart()).unwrap_or_else(|failure| panic!("{failure}"));
}

async fn open(server: &Server) -> EventStore {
    EventStore::connect(server.url()).await.expect("the server answers")
}

async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect(&server.url()).await.expect("the server answers")
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement is right");
}

async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await.expect("one number")
}

/// Commits an event of an existing counter, or of a new one.
async fn count(
    store: &EventStore,
    id: Option<AggregateId>,
    number: i64,
) -> Result<AggregateId, Error> {
    store
        .with_context(async |ctx| {
            let mut counter = match id {
                Some(id) => ctx.load::<Counter>(id).await?,
                None => ctx.create().await?,
            };
            ctx.apply(&mut counter, Counted { number })?;
            Ok(counter.id())
        })
        .await
}
