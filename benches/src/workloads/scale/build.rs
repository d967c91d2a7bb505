//! Builds a large store by SQL, because writing it through the engine would take too long.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use crate::domain::MoneyDeposited;
use crate::engines::{Ground, Kind};

pub(super) const LONG_HISTORY: i64 = 1_000;
const LONG_ACCOUNTS: i64 = 20;
const SHORT_HISTORY: i64 = 10;

/// Twenty accounts with long histories, spread evenly over the log, and between them accounts with ten events each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    events: i64,
    /// The distance between two events of accounts with long histories.
    step: i64,
    first_id: i64,
}

impl Layout {
    /// Returns the layout nearest to the wanted number of events in which all histories are complete.
    fn new(wanted: i64, first_id: i64) -> Self {
        const LONG: i64 = LONG_ACCOUNTS * LONG_HISTORY;
        let step = (wanted / LONG).max(2);
        Self { events: step * LONG, step, first_id }
    }

    pub(super) fn events(self) -> u64 {
        self.events.unsigned_abs()
    }

    pub(super) fn long_accounts(self) -> Range<i64> {
        self.first_id..self.first_id + LONG_ACCOUNTS
    }

    pub(super) fn short_accounts(self) -> Range<i64> {
        let shorts = (self.events - LONG_ACCOUNTS * LONG_HISTORY) / SHORT_HISTORY;
        let first = self.first_id + LONG_ACCOUNTS;
        first..first + shorts
    }

    fn accounts(self) -> i64 {
        self.short_accounts().end - self.first_id
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evercore, {} events", self.events)
    }
}

/// Whether the server analyzes the tables after they are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Analysed {
    Afterwards,
    Never,
}

/// Fills the tables of a store, which must not be open.
pub(super) async fn build(
    ground: &Ground,
    events: i64,
    analysed: Analysed,
) -> anyhow::Result<Layout> {
    // Creates the tables and stores the names of the types.
    ground.store().await?.close().await?;
    let payload = serde_json::to_string(&MoneyDeposited::of(123))?;
    match ground.kind {
        Kind::Postgres => postgres(&ground.url(), events, &payload, analysed).await,
        Kind::Sqlite => {
            sqlite(&Path::new(&ground.url()).join("evercore.db"), events, &payload).await
        }
        Kind::Memory => anyhow::bail!("a store in memory is not built by SQL"),
    }
}

async fn postgres(
    url: &str,
    events: i64,
    payload: &str,
    analysed: Analysed,
) -> anyhow::Result<Layout> {
    let mut connection = PgConnection::connect(url).await?;
    if analysed == Analysed::Never {
        sqlx::query("ALTER TABLE evercore.events SET (autovacuum_enabled = false)")
            .execute(&mut connection)
            .await?;
    }
    let last: i64 = sqlx::query_scalar("SELECT last FROM evercore.aggregate_ids")
        .fetch_one(&mut connection)
        .await?;
    let layout = Layout::new(events, last + 1);
    sqlx::query(include_str!("postgres_aggregates.sql"))
        .bind(layout.first_id)
        .bind(layout.accounts())
        .execute(&mut connection)
        .await?;
    sqlx::query(include_str!("postgres_events.sql"))
        .bind(layout.first_id)
        .bind(layout.events)
        .bind(layout.step)
        .bind(LONG_ACCOUNTS)
        .bind(SHORT_HISTORY)
        .bind(payload.as_bytes())
        .execute(&mut connection)
        .await?;
    sqlx::query("UPDATE evercore.aggregate_ids SET last = $1")
        .bind(layout.short_accounts().end)
        .execute(&mut connection)
        .await?;
    // The same as autovacuum does some time after many inserts.
    if analysed == Analysed::Afterwards {
        sqlx::query("VACUUM (ANALYZE) evercore.events").execute(&mut connection).await?;
        sqlx::query("VACUUM (ANALYZE) evercore.aggregates").execute(&mut connection).await?;
    }
    sqlx::query("CHECKPOINT").execute(&mut connection).await?;
    Ok(layout)
}

async fn sqlite(file: &Path, events: i64, payload: &str) -> anyhow::Result<Layout> {
    let options = SqliteConnectOptions::new().filename(file).disable_statement_logging();
    let mut connection = options.connect().await?;
    let next: i64 =
        sqlx::query_scalar("SELECT next_id FROM aggregate_ids").fetch_one(&mut connection).await?;
    let layout = Layout::new(events, next);
    sqlx::query(include_str!("sqlite_aggregates.sql"))
        .bind(layout.first_id)
        .bind(layout.accounts())
        .execute(&mut connection)
        .await?;
    sqlx::query(include_str!("sqlite_events.sql"))
        .bind(layout.first_id)
        .bind(layout.events)
        .bind(layout.step)
        .bind(LONG_ACCOUNTS)
        .bind(SHORT_HISTORY)
        .bind(payload.as_bytes())
        .execute(&mut connection)
        .await?;
    sqlx::query("UPDATE aggregate_ids SET next_id = ?")
        .bind(layout.short_accounts().end + 1)
        .execute(&mut connection)
        .await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    connection.close().await?;
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_whole_histories_only() {
        for wanted in [1, 100_000, 1_000_000, 1_234_567] {
            let layout = Layout::new(wanted, 1);
            let long = LONG_ACCOUNTS * LONG_HISTORY;
            assert_eq!(layout.events % long, 0);
            assert_eq!((layout.events - long) % SHORT_HISTORY, 0);
            assert_eq!(layout.accounts(), LONG_ACCOUNTS + (layout.events - long) / SHORT_HISTORY);
        }
    }
}
