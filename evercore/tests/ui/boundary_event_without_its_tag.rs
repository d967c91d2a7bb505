use evercore::{Apply, Boundary, EventMeta, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[event(tags(course, student))]
struct Subscribed {
    course: String,
    student: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String, student: String), events(Planned, Subscribed))]
struct Seat;

impl Apply<Planned> for Seat {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

impl Apply<Subscribed> for Seat {
    fn apply(&mut self, _: &Subscribed, _: &EventMeta) {}
}

fn main() {
    let _ = Seat::of("algebra", "Ada");
}
