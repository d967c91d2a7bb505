//! Tags that an event had, and has no longer.

use evercore::boundary::TagName;
use evercore::{Event, event};

#[event(tags(course), retired_tags(room, "gift-card"))]
struct Relocated {
    course: String,
}

#[event(tags(course))]
struct Reopened {
    course: String,
}

#[test]
fn retired_tags_are_declared_beside_the_others() {
    assert_eq!(Relocated::RETIRED_TAGS, ["room", "gift-card"]);
    assert_eq!(Relocated::TAGS, [TagName::one("course")]);
    let tags = Relocated { course: "algebra".to_owned() }.tags().expect("they fit");
    assert_eq!(tags.iter().collect::<Vec<_>>(), ["course:algebra"]);
    assert!(Reopened::RETIRED_TAGS.is_empty());
}
