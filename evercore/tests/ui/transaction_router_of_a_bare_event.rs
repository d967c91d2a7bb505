use evercore::engine::Transaction;
use evercore::subscription::TransactionRouter;
use evercore::{Aggregate, BoxError, TransactionContext, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account)]
struct AccountOpened {
    owner: String,
}

async fn on_opened<X: Transaction>(
    _: &mut TransactionContext<X>,
    _: AccountOpened,
) -> Result<(), BoxError> {
    Ok(())
}

fn routes<X: Transaction>() -> TransactionRouter<X> {
    TransactionRouter::new().on(on_opened)
}

fn main() {}
