use evercore::Router;
use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription.handler_in_transaction::<X, _>(Router::new());
}

fn main() {}
