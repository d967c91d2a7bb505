use evercore::{Aggregate, Decide, Decision, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = number)]
struct Withdraw {
    number: u32,
}

impl Decide<Withdraw> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), String> {
        Ok(())
    }
}

#[command(aggregate = Account, target = key_or_new(amount))]
struct Deposit {
    amount: i64,
}

impl Decide<Deposit> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Deposit) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
