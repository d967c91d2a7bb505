//! The help desk on SQLite.

use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

pub(crate) use evercore_sqlite::{
    SqliteContext as DatabaseContext, SqliteTransaction as DatabaseTransaction,
};

pub(crate) const DEFAULT_URL: &str = "sqlite://helpdesk.db";

pub(crate) type Pool = sqlx::SqlitePool;

/// Opens connections that only read, so that they never wait for a commit, and no commit waits for them.
pub(crate) fn pool(url: &str) -> sqlx::Result<Pool> {
    let options = SqliteConnectOptions::from_str(url)?.read_only(true);
    Ok(SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options))
}
