//! Courses with few seats, and students who take few courses: rules that belong to no aggregate.

use evercore::boundary::{Boundary, BoundaryEvent, BoundaryKey, Facts, Tag, TagName, Tags};
use evercore::format::Encoding;
use evercore::{Apply, Decide, Decision, Error, Event, EventMeta, EventStore, Result};
use serde::{Deserialize, Serialize};

/// The most courses of a student.
pub(crate) const MOST_COURSES: usize = 3;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CourseDefined {
    pub(crate) course: String,
    pub(crate) capacity: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscribed {
    pub(crate) course: String,
    pub(crate) student: String,
    /// The subscriptions that the decision has seen; `None` if it rests on nothing.
    pub(crate) seen: Option<Seen>,
}

/// The subscriptions that a decision has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) of_course: usize,
    pub(crate) of_student: usize,
}

/// The subscriptions of a course.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seats {
    pub(crate) capacity: usize,
    pub(crate) students: Vec<String>,
}

/// The subscriptions of a student.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) courses: Vec<String>,
}

/// The subscriptions of a student to a course.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) times: usize,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the course is full")]
    Full,
    #[error("the student has too many courses")]
    TooMany,
    #[error(transparent)]
    Store(#[from] Error),
}

impl Event for CourseDefined {
    type Aggregate = Facts;
    const NAME: &'static str = "course-defined";
    const TAGS: &'static [TagName] = &[TagName::one("course")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        Tags::new([Tag::new("course", &self.course)?])
    }
}

impl Event for Subscribed {
    type Aggregate = Facts;
    const NAME: &'static str = "student-subscribed";
    const TAGS: &'static [TagName] = &[TagName::one("course"), TagName::one("student")];
    const ENCODING: Encoding<Self> = Encoding::serde();

    fn tags(&self) -> Result<Tags> {
        Tags::new([Tag::new("course", &self.course)?, Tag::new("student", &self.student)?])
    }
}

impl Boundary for Seats {
    const NAME: &'static str = "Seats";
    const EVENTS: &'static [BoundaryEvent<Self>] = &[
        BoundaryEvent::of::<CourseDefined>(&["course"]),
        BoundaryEvent::of::<Subscribed>(&["course"]),
    ];
}

impl Seats {
    pub(crate) fn of(course: &str) -> BoundaryKey<Self> {
        BoundaryKey::new([Tag::new("course", course)])
    }
}

impl Apply<CourseDefined> for Seats {
    fn apply(&mut self, event: &CourseDefined, _: &EventMeta) {
        self.capacity = event.capacity;
    }
}

impl Apply<Subscribed> for Seats {
    fn apply(&mut self, event: &Subscribed, _: &EventMeta) {
        self.students.push(event.student.clone());
    }
}

impl Boundary for Load {
    const NAME: &'static str = "Load";
    const EVENTS: &'static [BoundaryEvent<Self>] = &[BoundaryEvent::of::<Subscribed>(&["student"])];
}

impl Load {
    pub(crate) fn of(student: &str) -> BoundaryKey<Self> {
        BoundaryKey::new([Tag::new("student", student)])
    }
}

impl Apply<Subscribed> for Load {
    fn apply(&mut self, event: &Subscribed, _: &EventMeta) {
        self.courses.push(event.course.clone());
    }
}

impl Boundary for Subscription {
    const NAME: &'static str = "Subscription";
    const EVENTS: &'static [BoundaryEvent<Self>] =
        &[BoundaryEvent::of::<Subscribed>(&["course", "student"])];
}

impl Subscription {
    pub(crate) fn of(course: &str, student: &str) -> BoundaryKey<Self> {
        BoundaryKey::new([Tag::new("course", course), Tag::new("student", student)])
    }
}

impl Apply<Subscribed> for Subscription {
    fn apply(&mut self, _: &Subscribed, _: &EventMeta) {
        self.times += 1;
    }
}

/// A command that subscribes a student to a course.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) course: String,
    pub(crate) student: String,
}

impl Decide<Subscribe> for (Seats, Load) {
    type Error = Refused;

    fn decide(both: &mut Decision<'_, Self>, command: &Subscribe) -> Result<(), Refused> {
        let (seats, load) = both.state();
        if seats.students.len() >= seats.capacity {
            return Err(Refused::Full);
        }
        if load.courses.len() >= MOST_COURSES {
            return Err(Refused::TooMany);
        }
        let (of_course, of_student) = (seats.students.len(), load.courses.len());
        let seen = Some(Seen { of_course, of_student });
        both.emit(Subscribed { seen, ..subscribed(&command.course, &command.student) });
        Ok(())
    }
}

/// Makes an event of a subscription that rests on nothing.
pub(crate) fn subscribed(course: &str, student: &str) -> Subscribed {
    Subscribed { course: course.to_owned(), student: student.to_owned(), seen: None }
}

pub(crate) async fn define(store: &EventStore, course: &str, capacity: usize) -> Result<()> {
    let course = course.to_owned();
    store
        .with_context(async |ctx| ctx.emit(CourseDefined { course: course.clone(), capacity }))
        .await
}

/// Adds a subscription, whatever the rules.
pub(crate) async fn force(store: &EventStore, course: &str, student: &str) -> Result<()> {
    store.with_context(async |ctx| ctx.emit(subscribed(course, student))).await
}

/// Subscribes a student to a course, by the rules. The event says what the decision has seen.
pub(crate) async fn subscribe(
    store: &EventStore,
    course: &str,
    student: &str,
) -> Result<(), Refused> {
    store
        .with_context(async |ctx| {
            let (seats, load) = ctx.read((Seats::of(course), Load::of(student))).await?;
            if seats.students.len() >= seats.capacity {
                return Err(Refused::Full);
            }
            if load.courses.len() >= MOST_COURSES {
                return Err(Refused::TooMany);
            }
            // Lets others decide on the same events.
            tokio::task::yield_now().await;
            let (of_course, of_student) = (seats.students.len(), load.courses.len());
            let seen = Some(Seen { of_course, of_student });
            ctx.emit(Subscribed { seen, ..subscribed(course, student) })?;
            Ok(())
        })
        .await
}
