//! The help desk on PostgreSQL.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;

pub(crate) use evercore_postgres::{
    PostgresContext as DatabaseContext, PostgresTransaction as DatabaseTransaction,
};

pub(crate) const DEFAULT_URL: &str = "postgres://localhost/helpdesk";

pub(crate) type Pool = sqlx::PgPool;

/// Opens the connections for reading the table.
pub(crate) fn pool(url: &str) -> sqlx::Result<Pool> {
    PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy(url)
}
