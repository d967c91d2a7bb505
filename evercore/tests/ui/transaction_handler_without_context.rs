use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, BoxError};

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription
        .handler_in_transaction::<X, _>(async |_: Batch| -> Result<(), BoxError> { Ok(()) });
}

fn main() {}
