//! The domain of the peers, the same as in the parent: the operations and the stored data.

use serde::{Deserialize, Serialize};

/// A bank on some framework. Each operation takes the framework's documented path.
pub trait Bank: Clone + Send + Sync + 'static {
    /// Executes a command on a new account, with this many deposits of 1, 2, 3 … as its events.
    fn open(&self, account: u64, deposits: u64) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Loads an account, decides on [`Books::next`], and stores the event.
    fn deposit(&self, account: u64) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Loads an account from all of its events, without a snapshot.
    fn load(&self, account: u64) -> impl Future<Output = anyhow::Result<Books>> + Send;

    /// Passes all events of the store, decoded, to a handler. Returns their number and the sum of their amounts.
    fn follow(&self) -> impl Future<Output = anyhow::Result<(u64, i64)>> + Send;

    /// Prepares the store for [`subscribe`](Self::subscribe), and fills it with 100,000 subscriptions. Only for frameworks
    /// with decisions on events of several aggregates.
    fn prepare_courses(&self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { anyhow::bail!("there are no decisions on events of several aggregates") }
    }

    /// Reads the events of a course and those of a student, decides on their numbers, and stores one event of both.
    fn subscribe(
        &self,
        _course: &str,
        _student: &str,
    ) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { anyhow::bail!("there are no decisions on events of several aggregates") }
    }
}

/// The payload of an event: about 120 bytes of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    /// The amount.
    pub amount: i64,
    /// The currency of the amount.
    pub currency: String,
    /// The bank reference.
    pub reference: String,
    /// The purpose.
    pub note: String,
}

/// The state on which an account decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Books {
    /// The sum of all deposits.
    pub balance: i64,
    /// The number of deposits.
    pub deposits: i64,
    /// The reference of the last deposit.
    pub last_reference: String,
}

/// Returns a deposit of this amount.
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
    /// Adds a deposit.
    pub fn take(&mut self, deposit: &Deposit) {
        self.balance += deposit.amount;
        self.deposits += 1;
        deposit.reference.clone_into(&mut self.last_reference);
    }

    /// Makes the next deposit.
    #[must_use]
    pub fn next(&self) -> Deposit {
        deposit(self.deposits % 1_000 + 1)
    }
}
