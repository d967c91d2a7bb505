//! The schema and how it comes about.
//!
//! Not sqlx's migrator: it takes no lock on SQLite, so that two processes that start at once disturb each other.

use evercore::engine::Migration;
use evercore::{Error, OpenProblem, Result};
use sqlx::SqliteConnection;
use tracing::info;

use crate::database::Database;
use crate::error::Failure;

/// Append-only, in order.
const MIGRATIONS: [Step; 2] = [
    Step {
        version: 1,
        description: "event log",
        sql: include_str!("../migrations/0001_event_log.sql"),
    },
    Step {
        version: 2,
        description: "subscriptions",
        sql: include_str!("../migrations/0002_subscriptions.sql"),
    },
];

const READ_VERSION: &str = include_str!("schema/read_version.sql");

struct Step {
    version: i64,
    description: &'static str,
    sql: &'static str,
}

/// The migrations, for people who run them by other means.
pub(crate) fn migrations() -> Vec<Migration> {
    MIGRATIONS
        .iter()
        .map(|step| Migration {
            version: step.version,
            description: step.description.to_owned(),
            sql: step.sql.to_owned(),
        })
        .collect()
}

/// Refuses a schema that a newer build has made. Writes nothing.
pub(crate) async fn check(database: &Database, connection: &mut SqliteConnection) -> Result<()> {
    let found = applied(connection)
        .await
        .map_err(|failure| failure.undone(database.name(), "read the schema's version"))?;
    let known = MIGRATIONS.last().map_or(0, |step| step.version);
    if found > known {
        return Err(Error::CannotOpen {
            database: database.name().to_owned(),
            problem: OpenProblem::SchemaTooNew { found },
            source: None,
        });
    }
    Ok(())
}

/// Runs the migrations that are missing, all in one transaction: whoever comes second waits, and finds it done.
pub(crate) async fn migrate(database: &Database, connection: &mut SqliteConnection) -> Result<()> {
    let failed = |failure: Failure| failure.undone(database.name(), "migrate the schema");
    execute(connection, "BEGIN IMMEDIATE").await.map_err(failed)?;
    check(database, connection).await?;
    let from = applied(connection).await.map_err(failed)?;
    for step in MIGRATIONS.iter().filter(|step| step.version > from) {
        execute(connection, step.sql).await.map_err(failed)?;
        info!(version = step.version, description = step.description, "migrated");
    }
    execute(connection, "COMMIT").await.map_err(failed)
}

/// The newest migration that the file has, 0 for none.
async fn applied(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let table: Option<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'evercore_migrations'",
    )
    .fetch_optional(&mut *connection)
    .await?;
    if table.is_none() {
        return Ok(0);
    }
    Ok(sqlx::query_scalar(READ_VERSION).fetch_one(connection).await?)
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(sql).execute(connection).await?;
    Ok(())
}
