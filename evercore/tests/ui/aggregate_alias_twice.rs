use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(aliases = ["client", "client"])]
struct Customer {
    name: String,
}

fn main() {}
