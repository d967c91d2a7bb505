//! disintegrate 4 on PostgreSQL, as in its README: a decision maker without snapshots makes decisions on the table and
//! indexes of its event store. A history is the state that a state store loads, and the log is the stream of all
//! events.

mod account;
mod courses;
mod retry;

use std::sync::Arc;

use disintegrate::serde::json::Json;
use disintegrate::{
    EventSourcedStateStore, EventStore, LoadState, LoadedState, NoSnapshot, StreamItem,
    StreamQuery, query,
};
use disintegrate_postgres::{PgDecisionMaker, PgEventId, PgEventStore};
use futures_util::TryStreamExt;
use peer_protocol::{Bank, Books};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use account::{Account, DepositNext, Entry, Open};
use courses::Courses;

const TABLES: &str = include_str!("tables.sql");

type Store = PgEventStore<Entry, Json<Entry>>;

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
        sqlx::raw_sql(TABLES).execute(&pool).await?;
        let events = PgEventStore::new_uninitialized(pool.clone(), Json::default());
        Ok(DisintegrateBank {
            decisions: Arc::new(disintegrate_postgres::decision_maker(events.clone(), NoSnapshot)),
            states: Arc::new(EventSourcedStateStore::new(events.clone(), NoSnapshot)),
            events,
            courses: Courses::on(pool.clone()),
            pool,
        })
    })
}

#[derive(Clone)]
struct DisintegrateBank {
    decisions: Arc<PgDecisionMaker<Entry, Json<Entry>, NoSnapshot>>,
    states: Arc<EventSourcedStateStore<PgEventId, Entry, Store, NoSnapshot>>,
    events: Store,
    courses: Courses,
    pool: PgPool,
}

impl Bank for DisintegrateBank {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        let account = account.cast_signed();
        retry::until_made(|| self.decisions.make(Open { account, deposits })).await
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        let account = account.cast_signed();
        retry::until_made(|| self.decisions.make(DepositNext { account })).await
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        let loaded: LoadedState<PgEventId, Account> = self
            .states
            .load(Account::new(account.cast_signed()))
            .await
            .map_err(anyhow::Error::from_boxed)?;
        Ok(loaded.state().books.clone())
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        let all: StreamQuery<PgEventId, Entry> = query!(Entry);
        let mut items = self.events.stream(&all);
        let (mut handled, mut total) = (0, 0);
        while let Some(item) = items.try_next().await? {
            if let StreamItem::Event(event) = item {
                let Entry::MoneyDeposited { deposit, .. } = &*event;
                handled += 1;
                total += deposit.amount;
            }
        }
        Ok((handled, total))
    }
    async fn prepare_courses(&self) -> anyhow::Result<()> {
        Courses::prepare(&self.pool).await
    }

    async fn subscribe(&self, course: &str, student: &str) -> anyhow::Result<()> {
        self.courses.subscribe(course, student).await
    }
}
