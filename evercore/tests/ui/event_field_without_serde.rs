use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

struct Money {
    cents: i64,
}

#[event(aggregate = Account)]
struct Deposited {
    amount: Money,
    note: Option<String>,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _: &EventMeta) {
        self.balance += event.amount.cents;
    }
}

fn main() {}
