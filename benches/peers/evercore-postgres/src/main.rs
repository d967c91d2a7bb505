//! Evercore on PostgreSQL, behind the same small program as the peers, so that the programs can be compared. The parent
//! does not start it, because it measures Evercore itself.
//!
//! As in a service, a durable worker maintains a read model in a spawned task, and a command waits until the read model
//! includes its own write.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use evercore::{Aggregate, Apply, Committed, Error, EventMeta, EventStore, Received, Router, Start, event};
use evercore_postgres as _;
use peer_protocol::{Bank, Books, deposit};

/// The subscription of the worker.
const TURNOVER: &str = "turnover";

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let store = EventStore::connect(url).await?;
        let bank = EvercoreBank { store, turnover: Arc::default() };
        bank.keep_turnover();
        Ok(bank)
    })
}

#[derive(Aggregate, Default)]
struct Account {
    books: Books,
}

#[event(aggregate = Account)]
struct MoneyDeposited {
    #[serde(flatten)]
    deposit: peer_protocol::Deposit,
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) {
        self.books.take(&event.deposit);
    }
}

#[derive(Clone)]
struct EvercoreBank {
    store: EventStore,
    turnover: Arc<AtomicI64>,
}

impl EvercoreBank {
    /// Sums up all later deposits, for as long as the program runs.
    fn keep_turnover(&self) {
        let Self { store, turnover } = self.clone();
        tokio::spawn(async move {
            let handler = Router::new().on(async move |event: Received<MoneyDeposited>| {
                turnover.fetch_add(event.deposit.amount, Ordering::Relaxed);
                Ok::<_, Error>(())
            });
            // The reason why it ends is in the log, and in the errors of calls that wait for it.
            store.subscription(TURNOVER).start(Start::End).run(handler).await
        });
    }
}

impl Bank for EvercoreBank {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        let open = self.store.with_context(async |ctx| {
            let mut account = ctx.create_with_key::<Account>(&name(account)).await?;
            for amount in 1..=deposits.cast_signed() {
                ctx.apply(&mut account, MoneyDeposited { deposit: deposit(amount) })?;
            }
            Ok::<_, Error>(())
        });
        Ok(open.await?)
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        let key = name(account);
        let deposit = self.store.with_context_committed(async |ctx| {
            let mut account = ctx.load_by_key::<Account>(&key).await?;
            let deposit = account.state().books.next();
            ctx.apply(&mut account, MoneyDeposited { deposit })
        });
        let ((), landed) = deposit.await?;
        if let Some(position) = landed.and_then(Committed::position) {
            self.store.wait_for(TURNOVER, position).await?;
        }
        Ok(())
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        let key = name(account);
        let load = self.store.with_readonly_context(async |ctx| {
            Ok::<_, Error>(ctx.load_by_key::<Account>(&key).await?.into_state().books)
        });
        Ok(load.await?)
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        let seen = Arc::new((AtomicU64::new(0), AtomicI64::new(0)));
        let worker = self.store.subscription("follower").spawn(Router::new().on({
            let seen = Arc::clone(&seen);
            async move |event: Received<MoneyDeposited>| {
                seen.0.fetch_add(1, Ordering::Relaxed);
                seen.1.fetch_add(event.deposit.amount, Ordering::Relaxed);
                Ok::<_, Error>(())
            }
        }))?;
        self.store.wait_until_idle("follower").await?;
        worker.shutdown().await?;
        self.store.subscriptions().delete("follower").await?;
        Ok((seen.0.load(Ordering::Relaxed), seen.1.load(Ordering::Relaxed)))
    }
}

fn name(account: u64) -> String {
    format!("account-{account}")
}
