use evercore::{Apply, Boundary, EventMeta, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String, course: u32), events(Planned, Planned), name = "")]
struct Doubled;

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned(room, course)))]
struct Unknown;

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned()))]
struct ByNothing;

#[derive(Boundary, Default)]
#[boundary(key(course: String, room: u32), events(Planned(course, course)))]
struct Unused;

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct Generic<T>(T);

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Planned))]
struct OnAField {
    #[boundary(key(course: String))]
    taken: u32,
}

#[derive(Boundary)]
#[boundary(key(course: String), events(Planned))]
union Either {
    a: u32,
    b: u32,
}

impl Default for Either {
    fn default() -> Self {
        Self { a: 0 }
    }
}

impl Apply<Planned> for Doubled {
    fn apply(&mut self, _: &Planned, _: &EventMeta) {}
}

fn main() {}
