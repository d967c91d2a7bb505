use evercore::{Aggregate, Decide, Decision, command};

#[derive(Aggregate, Default)]
struct Account;

struct TooMuch;

#[command(aggregate = Account, target = account)]
struct Withdraw {
    account: String,
}

impl Decide<Withdraw> for Account {
    type Error = TooMuch;

    fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), TooMuch> {
        Err(TooMuch)
    }
}

fn main() {}
