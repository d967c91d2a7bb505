use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = "acc\0unt")]
struct Account {
    balance: i64,
}

fn main() {}
