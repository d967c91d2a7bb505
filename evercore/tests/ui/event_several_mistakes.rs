use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(name = "", version = 0, aliases = ["", "a", "a"], topic = "json")]
struct Deposited {
    amount: i64,
    #[state(skip)]
    reason: String,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _: &EventMeta) {
        self.balance += event.amount;
    }
}

fn main() {}
