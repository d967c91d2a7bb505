//! Courses with few seats and students with few courses.

use evercore::{Apply, Boundary, EventMeta, event};

/// The seats of a course.
pub(crate) const SEATS: usize = 12;

/// The most courses of a student.
pub(crate) const MOST_COURSES: usize = 5;

#[event(name = "subscribed", tags(course, student))]
pub(crate) struct Subscribed {
    pub(crate) course: String,
    pub(crate) student: String,
    /// The subscriptions that the decision has seen; `None` if there was no decision.
    pub(crate) seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Seen {
    pub(crate) of_course: usize,
    pub(crate) of_student: usize,
}

/// The subscriptions of a course.
#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Subscribed))]
pub(crate) struct Seats {
    pub(crate) taken: usize,
}

/// The subscriptions of a student.
#[derive(Boundary, Default)]
#[boundary(key(student: String), events(Subscribed))]
pub(crate) struct Load {
    pub(crate) courses: usize,
}

impl Apply<Subscribed> for Seats {
    fn apply(&mut self, _event: &Subscribed, _meta: &EventMeta) {
        self.taken += 1;
    }
}

impl Apply<Subscribed> for Load {
    fn apply(&mut self, _event: &Subscribed, _meta: &EventMeta) {
        self.courses += 1;
    }
}
