//! evento 2.0.0-alpha.38 on PostgreSQL, with the tables that its migrations create.

use evento::Postgres;
use evento::migrator::{Migrate, Plan};
use evento_bank::EventoBank;
use sqlx::postgres::PgPoolOptions;

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
        let mut connection = pool.acquire().await?;
        evento::sql_migrator::new::<sqlx::Postgres>()?
            .run(&mut *connection, &Plan::apply_all())
            .await?;
        drop(connection);
        Ok(EventoBank::new(Postgres::from(pool)))
    })
}
