use evercore::{Apply, Boundary, EventMeta, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary)]
#[boundary(key(course: String), events(Planned))]
struct Seats;

impl Apply<Planned> for Seats {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

fn main() {}
