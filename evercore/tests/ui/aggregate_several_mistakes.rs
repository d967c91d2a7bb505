use evercore::Aggregate;

#[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(nam = "account", snapshot_every = 0, snapshot_version = "two")]
struct Account {
    #[aggregate(skip)]
    balance: i64,
}

fn main() {}
