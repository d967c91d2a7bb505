use evercore::{Context, EventStore, Result};

struct Withdraw {
    account: String,
}

fn send(ctx: &mut Context, account: String) -> Result<()> {
    ctx.send(Withdraw { account })?;
    Ok(())
}

fn dispatch(store: &EventStore, account: String) {
    let _ = store.dispatch(Withdraw { account });
}

fn main() {}
