use evercore::event;

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Course {
    number: u32,
}

#[event(tags(course, students, room))]
struct Planned {
    course: Course,
    students: Vec<Course>,
    room: Option<Course>,
}

fn main() {}
