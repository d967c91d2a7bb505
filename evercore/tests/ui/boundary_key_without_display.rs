use evercore::{Apply, Boundary, EventMeta, event};

struct Course;

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: Course), events(Planned))]
struct Seats;

impl Apply<Planned> for Seats {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

fn main() {}
