use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, TransactionContext};

async fn count<X: Transaction>(_: &mut TransactionContext<X>, _: Batch) {}

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription.handler_in_transaction(count::<X>);
}

fn main() {}
