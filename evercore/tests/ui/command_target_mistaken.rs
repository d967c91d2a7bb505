use evercore::{Aggregate, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = create(iban))]
struct Open {
    iban: String,
}

#[command(aggregate = Account, target = new(iban))]
struct Reopen {
    iban: String,
}

#[command(aggregate = Account, target)]
struct Close {
    iban: String,
}

fn main() {}
