use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(snapshot_version = 2)]
struct Account {
    balance: i64,
}

fn main() {}
