use evercore::{Apply, Boundary, Context, Error, EventMeta, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct Seats;

impl Apply<Planned> for Seats {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

async fn of_a_text(ctx: &mut Context) -> Result<(), Error> {
    ctx.read("algebra").await?;
    Ok(())
}

async fn of_a_state(ctx: &mut Context) -> Result<(), Error> {
    ctx.read((Seats::of("algebra"), Seats)).await?;
    Ok(())
}

async fn of_another_type(ctx: &mut Context) -> Result<(), Error> {
    ctx.read(Seats::of(7)).await?;
    Ok(())
}

fn main() {}
