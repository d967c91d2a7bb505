use evercore::{EventStore, Result};

struct Withdraw {
    account: String,
}

async fn send(store: &EventStore, account: String) -> Result<()> {
    store.send(Withdraw { account }).await?;
    Ok(())
}

async fn dispatch(store: &EventStore, account: String) {
    let _ = store.dispatch(Withdraw { account });
}

fn main() {}
