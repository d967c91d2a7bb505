//! W10: the size of an event on disk.

use evercore::{Error, EventStore};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;

use crate::domain::{Account, MoneyDeposited};
use crate::engines::{Bed, Kind};
use crate::sample::float;

/// Each account has a natural key and this many events, each in its own commit.
const EVENTS_OF_AN_ACCOUNT: i64 = 10;
const ACCOUNTS: i64 = 5_000;
const TASKS: i64 = 64;

/// The bytes of one table and its indexes per event.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) engine: String,
    pub(crate) table: String,
    pub(crate) rows: f64,
    pub(crate) indexes: f64,
}

/// Measures the tables that grow with the log, the largest first.
pub(crate) async fn run(bed: &Bed) -> anyhow::Result<Vec<Size>> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for account in (task..ACCOUNTS).step_by(TASKS.try_into()?) {
                fill(&store, account).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    store.close().await?;
    let tables = match ground.kind {
        Kind::Postgres => postgres(&ground.url()).await?,
        Kind::Sqlite => sqlite(&ground.url()).await?,
        Kind::Memory => anyhow::bail!("a store in memory is on no disk"),
    };
    let events = float(u64::try_from(ACCOUNTS * EVENTS_OF_AN_ACCOUNT)?);
    let share = |bytes: i64| anyhow::Ok(float(u64::try_from(bytes)?) / events);
    let mut sizes = Vec::new();
    for (table, rows, indexes) in tables {
        let (rows, indexes) = (share(rows)?, share(indexes)?);
        if rows + indexes >= 1.0 {
            sizes.push(Size { engine: ground.kind.name().to_owned(), table, rows, indexes });
        }
    }
    sizes.sort_by(|a, b| (b.rows + b.indexes).total_cmp(&(a.rows + a.indexes)));
    Ok(sizes)
}

async fn fill(store: &EventStore, account: i64) -> anyhow::Result<()> {
    let key = format!("NL91ABNA{account:010}");
    let id = store
        .with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(&*key).await?;
            ctx.apply(&mut account, MoneyDeposited::of(1))?;
            Ok::<_, Error>(account.id())
        })
        .await?;
    for amount in 2..=EVENTS_OF_AN_ACCOUNT {
        store
            .with_context(async |ctx| {
                let mut account = ctx.load::<Account>(id).await?;
                ctx.apply(&mut account, MoneyDeposited::of(amount))
            })
            .await?;
    }
    Ok(())
}

type Tables = Vec<(String, i64, i64)>;

async fn postgres(url: &str) -> anyhow::Result<Tables> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query("VACUUM").execute(&mut connection).await?;
    let sizes = sqlx::query_as(include_str!("size/postgres.sql"));
    Ok(sizes.fetch_all(&mut connection).await?)
}

async fn sqlite(folder: &str) -> anyhow::Result<Tables> {
    let file = std::path::Path::new(folder).join("evercore.db");
    let mut connection = SqliteConnectOptions::new().filename(file).connect().await?;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    let sizes = sqlx::query_as(include_str!("size/sqlite.sql"));
    Ok(sizes.fetch_all(&mut connection).await?)
}
