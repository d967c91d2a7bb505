use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[event(aggregate = Account)]
enum Moved {
    #[state(skip)]
    In(i64),
    Out(i64),
}

impl Apply<Moved> for Account {
    fn apply(&mut self, event: &Moved, _: &EventMeta) {
        match event {
            Moved::In(amount) => self.balance += amount,
            Moved::Out(amount) => self.balance -= amount,
        }
    }
}

fn main() {}
