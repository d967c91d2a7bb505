use evercore::Aggregate;

#[derive(Aggregate, Default, serde::Serialize, serde::Deserialize)]
#[aggregate(snapshot_every = 0)]
struct Account {
    balance: i64,
}

fn main() {}
