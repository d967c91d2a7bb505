use evercore::engine::Transaction;
use evercore::subscription::TransactionRouter;
use evercore::{Aggregate, BoxError, Received, TransactionContext, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account)]
struct AccountOpened {
    owner: String,
}

struct Counter(usize);

impl Counter {
    fn add(mut self, number: usize) {
        self.0 += number;
    }
}

fn routes<X: Transaction>(counter: Counter) -> TransactionRouter<X> {
    TransactionRouter::new().on(
        async move |_: &mut TransactionContext<X>,
                    _: Received<AccountOpened>|
                    -> Result<(), BoxError> {
            counter.add(1);
            Ok(())
        },
    )
}

fn main() {}
