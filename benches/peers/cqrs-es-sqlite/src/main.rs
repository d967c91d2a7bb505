//! cqrs-es on SQLite, with the table of its own documentation.

use std::str::FromStr;

use cqrs_es_bank::CqrsBank;
use sqlite_es::SqliteEventRepository;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

const TABLES: &str = include_str!("tables.sql");

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |folder| {
        // The same as `sqlite_es::default_sqlite_pool`, but as durable as the other sides: its default is
        // `synchronous=NORMAL`.
        let options = SqliteConnectOptions::from_str(&format!("sqlite://{folder}/cqrs-es.db"))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(CqrsBank::new(move || SqliteEventRepository::new(pool.clone())))
    })
}
