//! The domain, the same as in the parent: what a peer has to offer, and what it stores.

use serde::{Deserialize, Serialize};

/// A bank on some framework, each call through its documented path.
pub trait Bank: Clone + Send + Sync + 'static {
    /// A command on a new account, with so many deposits of 1, 2, 3 … as its events.
    fn open(&self, account: u64, deposits: u64) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Loads an account, decides on [`Books::next`], and stores the event.
    fn deposit(&self, account: u64) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Loads an account: all of its events, no snapshot.
    fn load(&self, account: u64) -> impl Future<Output = anyhow::Result<Books>> + Send;

    /// Hands all events of the store to a handler, decoded: how many there are, and what their amounts add up to.
    fn follow(&self) -> impl Future<Output = anyhow::Result<(u64, i64)>> + Send;
}

/// The payload of an event: about 120 bytes of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    /// How much.
    pub amount: i64,
    /// Of what.
    pub currency: String,
    /// From where.
    pub reference: String,
    /// What for.
    pub note: String,
}

/// What is decided on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// All deposits added up.
    pub balance: i64,
    /// How many there were.
    pub deposits: i64,
    /// The last one's reference.
    pub last_reference: String,
}

/// A deposit.
#[must_use]
pub fn deposit(amount: i64) -> Deposit {
    Deposit {
        amount,
        currency: "EUR".to_owned(),
        reference: format!("NL91ABNA0417164300/{amount:06}"),
        note: "salary of October, with the holiday money".to_owned(),
    }
}

impl Books {
    /// Takes a deposit in.
    pub fn take(&mut self, deposit: &Deposit) {
        self.balance += deposit.amount;
        self.deposits += 1;
        deposit.reference.clone_into(&mut self.last_reference);
    }

    /// The next deposit.
    #[must_use]
    pub fn next(&self) -> Deposit {
        deposit(self.deposits % 1_000 + 1)
    }
}
