use evercore::Aggregate;

#[derive(Aggregate, Default)]
struct Account<T> {
    balance: T,
}

fn main() {}
