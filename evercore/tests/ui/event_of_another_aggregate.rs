use evercore::{Aggregate, Context, Decide, Decision, Error, StateAggregate, state_event};

#[derive(Aggregate, Default)]
struct Account {
    balance: i64,
}

#[derive(Aggregate, Default)]
struct Branch {
    city: String,
}

#[state_event(aggregate = Account)]
struct Counted {
    balance: i64,
}

#[state_event(aggregate = Account)]
struct Corrected {
    balance: i64,
}

#[state_event(aggregate = Branch)]
struct BranchMoved {
    city: String,
}

struct Move;

impl Decide<Move> for Account {
    type Error = String;

    fn decide(account: &mut Decision<'_, Self>, _command: &Move) -> Result<(), String> {
        account.emit(BranchMoved { city: String::new() });
        Ok(())
    }
}

fn moved(ctx: &mut Context, account: &mut StateAggregate<Account>) -> Result<(), Error> {
    ctx.apply(account, BranchMoved { city: String::new() })
}

fn main() {}
