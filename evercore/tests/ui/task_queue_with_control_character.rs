use evercore::task;

#[task(queue = "mail\n")]
struct SendReceipt {
    order: u32,
}

fn main() {}
