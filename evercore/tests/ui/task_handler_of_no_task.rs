use evercore::task::{Claimed, Handlers, TaskError};

struct SendReceipt {
    order: u32,
}

fn main() {
    let handlers = Handlers::new().on(async |task: Claimed<SendReceipt>| -> Result<(), TaskError> {
        println!("{}", task.order);
        Ok(())
    });
    drop(handlers);
}
