//! Fills databases with a log, with different statistics.

use std::sync::Arc;

use evercore::EventStore;
use evercore_postgres::{PostgresEngine, PostgresOptions};

use crate::{connect, execute, server, url, work};

/// The smallest log that reveals wrong plans.
pub(crate) const EVENTS: u64 = 60_000;

/// The server's statistics of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// The tables were never analyzed.
    None,
    /// The tables were analyzed while they were empty.
    Empty,
    /// The tables were analyzed while they had one aggregate, with events of one correlation id.
    OneKind,
    /// The tables were analyzed with their final contents.
    All,
}

/// Creates a database with the tables of a store.
pub(crate) async fn migrate(database: &str) {
    let mut server = connect(&server().url()).await;
    execute(&mut server, &format!("CREATE DATABASE {database}")).await;
    let options: PostgresOptions = url(database).parse().expect("a URL");
    let engine = Arc::new(PostgresEngine::open(options).await.expect("the server answers"));
    let store = EventStore::builder().open_shared(engine.clone()).await.expect("it migrates");
    // Stores the names of the types.
    store.warmup().await.expect("they can be stored");
    work::register(&engine, "much").await;
    store.close().await.expect("nothing is under way");
}

/// Returns the number of events in the log of a test.
pub(crate) fn wanted_events() -> u64 {
    std::env::var("EVERCORE_PLANS_EVENTS").map_or(EVENTS, |events| {
        events.parse().expect("EVERCORE_PLANS_EVENTS is a number of events")
    })
}

/// Creates a database with a log of this many events.
pub(crate) async fn fill(database: &str, knowledge: Knowledge, events: u64) {
    migrate(database).await;
    let mut sql = connect(&url(database)).await;
    // The plans of these statements are not under test.
    execute(&mut sql, "SET auto_explain.log_min_duration = -1").await;
    let first_of_the_rest = match knowledge {
        Knowledge::Empty => {
            execute(&mut sql, "ANALYZE").await;
            1
        }
        Knowledge::OneKind => {
            execute(&mut sql, include_str!("tables/one_kind.sql")).await;
            execute(&mut sql, "ANALYZE").await;
            1_001
        }
        Knowledge::None | Knowledge::All => 1,
    };
    let rest = format!("SET plans.first = {first_of_the_rest}; SET plans.last = {events};");
    execute(&mut sql, &rest).await;
    execute(&mut sql, include_str!("tables/rest.sql")).await;
    if knowledge == Knowledge::All {
        execute(&mut sql, "ANALYZE").await;
    }
}
