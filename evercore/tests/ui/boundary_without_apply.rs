use evercore::{Boundary, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct Seats;

fn main() {}
