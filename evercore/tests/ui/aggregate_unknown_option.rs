use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(snapshots_every = 10)]
struct Account {
    balance: i64,
}

fn main() {}
