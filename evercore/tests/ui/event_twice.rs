use evercore::{Aggregate, Apply, EventMeta};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[evercore::event(aggregate = Account)]
#[evercore::event(aggregate = Account)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _: &EventMeta) {
        self.balance += event.amount;
    }
}

fn main() {}
