use evercore::{Aggregate, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
struct Withdraw {
    account: String,
}

fn main() {}
