//! Faults that make decisions stale.

use async_trait::async_trait;
use evercore::engine::{Forward, StorageEngine, TagPage, TagRequest};
use evercore::{Position, RecordedEvent, Result};
use evercore_postgres::PostgresEngine;
use sqlx::PgConnection;

use crate::crowd::execute;

/// A fault of the engine under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Conditions are checked without the locks on what they ask for.
    NoLocks,
    /// Conditions ask for no event after the highest position that was read, instead of after a frontier.
    HighestPosition,
    /// The frontier is looked up after the events were read.
    LateFrontier,
}

/// The engine with a fault in its reads.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) engine: PostgresEngine,
    pub(crate) fault: Fault,
}

#[async_trait]
impl Forward for Faulty {
    fn engine(&self) -> &dyn StorageEngine {
        &self.engine
    }

    async fn read_tagged(&self, requests: Vec<TagRequest>) -> Result<Vec<TagPage>> {
        let mut pages = self.engine().read_tagged(requests.clone()).await?;
        if self.fault == Fault::HighestPosition {
            for page in &mut pages {
                let highest = page.events.last().map(RecordedEvent::position);
                page.frontier = highest.unwrap_or(Position::START);
            }
        } else {
            let later = self.engine().read_tagged(requests).await?;
            for (page, later) in pages.iter_mut().zip(later) {
                page.frontier = later.frontier;
            }
        }
        Ok(pages)
    }
}

/// Takes the locks on tags out of the functions of a schema that append.
pub(crate) async fn leave_out_locks(sql: &mut PgConnection, schema: &str) {
    const LOCKS: &str = "IF cardinality(lock_numbers) > 0 THEN";
    let functions: Vec<String> = sqlx::query_scalar(
        "SELECT pg_get_functiondef(p.oid) FROM pg_proc p
         WHERE p.pronamespace = $1::regnamespace AND strpos(p.prosrc, $2) > 0",
    )
    .bind(schema)
    .bind(LOCKS)
    .fetch_all(&mut *sql)
    .await
    .expect("anyone may look");
    assert!(!functions.is_empty(), "a function locks tags");
    for function in functions {
        execute(sql, function.replace(LOCKS, "IF false THEN")).await;
    }
}
