//! Servers that fail while a store writes and follows; the history checker judges the result. Each test has a server.
//!
//! `EVERCORE_FAULTS` sets the number of faults of each kind; the default is small.

mod clocks;
mod disks;
mod failover;
mod handlers;
mod idle;
mod processes;
mod storm;

use evercore::{Aggregate, Apply, EventMeta, EventStore, event};
use evercore_postgres::{PostgresEngine, PostgresOptions};
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use throwaway_postgres::{Binaries, Failure, Server};

/// The environment variable that sets the number of faults.
const FAULTS_VARIABLE: &str = "EVERCORE_FAULTS";

#[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(snapshot_every = 10)]
struct Counter {
    sum: i64,
}

#[event(aggregate = Counter)]
struct Counted {
    number: i64,
}

impl Apply<Counted> for Counter {
    fn apply(&mut self, event: &Counted, _meta: &EventMeta) {
        self.sum += event.number;
    }
}

fn faults(default: usize) -> usize {
    std::env::var(FAULTS_VARIABLE).map_or(default, |faults| {
        faults.parse().unwrap_or_else(|_| panic!("{FAULTS_VARIABLE} is a number of faults"))
    })
}

fn server(settings: &[&str]) -> Server {
    done(Binaries::find().and_then(|binaries| Server::start(&binaries, settings)))
}

fn done<T>(outcome: Result<T, Failure>) -> T {
    outcome.unwrap_or_else(|failure| panic!("{failure}"))
}

fn options(url: &str) -> PostgresOptions {
    url.parse().expect("a URL")
}

async fn open(url: &str) -> EventStore {
    let engine = PostgresEngine::open(options(url)).await.expect("the server answers");
    EventStore::builder().open(engine).await.expect("it migrates")
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
