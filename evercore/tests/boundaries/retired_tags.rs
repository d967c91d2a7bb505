//! Tags that an event had, and has no longer.

use evercore::boundary::TagName;
use evercore::{Event, event};

#[event(tags(course), retired_tags(room, "gift-card"))]
struct Moved {
    course: String,
}

#[event(tags(course))]
struct Opened {
    course: String,
}

#[test]
fn retired_tags_are_declared_beside_the_others() {
    assert_eq!(Moved::RETIRED_TAGS, ["room", "gift-card"]);
    assert_eq!(Moved::TAGS, [TagName::one("course")]);
    let tags = Moved { course: "algebra".to_owned() }.tags().expect("they fit");
    assert_eq!(tags.iter().collect::<Vec<_>>(), ["course:algebra"]);
    assert!(Opened::RETIRED_TAGS.is_empty());
}
