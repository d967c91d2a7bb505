use evercore::Aggregate;

#[derive(Aggregate, Default)]
struct Account<'a> {
    owner: &'a str,
}

fn main() {}
