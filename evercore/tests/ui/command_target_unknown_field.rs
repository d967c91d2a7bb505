use evercore::{Aggregate, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
struct Withdraw {
    iban: String,
    amount: i64,
}

fn main() {}
