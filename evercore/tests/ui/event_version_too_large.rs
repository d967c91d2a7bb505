use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account, version = 4294967296)]
struct Deposited {
    amount: i64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _: &EventMeta) {
        self.balance += event.amount;
    }
}

fn main() {}
