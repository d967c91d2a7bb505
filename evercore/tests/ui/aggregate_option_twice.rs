use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = "account", name = "account")]
struct Account {
    balance: i64,
}

fn main() {}
