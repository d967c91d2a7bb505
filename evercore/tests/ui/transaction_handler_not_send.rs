use std::rc::Rc;

use evercore::engine::Transaction;
use evercore::subscription::SubscriptionBuilder;
use evercore::{Batch, BoxError, TransactionContext};

async fn count<X: Transaction>(
    _: &mut TransactionContext<X>,
    batch: Batch,
) -> Result<(), BoxError> {
    let batch = Rc::new(batch);
    std::future::ready(()).await;
    drop(batch);
    Ok(())
}

fn counts<X: Transaction>(subscription: SubscriptionBuilder) {
    subscription.handler_in_transaction(count::<X>);
}

fn main() {}
