//! Runs and checks the migrations of the schema.
//!
//! It does not use sqlx's migrator, which takes no lock on SQLite, so that two processes starting at once would
//! conflict.

use evercore::error::OpenProblem;
use evercore::{Error, Migration, Result};
use rusqlite::{Connection, OptionalExtension};
use tracing::info;

use crate::database::Database;
use crate::error::Failure;

/// The migrations, in order; only ever appended to.
const MIGRATIONS: [Step; 3] = [
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
    Step { version: 3, description: "tasks", sql: include_str!("../migrations/0003_tasks.sql") },
];

const READ_VERSION: &str = include_str!("schema/read_version.sql");

struct Step {
    version: i64,
    description: &'static str,
    sql: &'static str,
}

/// Returns the migrations, for users who run them by other means.
pub(crate) fn migrations() -> Vec<Migration> {
    MIGRATIONS
        .iter()
        .map(|step| Migration::new(step.version, step.description.to_owned(), step.sql.to_owned()))
        .collect()
}

/// Refuses a schema that a newer version has created. Writes nothing.
pub(crate) fn check(database: &Database, connection: &Connection) -> Result<()> {
    let found = applied(connection)
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

/// Runs the missing migrations in one transaction. A second process waits, and then finds nothing to do.
pub(crate) fn migrate(database: &Database, connection: &Connection) -> Result<()> {
    let failed = |failure: Failure| failure.undone(database.name(), "migrate the schema");
    execute(connection, "BEGIN IMMEDIATE").map_err(failed)?;
    check(database, connection)?;
    let from = applied(connection).map_err(failed)?;
    for step in MIGRATIONS.iter().filter(|step| step.version > from) {
        execute(connection, step.sql).map_err(failed)?;
        info!(version = step.version, description = step.description, "migrated");
    }
    execute(connection, "COMMIT").map_err(failed)
}

/// Returns the version of the newest applied migration, 0 for none.
fn applied(connection: &Connection) -> Result<i64, Failure> {
    const TABLE: &str =
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'evercore_migrations'";
    let table = connection.query_row(TABLE, [], |_| Ok(())).optional()?;
    if table.is_none() {
        return Ok(0);
    }
    Ok(connection.query_row(READ_VERSION, [], |row| row.get(0))?)
}

fn execute(connection: &Connection, sql: &'static str) -> Result<(), Failure> {
    Ok(connection.execute_batch(sql)?)
}
