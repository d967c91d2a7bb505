use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, BoxError, TransactionContext};

struct Counter(usize);

impl Counter {
    fn add(mut self, number: usize) {
        self.0 += number;
    }
}

fn counts<X: Transaction>(subscription: SubscriptionBuilder, counter: Counter) {
    subscription.handler_in_transaction(
        async move |_: &mut TransactionContext<X>, batch: Batch| -> Result<(), BoxError> {
            counter.add(batch.len());
            Ok(())
        },
    );
}

fn main() {}
