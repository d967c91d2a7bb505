//! evento 2.0.0-alpha.38 on SQLite, with the tables that its migrations create.

use std::str::FromStr;

use evento::Sqlite;
use evento::migrator::{Migrate, Plan};
use evento_bank::EventoBank;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |folder| {
        // As durable as the other sides.
        let options = SqliteConnectOptions::from_str(&format!("sqlite://{folder}/evento.db"))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(10).connect_with(options).await?;
        let mut connection = pool.acquire().await?;
        evento::sql_migrator::new::<sqlx::Sqlite>()?
            .run(&mut *connection, &Plan::apply_all())
            .await?;
        drop(connection);
        Ok(EventoBank::new(Sqlite::from(pool)))
    })
}
