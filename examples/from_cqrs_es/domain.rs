//! Defines the accounts of the new service: one type for each event.

use evercore::{Aggregate, Apply, EventMeta, event, state_event};

#[derive(Aggregate, Debug, Default)]
#[aggregate(name = "account")]
pub(crate) struct Account {
    pub(crate) owner: String,
    pub(crate) cents: i64,
    pub(crate) is_closed: bool,
}

#[state_event(aggregate = Account, name = "account-opened")]
pub(crate) struct AccountOpened {
    pub(crate) owner: String,
}

#[event(aggregate = Account, name = "money-deposited")]
pub(crate) struct MoneyDeposited {
    pub(crate) cents: i64,
}

#[event(aggregate = Account, name = "money-withdrawn")]
pub(crate) struct MoneyWithdrawn {
    pub(crate) cents: i64,
}

#[event(aggregate = Account, name = "account-closed")]
pub(crate) struct AccountClosed;

impl Apply<MoneyDeposited> for Account {
    fn apply(&mut self, event: &MoneyDeposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

impl Apply<MoneyWithdrawn> for Account {
    fn apply(&mut self, event: &MoneyWithdrawn, _meta: &EventMeta) {
        self.cents -= event.cents;
    }
}

impl Apply<AccountClosed> for Account {
    fn apply(&mut self, _event: &AccountClosed, _meta: &EventMeta) {
        self.is_closed = true;
    }
}
