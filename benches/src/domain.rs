//! The bank that every side works for, with events of about 120 bytes of JSON.

use std::convert::Infallible;

use evercore::{Aggregate, Apply, Decide, Decision, EventMeta, event};
use serde::{Deserialize, Serialize};

/// An account without snapshots.
#[derive(Aggregate, Clone, Debug, Default, Serialize, Deserialize)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    pub(crate) books: Books,
}

/// An account with a snapshot every 100 events.
#[derive(Aggregate, Clone, Debug, Default, Serialize, Deserialize)]
#[aggregate(name = "savings-account", snapshot_every = 100)]
pub(crate) struct SavingsAccount {
    pub(crate) books: Books,
}

/// The state on which an account decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Books {
    pub(crate) balance: i64,
    pub(crate) deposits: i64,
    pub(crate) last_reference: String,
}

#[event(aggregate = Account, name = "money-deposited")]
#[derive(Clone, Debug)]
pub(crate) struct MoneyDeposited {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reference: String,
    pub(crate) note: String,
}

#[event(aggregate = SavingsAccount, name = "money-saved")]
#[derive(Clone, Debug)]
pub(crate) struct MoneySaved {
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reference: String,
    pub(crate) note: String,
}

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.books.take(event.amount, &event.reference);
    }
}

impl Apply<MoneySaved> for SavingsAccount {
    fn apply(&mut self, event: &MoneySaved, _meta: &EventMeta) {
        self.books.take(event.amount, &event.reference);
    }
}

impl Books {
    fn take(&mut self, amount: i64, reference: &str) {
        self.balance += amount;
        self.deposits += 1;
        reference.clone_into(&mut self.last_reference);
    }

    /// Returns the next amount. It depends on the state, so that no side can omit the load.
    fn next(&self) -> i64 {
        self.deposits % 1_000 + 1
    }
}

impl Account {
    /// Makes the decision that every side makes.
    pub(crate) fn next_deposit(&self) -> MoneyDeposited {
        MoneyDeposited::of(self.books.next())
    }

    /// Applies an event by hand, for the raw drivers.
    pub(crate) fn replay(&mut self, event: &MoneyDeposited) {
        self.books.take(event.amount, &event.reference);
    }
}

/// The command that decides on [`Account::next_deposit`].
pub(crate) struct Deposit;

impl Decide<Deposit> for Account {
    type Error = Infallible;

    fn decide(account: &mut Decision<'_, Self>, _: &Deposit) -> Result<(), Infallible> {
        let event = account.next_deposit();
        account.emit(event);
        Ok(())
    }
}

impl SavingsAccount {
    pub(crate) fn next_deposit(&self) -> MoneySaved {
        let MoneyDeposited { amount, currency, reference, note } =
            MoneyDeposited::of(self.books.next());
        MoneySaved { amount, currency, reference, note }
    }
}

impl MoneyDeposited {
    pub(crate) fn of(amount: i64) -> Self {
        Self {
            amount,
            currency: "EUR".to_owned(),
            reference: format!("NL91ABNA0417164300/{amount:06}"),
            note: "salary of October, with the holiday money".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_event_is_about_120_bytes_of_json() {
        let bytes = serde_json::to_vec(&super::MoneyDeposited::of(123)).expect("JSON").len();
        assert!((110..=135).contains(&bytes), "{bytes} bytes");
    }
}
