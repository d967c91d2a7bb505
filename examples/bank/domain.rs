//! Defines accounts: their events, commands and rules. The module is independent of any store.

use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, Sequence, event, state_event};

#[derive(Aggregate, Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(name = "account", snapshot_every = 100)]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) balance: i64,
    #[serde(default)]
    pub(crate) is_closed: bool,
}

#[state_event(aggregate = Account, name = "account-opened")]
pub(crate) struct AccountOpened {
    pub(crate) owner: String,
    pub(crate) balance: i64,
}

#[event(aggregate = Account, name = "money-deposited")]
pub(crate) struct MoneyDeposited {
    pub(crate) amount: i64,
}

#[event(aggregate = Account, name = "money-withdrawn")]
pub(crate) struct MoneyWithdrawn {
    pub(crate) amount: i64,
}

#[event(aggregate = Account, name = "account-closed")]
pub(crate) struct AccountClosed;

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.balance += event.amount;
    }
}

impl Apply<MoneyWithdrawn> for Account {
    fn apply(&mut self, event: &MoneyWithdrawn, _meta: &EventMeta) {
        self.balance -= event.amount;
    }
}

impl Apply<AccountClosed> for Account {
    fn apply(&mut self, _event: &AccountClosed, _meta: &EventMeta) {
        self.is_closed = true;
    }
}

/// Opens a new account.
pub(crate) struct Open {
    pub(crate) owner: String,
}

pub(crate) struct Deposit {
    pub(crate) amount: i64,
}

pub(crate) struct Withdraw {
    pub(crate) amount: i64,
}

/// Pays out the balance, and closes the account permanently.
pub(crate) struct Close;

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum BankError {
    #[error("the account is open already")]
    AlreadyOpen,
    #[error("the account is closed")]
    Closed,
    #[error("{0} is not a valid amount")]
    NoAmount(i64),
    #[error("{owner} has {balance} and cannot pay {amount}")]
    InsufficientFunds { owner: String, balance: i64, amount: i64 },
}

impl Decide<Open> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &Open) -> Result<(), BankError> {
        if account.sequence() != Sequence::ZERO {
            return Err(BankError::AlreadyOpen);
        }
        account.emit(AccountOpened { owner: command.owner.clone(), balance: 0 });
        Ok(())
    }
}

impl Decide<Deposit> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &Deposit) -> Result<(), BankError> {
        account.check_move(command.amount)?;
        account.emit(MoneyDeposited { amount: command.amount });
        Ok(())
    }
}

impl Decide<Withdraw> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, command: &Withdraw) -> Result<(), BankError> {
        let amount = command.amount;
        account.check_move(amount)?;
        if account.balance < amount {
            let Account { owner, balance, .. } = account.state().clone();
            return Err(BankError::InsufficientFunds { owner, balance, amount });
        }
        account.emit(MoneyWithdrawn { amount });
        Ok(())
    }
}

impl Decide<Close> for Account {
    type Error = BankError;

    fn decide(account: &mut Decision<'_, Self>, _command: &Close) -> Result<(), BankError> {
        if account.is_closed {
            return Ok(());
        }
        let amount = account.balance;
        if amount > 0 {
            Self::decide(account, &Withdraw { amount })?;
        }
        account.emit(AccountClosed);
        Ok(())
    }
}

impl Account {
    /// Checks the rules of all movements of money.
    fn check_move(&self, amount: i64) -> Result<(), BankError> {
        if self.is_closed {
            Err(BankError::Closed)
        } else if amount <= 0 {
            Err(BankError::NoAmount(amount))
        } else {
            Ok(())
        }
    }
}
