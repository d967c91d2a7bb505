use evercore::state_event;

#[state_event(tags(course))]
struct Planned {
    course: String,
}

fn main() {}
