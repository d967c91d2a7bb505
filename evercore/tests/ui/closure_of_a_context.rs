use evercore::{Aggregate, Error, EventStore, state_event};

#[derive(Aggregate, Default)]
struct Account {
    owner: String,
}

#[state_event(aggregate = Account)]
struct AccountOpened {
    owner: String,
}

struct Form {
    owner: String,
}

impl Form {
    fn into_owner(self) -> String {
        self.owner
    }
}

async fn consumes_what_is_not_clone(store: &EventStore, form: Form) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let mut account = ctx.create::<Account>().await?;
            ctx.apply(&mut account, AccountOpened { owner: form.into_owner() })
        })
        .await
}

async fn assigns_what_it_captures(store: &EventStore) -> Result<u32, Error> {
    let mut attempts = 0;
    store
        .with_context(async |ctx| {
            attempts += 1;
            ctx.create::<Account>().await.map(drop)
        })
        .await?;
    Ok(attempts)
}

#[derive(Debug)]
enum BankError {
    NoOwner,
}

async fn fails_with_an_error_of_its_own(store: &EventStore, owner: &str) -> Result<(), BankError> {
    store
        .with_context(async |ctx| match owner {
            "" => Err(BankError::NoOwner),
            _ => ctx.create::<Account>().await.map(drop).map_err(|_| BankError::NoOwner),
        })
        .await
}

fn main() {}
