use evercore::engine::Transaction;
use evercore::subscription::{SubscriptionBuilder, TransactionRouter};

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription.handler(TransactionRouter::<X>::new());
}

fn main() {}
