use evercore::{Aggregate, Decide, Decision, command};

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

impl Decide<Open> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Open) -> Result<(), String> {
        Ok(())
    }
}

impl Decide<Reopen> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Reopen) -> Result<(), String> {
        Ok(())
    }
}

impl Decide<Close> for Account {
    type Error = String;

    fn decide(_: &mut Decision<'_, Self>, _: &Close) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
