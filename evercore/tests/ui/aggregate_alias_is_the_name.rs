use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(name = "customer", aliases = ["customer"])]
struct Customer {
    name: String,
}

fn main() {}
