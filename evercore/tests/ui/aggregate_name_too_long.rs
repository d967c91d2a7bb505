use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = "account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-account-")]
struct Account {
    balance: i64,
}

fn main() {}
