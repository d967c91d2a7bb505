use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = "account")]
#[aggregate(name = "bank-account")]
struct Account {
    balance: i64,
}

fn main() {}
