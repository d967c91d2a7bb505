//! The schema and its migrations.

use evercore::engine::Migration;
use evercore::{Error, OpenProblem, Result};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

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
pub(crate) async fn migrate(pool: &PgPool, options: &PostgresOptions) -> Result<()> {
    let schema = options.schema_name();
    let failed = |error| classify("bring the schema up to date", error);
    let mut transaction = pool.begin().await.map_err(failed)?;
    sqlx::query(include_str!("lock_schema.sql"))
        .bind(schema.as_ref())
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    for prepare in [include_str!("create_schema.sql"), include_str!("create_migrations.sql")] {
        run(&mut transaction, &render(prepare, schema)).await.map_err(failed)?;
    }

    let applied: Vec<i64> =
        sqlx::query_scalar(AssertSqlSafe(render(include_str!("read_migrations.sql"), schema)))
            .fetch_all(&mut *transaction)
            .await
            .map_err(failed)?;
    let newest = STEPS.iter().map(|(version, ..)| *version).max().unwrap_or_default();
    if let Some(&found) = applied.iter().find(|&&version| version > newest) {
        return Err(Error::CannotOpen {
            database: options.describe(),
            problem: OpenProblem::SchemaTooNew { found },
            source: None,
        });
    }
    for step in migrations(schema) {
        if !applied.contains(&step.version) {
            run(&mut transaction, &step.sql).await.map_err(failed)?;
            sqlx::query(AssertSqlSafe(render(include_str!("store_migration.sql"), schema)))
                .bind(step.version)
                .bind(step.description)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
    }
    transaction.commit().await.map_err(failed)
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
