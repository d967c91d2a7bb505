use evercore::{Aggregate, Apply, EventMeta, event};

#[derive(Aggregate, Default)]
struct Account {
    cents: i64,
}

#[event(aggregate = Account, version = 2, upcast_from = [raw(euros)])]
struct Deposited {
    cents: i64,
}

fn euros(json: &str) -> String {
    json.to_owned()
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: &Deposited, _meta: &EventMeta) {
        self.cents += event.cents;
    }
}

fn main() {}
