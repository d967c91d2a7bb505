use evercore::task;

#[task(queue = "")]
struct SendReceipt {
    order: u32,
}

fn main() {}
