use evercore::{Aggregate, Decide, Decision, command};

#[derive(Aggregate, Default)]
struct Account;

#[command(aggregate = Account, target = account)]
enum Move {
    In { account: String },
    Out { account: String },
}

impl Decide<Move> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Move) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
