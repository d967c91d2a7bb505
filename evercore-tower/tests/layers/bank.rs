//! The domain of these tests, and ways to delay commands.

use std::sync::Arc;
use std::time::Duration;

use evercore::command::Executed;
use evercore::{
    Aggregate, Apply, CommandError, Decide, Decision, EventMeta, EventStore, RetryPolicy, Target,
    event,
};
use evercore_memory::MemoryEngine;
use evercore_tower::{Check, CommandRequest, CommandService};
use tokio::sync::Semaphore;
use tokio::time::timeout;

#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    pub(crate) balance: i64,
}

#[event(aggregate = Account)]
pub(crate) struct MoneyMoved {
    pub(crate) amount: i64,
}

impl Apply<MoneyMoved> for Account {
    fn apply(&mut self, event: &MoneyMoved, _: &EventMeta) {
        self.balance += event.amount;
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Deposit {
    pub(crate) amount: i64,
}

pub(crate) struct Withdraw {
    pub(crate) amount: i64,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum BankError {
    #[error("an amount is more than nothing")]
    NotAnAmount,
    #[error("the account does not hold that much")]
    InsufficientFunds,
    #[error("not by you")]
    NotAllowed,
}

/// Depositing zero is accepted without an event.
impl Decide<Deposit> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), BankError> {
        if command.amount != 0 {
            account.emit(MoneyMoved { amount: command.amount });
        }
        Ok(())
    }
}

impl Decide<Withdraw> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), BankError> {
        if account.balance < command.amount {
            return Err(BankError::InsufficientFunds);
        }
        account.emit(MoneyMoved { amount: -command.amount });
        Ok(())
    }
}

pub(crate) type Answer = Result<Executed<Account>, CommandError<BankError>>;

pub(crate) type Outcome = Result<(), CommandError<BankError>>;

/// Delays commands until it lets that many through.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn let_through(&self, commands: usize) {
        self.0.add_permits(commands);
    }
}

impl<C: Sync> Check<C> for Gate {
    type Error = BankError;

    async fn check(&self, _: &CommandRequest<C>) -> Result<(), BankError> {
        let opened = timeout(Duration::from_secs(60), self.0.acquire()).await;
        opened.expect("it is opened in time").expect("it is never taken away").forget();
        Ok(())
    }
}

/// Returns a store in which the first conflict is an error.
pub(crate) async fn store() -> EventStore {
    let builder = EventStore::builder().retry(RetryPolicy::none());
    builder.open(MemoryEngine::new()).await.expect("memory opens")
}

pub(crate) async fn accounts() -> CommandService<Account> {
    CommandService::new(store().await)
}

/// A deposit into the account with a key, which need not exist.
pub(crate) fn deposit(key: &str, amount: i64) -> CommandRequest<Deposit> {
    let target = Target::key_or_new(key).expect("it is a key");
    request(target, Deposit { amount })
}

pub(crate) fn request<C>(target: Target, command: C) -> CommandRequest<C> {
    CommandRequest::new(target, command).expect("the target is one")
}
