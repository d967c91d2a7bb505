//! cqrs-es on PostgreSQL, with the tables of its own documentation.

use cqrs_es_bank::CqrsBank;
use postgres_es::PostgresEventRepository;
use sqlx::postgres::PgPoolOptions;

const TABLES: &str = include_str!("tables.sql");

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        // The same as `postgres_es::default_postgress_pool`, with as many connections as the other sides.
        let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(CqrsBank::new(move || PostgresEventRepository::new(pool.clone())))
    })
}
