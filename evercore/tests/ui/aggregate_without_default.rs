use evercore::Aggregate;

#[derive(Aggregate)]
struct Account {
    balance: i64,
}

fn main() {}
