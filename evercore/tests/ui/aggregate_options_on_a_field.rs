use evercore::Aggregate;

#[derive(Aggregate, Default)]
struct Account {
    #[aggregate(name = "balance")]
    balance: i64,
}

fn main() {}
