use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Aggregate, BoxError, Received, TransactionContext, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account)]
struct AccountOpened {
    owner: String,
}

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription.handler_in_transaction(
        async |_: &mut TransactionContext<X>, _: Received<AccountOpened>| -> Result<(), BoxError> {
            Ok(())
        },
    );
}

fn main() {}
