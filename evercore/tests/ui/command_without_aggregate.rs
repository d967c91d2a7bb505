use evercore::command;

#[command(target = account)]
struct Withdraw {
    account: String,
    amount: i64,
}

fn main() {}
