//! Evercore on PostgreSQL, behind the same small program as the peers, so that the programs can be compared. The parent
//! does not start it, because it measures Evercore itself.
//!
//! As in a service, a durable worker maintains a read model in a spawned task, and a command waits until the read model
//! includes its own write.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use evercore::subscription::SubscriptionHandle;
use evercore::{
    Aggregate, Apply, Context, Error, EventMeta, EventStore, Received, Router, Start, event,
};
use evercore_postgres as _;
use peer_protocol::{Bank, Books, deposit};

fn main() -> anyhow::Result<()> {
    peer_protocol::serve(async |url| {
        let store = EventStore::connect(url).await?;
        let turnover =
            store.subscription("turnover").start(Start::End).spawn(sum(&Arc::default()))?;
        Ok(EvercoreBank { store, _turnover: Arc::new(turnover) })
    })
}

#[derive(Aggregate, Default)]
struct Account(Books);

#[event(aggregate = Account)]
struct MoneyDeposited(peer_protocol::Deposit);

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _: &EventMeta) {
        self.0.take(&event.0);
    }
}

#[derive(Clone)]
struct EvercoreBank {
    store: EventStore,
    _turnover: Arc<SubscriptionHandle>,
}

/// The number and the sum of deposits.
type Sum = Arc<(AtomicU64, AtomicI64)>;

fn sum(sum: &Sum) -> Router {
    let sum = Arc::clone(sum);
    Router::new().on(async move |event: Received<MoneyDeposited>| {
        sum.0.fetch_add(1, Relaxed);
        sum.1.fetch_add(event.0.amount, Relaxed);
        Ok::<_, Error>(())
    })
}

impl Bank for EvercoreBank {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        let open = async |ctx: &mut Context| {
            let mut account = ctx.create_with_key::<Account>(format!("account-{account}")).await?;
            let mut deposits = (1..=deposits.cast_signed()).map(|n| MoneyDeposited(deposit(n)));
            deposits.try_for_each(|deposited| ctx.apply(&mut account, deposited))
        };
        Ok(self.store.with_context(open).await?)
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        let deposit = async |ctx: &mut Context| {
            let mut account = ctx.load_by_key::<Account>(format!("account-{account}")).await?;
            let deposit = account.state().0.next();
            ctx.apply(&mut account, MoneyDeposited(deposit))
        };
        let ((), landed) = self.store.with_context_committed(deposit).await?;
        let position = landed.and_then(|landed| landed.position()).expect("it wrote an event");
        Ok(self.store.wait_for("turnover", position).await?)
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        let load = self.store.with_readonly_context(async |ctx| {
            ctx.load_by_key::<Account>(format!("account-{account}")).await
        });
        Ok(load.await?.into_state().0)
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        let seen = Sum::default();
        let worker = self.store.subscription("follower").spawn(sum(&seen))?;
        self.store.wait_until_idle("follower").await?;
        worker.shutdown().await?;
        self.store.subscriptions().delete("follower").await?;
        Ok((seen.0.load(Relaxed), seen.1.load(Relaxed)))
    }
}
