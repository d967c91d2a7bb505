use evercore::{Apply, Boundary, EventMeta, event};

#[event(tags(course, students))]
struct Planned {
    course: Option<String>,
    students: Vec<String>,
}

#[derive(Boundary, Default)]
#[boundary(key(course: Option<String>, students: Vec<String>), events(Planned))]
struct Seats;

impl Apply<Planned> for Seats {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

fn main() {}
