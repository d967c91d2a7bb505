use evercore::{Aggregate, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account)]
struct Withdraw {
    amount: i64,
}

fn main() {}
