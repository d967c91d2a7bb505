//! Renders and runs the migrations of the schema.

use evercore::error::OpenProblem;
use evercore::{Error, Migration, Result};
use sqlx::{AssertSqlSafe, PgConnection};
use tracing::info;

use crate::begin::BEGIN;
use crate::error::classify;
use crate::options::{PostgresOptions, Schema};
use crate::readers::Readers;
use crate::statements::render;

/// The migrations, oldest first. Each records itself in the database, with the version and description given here.
const STEPS: [(i64, &str, &str); 5] = [
    (1, "tables", include_str!("../migrations/0001_tables.sql")),
    (2, "append", include_str!("../migrations/0002_append.sql")),
    (3, "frontier", include_str!("../migrations/0003_frontier.sql")),
    (4, "subscriptions", include_str!("../migrations/0004_subscriptions.sql")),
    (5, "tasks", include_str!("../migrations/0005_tasks.sql")),
];

/// Renders the migrations as SQL for this schema.
pub(crate) fn migrations(schema: &Schema) -> Vec<Migration> {
    let step = |(version, description, sql): (i64, &str, &str)| {
        Migration::new(version, description.to_owned(), render(sql, schema))
    };
    STEPS.into_iter().map(step).collect()
}

/// Runs the migrations that have not run yet, in one transaction. Of several processes, one runs them and the others
/// wait.
///
/// If there is nothing to run, it only reads: so it works on a standby, and for a role that may not change the schema.
pub(crate) async fn migrate(readers: &Readers, options: &PostgresOptions) -> Result<()> {
    let schema = options.schema_name();
    let failed = |error| classify("migrate the schema", error);
    let mut connection = readers.acquire_tested().await?;
    let done = applied(&mut connection, schema).await.map_err(failed)?;
    if missing(&done, options)?.is_empty() {
        return Ok(());
    }
    let mut transaction = connection.begin_with(BEGIN).await.map_err(failed)?;
    sqlx::query(include_str!("lock_schema.sql"))
        .bind(schema.as_ref())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    let done = applied(&mut transaction, schema).await.map_err(failed)?;
    for step in missing(&done, options)? {
        sqlx::raw_sql(AssertSqlSafe(step.sql)).execute(&mut *transaction).await.map_err(failed)?;
        info!(version = step.version, description = step.description, "migrated");
    }
    transaction.commit().await.map_err(failed)
}

/// Returns the versions of the migrations that have run.
async fn applied(connection: &mut PgConnection, schema: &Schema) -> Result<Vec<i64>, sqlx::Error> {
    let find = AssertSqlSafe(render(include_str!("find_migrations.sql"), schema));
    let is_there: bool = sqlx::query_scalar(find).fetch_one(&mut *connection).await?;
    if !is_there {
        return Ok(Vec::new());
    }
    let read = AssertSqlSafe(render(include_str!("read_migrations.sql"), schema));
    sqlx::query_scalar(read).fetch_all(connection).await
}

/// Returns the migrations that have not run yet.
fn missing(applied: &[i64], options: &PostgresOptions) -> Result<Vec<Migration>> {
    let newest = STEPS.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    if let Some(&found) = applied.iter().find(|&&version| version > newest) {
        return Err(Error::CannotOpen {
            database: options.describe(),
            problem: OpenProblem::SchemaTooNew { found },
            source: None,
        });
    }
    let mut steps = migrations(options.schema_name());
    steps.retain(|step| !applied.contains(&step.version));
    Ok(steps)
}
