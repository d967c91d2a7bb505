use evercore::{Aggregate, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
enum Move {
    In { account: String },
    Out { account: String },
}

fn main() {}
