//! Retired tags that are given, or that no tag can be named.
use evercore::event;

#[event(tags(course), retired_tags(course))]
struct Given {
    course: String,
}

#[event(tags(course), retired_tags(region, "region"))]
struct Twice {
    course: String,
}

#[event(tags(course), retired_tags("a:b"))]
struct BadName {
    course: String,
}

#[event(tags(course), retired_tags())]
struct Empty {
    course: String,
}

fn main() {}
