//! An account as a state that is built by a query, and its decisions.

use std::convert::Infallible;

use disintegrate::{Decision, Event, StateMutate, StateQuery};
use peer_protocol::{Books, Deposit, deposit};
use serde::{Deserialize, Serialize};

/// An event. It contains the account's id, which is also a column of the table.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
pub(crate) enum Entry {
    MoneyDeposited {
        #[id]
        account_id: i64,
        deposit: Deposit,
    },
}

/// The state of one account, built from its events.
#[derive(Clone, Debug, Default, StateQuery, Serialize, Deserialize)]
#[state_query(Entry)]
pub(crate) struct Account {
    #[id]
    account_id: i64,
    pub(crate) books: Books,
}

/// Makes this many deposits in one commit.
pub(crate) struct Open {
    pub(crate) account: i64,
    pub(crate) deposits: u64,
}

/// Makes the next deposit.
pub(crate) struct DepositNext {
    pub(crate) account: i64,
}

impl Account {
    /// Returns an account without events.
    pub(crate) fn new(account: i64) -> Self {
        Self { account_id: account, books: Books::default() }
    }
}

impl StateMutate for Account {
    fn mutate(&mut self, Entry::MoneyDeposited { deposit, .. }: Entry) {
        self.books.take(&deposit);
    }
}

impl Decision for Open {
    type Event = Entry;
    type StateQuery = Account;
    type Error = Infallible;

    fn state_query(&self) -> Account {
        Account::new(self.account)
    }

    fn process(&self, _: &Account) -> Result<Vec<Entry>, Infallible> {
        let account_id = self.account;
        Ok((1..=self.deposits.cast_signed())
            .map(|amount| Entry::MoneyDeposited { account_id, deposit: deposit(amount) })
            .collect())
    }
}

impl Decision for DepositNext {
    type Event = Entry;
    type StateQuery = Account;
    type Error = Infallible;

    fn state_query(&self) -> Account {
        Account::new(self.account)
    }

    fn process(&self, state: &Account) -> Result<Vec<Entry>, Infallible> {
        Ok(vec![Entry::MoneyDeposited { account_id: self.account, deposit: state.books.next() }])
    }
}
