use evercore::{Boundary, event};

#[event(tags(course))]
struct Planned {
    course: String,
}

#[derive(Boundary, Default)]
struct Nothing;

#[derive(Boundary, Default)]
#[boundary(events(Planned))]
struct NoKey;

#[derive(Boundary, Default)]
#[boundary(key(course: String))]
struct NoEvents;

#[derive(Boundary, Default)]
#[boundary(key(), events())]
struct EmptyLists;

#[derive(Boundary, Default)]
#[boundary(key = course, events(Planned))]
struct KeyWithoutParentheses;

#[derive(Boundary, Default)]
#[boundary(key(course), events(Planned))]
struct KeyWithoutType;

#[derive(Boundary, Default)]
#[boundary = "course"]
struct NoList;

#[derive(Boundary, Default)]
#[boundary(key(course: String), event(Planned))]
struct Misspelt;

fn main() {}
