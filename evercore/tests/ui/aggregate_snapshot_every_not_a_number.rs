use evercore::Aggregate;

#[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(snapshot_every = "100", snapshot_version = 2)]
struct Account {
    balance: i64,
}

fn main() {}
