use evercore::{Aggregate, Decide, Decision, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
struct Withdraw {
    iban: String,
    amount: i64,
}

impl Decide<Withdraw> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
