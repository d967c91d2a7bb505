//! The schema and its migrations.

use evercore::engine::Migration;
use evercore::{Error, OpenProblem, Result};
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool};

use crate::error::classify;
use crate::options::{PostgresOptions, Schema};
use crate::statements::render;

/// The steps, oldest first.
const STEPS: [(i64, &str, &str); 3] = [
    (1, "tables", include_str!("../migrations/0001_tables.sql")),
    (2, "append", include_str!("../migrations/0002_append.sql")),
    (3, "frontier", include_str!("../migrations/0003_frontier.sql")),
];

/// The steps as SQL for this schema.
pub(crate) fn migrations(schema: &Schema) -> Vec<Migration> {
    let step = |(version, description, sql): (i64, &str, &str)| Migration {
        version,
        description: description.to_owned(),
        sql: render(sql, schema),
    };
    STEPS.into_iter().map(step).collect()
}

/// Runs the steps that were not run yet, in one transaction. Of several processes, one does and the others wait.
///
/// Where there is nothing to run, it only reads: so a standby can be opened, and so can a schema by a role that may not
/// change it.
pub(crate) async fn migrate(pool: &PgPool, options: &PostgresOptions) -> Result<()> {
    let schema = options.schema_name();
    let failed = |error| classify("bring the schema up to date", error);
    match applied(pool, schema).await {
        Ok(applied) if missing(&applied, options)?.is_empty() => return Ok(()),
        Ok(_) => {}
        Err(error) if is_not_there(&error) => {}
        Err(error) => return Err(failed(error)),
    }

    let mut transaction = pool.begin().await.map_err(failed)?;
    sqlx::query(include_str!("lock_schema.sql"))
        .bind(schema.as_ref())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    for prepare in [include_str!("create_schema.sql"), include_str!("create_migrations.sql")] {
        run(&mut transaction, &render(prepare, schema)).await.map_err(failed)?;
    }

    let applied = applied(&mut *transaction, schema).await.map_err(failed)?;
    for step in missing(&applied, options)? {
        run(&mut transaction, &step.sql).await.map_err(failed)?;
        sqlx::query(AssertSqlSafe(render(include_str!("store_migration.sql"), schema)))
            .bind(step.version)
            .bind(step.description)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// The versions of the steps that were run.
async fn applied(executor: impl PgExecutor<'_>, schema: &Schema) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(AssertSqlSafe(render(include_str!("read_migrations.sql"), schema)))
        .fetch_all(executor)
        .await
}

/// The steps that are still to be run.
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

/// Whether there is no such table, or no such schema.
fn is_not_there(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("42P01" | "3F000"))
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
