use evercore::Context;

struct SendReceipt {
    order: u32,
}

fn enqueue(ctx: &mut Context) -> evercore::Result<()> {
    ctx.enqueue(SendReceipt { order: 42 })?;
    Ok(())
}

fn main() {}
