//! esrs on PostgreSQL, which creates its own table.

use std::sync::Arc;

use esrs::manager::AggregateManager;
use esrs::store::postgres::{PgStore, PgStoreBuilder};
use esrs::{Aggregate, AggregateState};
use futures_util::TryStreamExt;
use peer_protocol::{Bank, Books, Deposit, deposit};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
        let store = PgStoreBuilder::new(pool.clone()).try_build().await?;
        Ok(EsrsBank { manager: Arc::new(AggregateManager::new(store.clone())), store, pool })
    })
}

struct Account;

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    MoneyDeposited(Deposit),
}

enum Command {
    Open(u64),
    Deposit,
}

#[derive(Debug)]
enum Never {}

impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl Aggregate for Account {
    const NAME: &'static str = "account";
    type State = Books;
    type Command = Command;
    type Event = Event;
    type Error = Never;

    fn handle_command(state: &Books, command: Command) -> Result<Vec<Event>, Never> {
        Ok(match command {
            Command::Open(deposits) => (1..=deposits.cast_signed())
                .map(|amount| Event::MoneyDeposited(deposit(amount)))
                .collect(),
            Command::Deposit => vec![Event::MoneyDeposited(state.next())],
        })
    }

    fn apply_event(mut state: Books, Event::MoneyDeposited(deposit): Event) -> Books {
        state.take(&deposit);
        state
    }
}

#[derive(Clone)]
struct EsrsBank {
    manager: Arc<AggregateManager<PgStore<Account>>>,
    store: PgStore<Account>,
    pool: PgPool,
}

impl EsrsBank {
    async fn found(&self, account: u64) -> anyhow::Result<AggregateState<Books>> {
        let found = self.manager.load(id(account)).await?;
        found.ok_or_else(|| anyhow::anyhow!("there is no account {account}"))
    }

    async fn handle(&self, state: AggregateState<Books>, command: Command) -> anyhow::Result<()> {
        let Ok(_books) = self.manager.handle_command(state, command).await?;
        Ok(())
    }
}

impl Bank for EsrsBank {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        self.handle(AggregateState::with_id(id(account)), Command::Open(deposits)).await
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        self.handle(self.found(account).await?, Command::Deposit).await
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        Ok(self.found(account).await?.into_inner())
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        let mut events = self.store.stream_events(&self.pool);
        let (mut handled, mut total) = (0, 0);
        while let Some(event) = events.try_next().await? {
            let Event::MoneyDeposited(deposit) = event.payload();
            handled += 1;
            total += deposit.amount;
        }
        Ok((handled, total))
    }
}

/// A UUID of version 4, as esrs uses itself, in no particular order.
fn id(account: u64) -> Uuid {
    let bits = u128::from(account).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}
