use evercore::{Aggregate, Decide, Decision, command, task};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
#[task(queue = "payments")]
struct Withdraw {
    account: String,
}

impl Decide<Withdraw> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Withdraw) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
