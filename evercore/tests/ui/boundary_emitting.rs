//! Events with and without an aggregate, each staged the way of the other.
use evercore::{Aggregate, Context, Error, StateAggregate, event, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account, tags(owner))]
struct Opened {
    owner: String,
}

#[event(tags(owner))]
struct Greeted {
    owner: String,
}

struct Nothing;

fn emitted(ctx: &mut Context, owner: String) -> Result<(), Error> {
    ctx.emit(Opened { owner })
}

fn applied(
    ctx: &mut Context,
    account: &mut StateAggregate<Account>,
    owner: String,
) -> Result<(), Error> {
    ctx.apply(account, Greeted { owner })
}

fn no_event(ctx: &mut Context) -> Result<(), Error> {
    ctx.emit(Nothing)
}

fn main() {}
