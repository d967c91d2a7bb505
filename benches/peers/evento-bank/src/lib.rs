//! The bank as an aggregate of evento 2, as in its README, on any executor: an account is a projection without
//! snapshots and writes through its gateway, and a subscription reads the log. Events are stored in bitcode, evento's
//! only format: they have the same fields as those of the other sides, but take fewer bytes.

mod account;
mod follower;

use evento::{Executor, ProjectionAggregate, WriteBuilder, append};
use peer_protocol::{Bank, Books, deposit};

use account::{Account, MoneyDeposited, account};

/// The bank on an executor.
#[derive(Clone, Debug)]
pub struct EventoBank<E> {
    executor: E,
}

impl<E: Executor> EventoBank<E> {
    /// Creates a bank on this executor.
    pub fn new(executor: E) -> Self {
        Self { executor }
    }

    async fn found(&self, account_id: u64) -> anyhow::Result<Account> {
        let found = account().load(name(account_id)).execute(&self.executor).await?;
        found.ok_or_else(|| anyhow::anyhow!("there is no account {account_id}"))
    }
}

impl<E: Executor + Clone> Bank for EventoBank<E> {
    async fn open(&self, account: u64, deposits: u64) -> anyhow::Result<()> {
        let mut events: WriteBuilder = append(name(account));
        for amount in 1..=deposits.cast_signed() {
            events.event(&MoneyDeposited::from(deposit(amount)));
        }
        events.commit(&self.executor).await?;
        Ok(())
    }

    async fn deposit(&self, account: u64) -> anyhow::Result<()> {
        let account = self.found(account).await?;
        let next = MoneyDeposited::from(account.books.next());
        account.write()?.event(&next).commit(&self.executor).await?;
        Ok(())
    }

    async fn load(&self, account: u64) -> anyhow::Result<Books> {
        Ok(self.found(account).await?.books)
    }

    async fn follow(&self) -> anyhow::Result<(u64, i64)> {
        follower::follow(&self.executor).await
    }
}

fn name(account: u64) -> String {
    format!("account-{account}")
}
