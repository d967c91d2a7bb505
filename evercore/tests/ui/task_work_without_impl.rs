use evercore::task;
use evercore::task::Handlers;

#[task(queue = "mail")]
struct SendReceipt {
    order: u32,
}

struct Mailer;

fn main() {
    drop(Handlers::new().work::<SendReceipt>(Mailer));
}
