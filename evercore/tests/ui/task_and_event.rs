use evercore::{Aggregate, event, task};

#[derive(Aggregate, Default)]
struct Order;

#[event(aggregate = Order)]
#[task(queue = "mail")]
struct SendReceipt {
    order: u32,
}

fn main() {}
