//! Courses with few seats and students with little time: no rule here is about one aggregate.

use std::collections::BTreeSet;

use evercore::boundary::BoundaryKey;
use evercore::{Apply, Boundary, Decide, Decision, EventMeta, event};

pub(crate) const MOST_COURSES: usize = 5;

#[event(tags(course), name = "course-defined")]
pub(crate) struct CourseDefined {
    pub(crate) course: String,
    pub(crate) capacity: u32,
}

#[event(tags(course, student), name = "student-subscribed")]
pub(crate) struct StudentSubscribed {
    pub(crate) course: String,
    pub(crate) student: String,
}

/// The seats of a course.
#[derive(Boundary, Debug, Default)]
#[boundary(key(course: String), events(CourseDefined, StudentSubscribed))]
pub(crate) struct Seats {
    /// `None` if there is no such course.
    pub(crate) capacity: Option<u32>,
    pub(crate) taken: u32,
}

/// The courses of a student.
#[derive(Boundary, Debug, Default)]
#[boundary(key(student: String), events(StudentSubscribed))]
pub(crate) struct Load {
    pub(crate) courses: BTreeSet<String>,
}

impl Apply<CourseDefined> for Seats {
    fn apply(&mut self, event: &CourseDefined, _: &EventMeta) {
        self.capacity = Some(event.capacity);
    }
}

impl Apply<StudentSubscribed> for Seats {
    fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
        self.taken += 1;
    }
}

impl Apply<StudentSubscribed> for Load {
    fn apply(&mut self, event: &StudentSubscribed, _: &EventMeta) {
        self.courses.insert(event.course.clone());
    }
}

/// Why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the code of the course is taken")]
    CodeTaken,
    #[error("there is no such course")]
    NoCourse,
    #[error("the course is full")]
    Full,
    #[error("the student has {MOST_COURSES} courses already")]
    TooMany,
    #[error("the student has this course already")]
    Twice,
}

/// Defines a course under a code that no other course has.
pub(crate) struct Define {
    pub(crate) course: String,
    pub(crate) capacity: u32,
}

impl Decide<Define> for Seats {
    type Error = Refused;

    fn decide(seats: &mut Decision<'_, Self>, command: &Define) -> Result<(), Refused> {
        if seats.capacity.is_some() {
            return Err(Refused::CodeTaken);
        }
        seats.emit(CourseDefined { course: command.course.clone(), capacity: command.capacity });
        Ok(())
    }
}

/// Gives a student a seat.
#[derive(Clone, Debug)]
pub(crate) struct Subscribe {
    pub(crate) course: String,
    pub(crate) student: String,
}

impl Subscribe {
    /// The boundaries that it is decided on.
    pub(crate) fn keys(&self) -> (BoundaryKey<Seats>, BoundaryKey<Load>) {
        (Seats::of(&self.course), Load::of(&self.student))
    }
}

impl Decide<Subscribe> for (Seats, Load) {
    type Error = Refused;

    fn decide(both: &mut Decision<'_, Self>, command: &Subscribe) -> Result<(), Refused> {
        let (Seats { capacity, taken }, Load { courses }) = both.state();
        match capacity {
            None => return Err(Refused::NoCourse),
            Some(_) if courses.contains(&command.course) => return Err(Refused::Twice),
            Some(_) if courses.len() >= MOST_COURSES => return Err(Refused::TooMany),
            Some(capacity) if taken >= capacity => return Err(Refused::Full),
            Some(_) => {}
        }
        let Subscribe { course, student } = command.clone();
        both.emit(StudentSubscribed { course, student });
        Ok(())
    }
}
