use evercore::Aggregate;

#[derive(Aggregate)]
union Account {
    balance: i64,
}

impl Default for Account {
    fn default() -> Self {
        Self { balance: 0 }
    }
}

fn main() {}
