use evercore::Aggregate;

#[derive(Aggregate, Default)]
#[aggregate(unknown_events = ignore)]
struct Customer {
    name: String,
}

fn main() {}
