//! The events of an account, and the projection that commands decide on.

use evento::metadata::Event;
use evento::{Executor, Projection};
use peer_protocol::{Books, Deposit};

/// The events of an account.
#[evento::aggregate(name = "bank/Account")]
pub enum BankAccount {
    /// A deposit was made.
    MoneyDeposited { amount: i64, currency: String, reference: String, note: String },
}

#[evento::projection(id = id)]
#[evento::snapshot(none)]
pub struct Account {
    pub id: String,
    pub books: Books,
}

/// Returns the projection that loads an account from all of its events.
pub(crate) fn account<E: Executor>() -> Projection<E, Account> {
    Projection::new::<BankAccount>().handler(on_money_deposited()).strict()
}

#[evento::handler]
async fn on_money_deposited(
    event: Event<MoneyDeposited>,
    account: &mut Account,
) -> anyhow::Result<()> {
    if account.id.is_empty() {
        event.aggregate_id.clone_into(&mut account.id);
    }
    account.books.take(&Deposit::from(event.data));
    Ok(())
}

impl From<Deposit> for MoneyDeposited {
    fn from(Deposit { amount, currency, reference, note }: Deposit) -> Self {
        Self { amount, currency, reference, note }
    }
}

impl From<MoneyDeposited> for Deposit {
    fn from(event: MoneyDeposited) -> Self {
        let MoneyDeposited { amount, currency, reference, note } = event;
        Self { amount, currency, reference, note }
    }
}
