//! Tags that no field gives, or that cannot be stored.
use evercore::event;

#[event(tags(course, pupil))]
struct NoSuchField {
    course: String,
    student: String,
}

#[event(tags(course))]
struct NoNamedFields(String);

#[event(tags(course))]
struct NoFields;

#[event(tags(course, course))]
struct Twice {
    course: String,
}

#[event(tags(course, "course" = other))]
struct TwiceByName {
    course: String,
    other: String,
}

#[event(tags("" = course, "a:b" = course, "line\nbreak" = course))]
struct BadNames {
    course: String,
}

#[event(tags("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" = course))]
struct LongName {
    course: String,
}

#[event(tags())]
struct Empty {
    course: String,
}

#[event(tags = course)]
struct NoList {
    course: String,
}

#[event(tags("course"))]
struct NameWithoutField {
    course: String,
}

#[event(tags(course), tags(student))]
struct OptionTwice {
    course: String,
    student: String,
}

#[event(tags(course))]
union Either {
    course: u32,
    student: u32,
}

#[event(tags(course))]
enum NoVariantHasIt {
    Opened { room: u32 },
    Closed,
}

fn main() {}
