use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate = "account"]
struct Account {
    balance: i64,
}

fn main() {}
