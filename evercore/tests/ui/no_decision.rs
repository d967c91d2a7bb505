use evercore::{Aggregate, Decide, Decision, EventStore, Target};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

struct Deposit;

impl Decide<Deposit> for Account {
    type Error = String;

    fn decide(_account: &mut Decision<'_, Self>, _command: &Deposit) -> Result<(), String> {
        Ok(())
    }
}

struct Close;

impl Decide<Close> for Account {
    type Error = String;

    fn decide(_account: &mut Decision<'_, Self>, _command: &Close) -> Result<(), String> {
        Ok(())
    }
}

struct Withdraw;

fn withdraw(store: &EventStore) {
    let _ = store.execute::<Account, _>(Target::New, Withdraw);
}

fn main() {}
