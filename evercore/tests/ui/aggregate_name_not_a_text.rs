use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = account)]
struct Account {
    balance: i64,
}

fn main() {}
