//! es-entity 0.20 on PostgreSQL, as in its README: a derived repository, with the two tables of an entity, creates,
//! finds and updates entities. It has no W5, because a repository lists entities but cannot read the events of all of
//! them in order.
//!
//! Its queries are checked at compile time against the description of the tables in `.sqlx`, so that no database is
//! needed. After a change of the tables or the version, rebuild with `SQLX_OFFLINE=false`, a `DATABASE_URL` that has
//! the tables, and `SQLX_OFFLINE_DIR` set to that folder to update it.

mod account;

use std::sync::Arc;

// The derived code uses names without their paths.
use es_entity::*;
use peer_protocol::{Bank, Books};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use account::{Account, AccountEvent, AccountId, NewAccount};

const TABLES: &str = include_str!("tables.sql");

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        Ok(EntityBank { accounts: Arc::new(Accounts { pool }) })
    })
}

#[derive(EsRepo)]
#[es_repo(entity = "Account", id(source = caller))]
pub struct Accounts {
    pool: PgPool,
}

#[derive(Clone)]
struct EntityBank {
    accounts: Arc<Accounts>,
}

impl Bank for EntityBank {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        self.accounts.create(NewAccount { id: id(account), deposits }).await?;
        Ok(())
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        let mut account = self.accounts.find_by_id(id(account)).await?;
        account.deposit();
        self.accounts.update(&mut account).await?;
        Ok(())
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        Ok(self.accounts.find_by_id(id(account)).await?.books)
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        anyhow::bail!("it has no documented way to read the events of all entities")
    }
}

/// A UUID of version 7, as es-entity uses itself, in ascending order.
fn id(account: u64) -> AccountId {
    uuid::Builder::from_unix_timestamp_millis(account, &[0; 10]).into_uuid().into()
}
