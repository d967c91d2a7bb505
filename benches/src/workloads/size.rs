//! W10: the size of an event on disk.

use evercore::{Error, EventStore};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::task::JoinSet;

use crate::domain::{Account, MoneyDeposited};
use crate::engines::{Bed, Ground, Kind};
use crate::sample::float;
use crate::workloads::boundaries::fill_with_tags;

/// Each account has a natural key and this many events, each in its own commit.
const EVENTS_OF_AN_ACCOUNT: i64 = 10;
const ACCOUNTS: i64 = 5_000;
const TASKS: i64 = 64;

/// The events that have tags, in a store of their own. They are so many that each page of the index was split often.
const TAGGED: i64 = 300_000;

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
    let tables = measure(&ground).await?.into_iter();
    let mut sizes: Vec<_> = tables
        .map(|table| Size::of(ground.kind, table, ACCOUNTS * EVENTS_OF_AN_ACCOUNT))
        .filter(|size| size.rows + size.indexes >= 1.0)
        .collect();
    sizes.sort_by(|a, b| (b.rows + b.indexes).total_cmp(&(a.rows + a.indexes)));
    sizes.extend(of_a_tag(bed).await?);
    Ok(sizes)
}

/// Measures the table that grows with the tags of events.
async fn of_a_tag(bed: &Bed) -> anyhow::Result<Option<Size>> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let tags = fill_with_tags(&store, TAGGED).await?;
    store.close().await?;
    let mut tables = measure(&ground).await?.into_iter();
    let table = tables.find(|(table, ..)| table.ends_with("event_tags"));
    Ok(table.map(|(table, rows, indexes)| {
        Size::of(ground.kind, (format!("{table}, for each tag"), rows, indexes), tags)
    }))
}

impl Size {
    fn of(kind: Kind, (table, rows, indexes): (String, i64, i64), units: i64) -> Self {
        let share = |bytes: i64| float(bytes.unsigned_abs()) / float(units.unsigned_abs());
        let (rows, indexes) = (share(rows), share(indexes));
        Self { engine: kind.name().to_owned(), table, rows, indexes }
    }
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

async fn measure(ground: &Ground) -> anyhow::Result<Tables> {
    match ground.kind {
        Kind::Postgres => postgres(&ground.url()).await,
        Kind::Sqlite => sqlite(&ground.url()).await,
        Kind::Memory => anyhow::bail!("a store in memory is on no disk"),
    }
}

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
