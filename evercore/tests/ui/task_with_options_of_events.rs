use evercore::task;

#[task(queue = "mail", aggregate = Order, tags(order), priority = 1)]
struct SendReceipt {
    order: u32,
}

fn main() {}
