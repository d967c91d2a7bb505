use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(aliases = [""])]
struct Customer {
    name: String,
}

fn main() {}
