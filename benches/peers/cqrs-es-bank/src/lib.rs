//! The bank as an aggregate of cqrs-es, on any of its repositories.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore, QueryReplay};
use cqrs_es::{Aggregate, CqrsFramework, DomainEvent, EventEnvelope, EventStore, Query};
use peer_protocol::{Bank, Books, Deposit, deposit};
use serde::{Deserialize, Serialize};

/// An account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    books: Books,
}

/// The events of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A deposit was made.
    MoneyDeposited(Deposit),
}

/// The commands of an account.
#[derive(Debug)]
pub enum Command {
    /// Makes this many deposits in one commit.
    Open(u64),
    /// Makes the next deposit.
    Deposit,
}

/// The error type of an aggregate that refuses no command.
#[derive(Debug)]
pub enum Never {}

impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "money-deposited".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = Never;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Never> {
        match command {
            Command::Open(deposits) => {
                for amount in 1..=deposits.cast_signed() {
                    sink.write(Event::MoneyDeposited(deposit(amount)), self).await;
                }
            }
            Command::Deposit => {
                let next = self.books.next();
                sink.write(Event::MoneyDeposited(next), self).await;
            }
        }
        Ok(())
    }

    fn apply(&mut self, Event::MoneyDeposited(deposit): Event) {
        self.books.take(&deposit);
    }
}

/// The bank on a kind of repository. It creates as many repositories as it needs.
pub struct CqrsBank<R: PersistedEventRepository + Send + Sync + 'static> {
    framework: Arc<CqrsFramework<Account, PersistedEventStore<R, Account>>>,
    store: Arc<PersistedEventStore<R, Account>>,
    repository: Arc<dyn Fn() -> R + Send + Sync>,
}

impl<R: PersistedEventRepository + Send + Sync + 'static> CqrsBank<R> {
    /// Creates a bank on the repositories that the function creates.
    pub fn new(repository: impl Fn() -> R + Send + Sync + 'static) -> Self {
        let store = PersistedEventStore::new_event_store(repository());
        Self {
            framework: Arc::new(CqrsFramework::new(store, Vec::new(), ())),
            store: Arc::new(PersistedEventStore::new_event_store(repository())),
            repository: Arc::new(repository),
        }
    }
}

impl<R: PersistedEventRepository + Send + Sync + 'static> Clone for CqrsBank<R> {
    fn clone(&self) -> Self {
        Self {
            framework: Arc::clone(&self.framework),
            store: Arc::clone(&self.store),
            repository: Arc::clone(&self.repository),
        }
    }
}

impl<R: PersistedEventRepository + Send + Sync + 'static> Bank for CqrsBank<R> {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        Ok(self.framework.execute(&name(account), Command::Open(deposits)).await?)
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        Ok(self.framework.execute(&name(account), Command::Deposit).await?)
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        Ok(self.store.load_aggregate(&name(account)).await?.aggregate.books)
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        let seen = Arc::new(Seen::default());
        let query = Follower(Arc::clone(&seen));
        let mut replay = QueryReplay::new((self.repository)(), query);
        replay.use_error_handler(Box::new(|error| panic!("{error}")));
        replay.replay_all().await?;
        Ok((seen.events.load(Ordering::Relaxed), seen.total.load(Ordering::Relaxed)))
    }
}

#[derive(Default)]
struct Seen {
    events: AtomicU64,
    total: AtomicI64,
}

struct Follower(Arc<Seen>);

#[async_trait]
impl Query<Account> for Follower {
    async fn dispatch(&self, _id: &str, events: &[EventEnvelope<Account>]) {
        for event in events {
            let Event::MoneyDeposited(deposit) = &event.payload;
            self.0.events.fetch_add(1, Ordering::Relaxed);
            self.0.total.fetch_add(deposit.amount, Ordering::Relaxed);
        }
    }
}

fn name(account: u64) -> String {
    format!("account-{account}")
}
