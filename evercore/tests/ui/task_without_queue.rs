use evercore::task;

#[task]
struct SendReceipt {
    order: u32,
}

fn main() {}
