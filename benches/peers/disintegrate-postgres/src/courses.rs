//! Courses and students as states that are built by queries, and the decision that rests on both.

use std::convert::Infallible;
use std::sync::Arc;

use disintegrate::serde::json::Json;
use disintegrate::{Decision, Event, NoSnapshot, StateMutate, StateQuery};
use disintegrate_postgres::{PgDecisionMaker, PgEventStore};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::retry;

/// The columns and indexes that `PgEventStore::try_new` creates for the events here, and events before the measurement.
const TABLES: &str = include_str!("courses.sql");

/// An event. It contains the course and the student, which are also columns of the table.
#[derive(Clone, Debug, PartialEq, Event, Serialize, Deserialize)]
pub(crate) enum Enrolment {
    StudentSubscribed {
        #[id]
        course: String,
        #[id]
        student: String,
        seat: i64,
        note: String,
    },
}

/// The students of a course.
#[derive(Clone, Debug, Default, StateQuery, Serialize, Deserialize)]
#[state_query(Enrolment)]
pub(crate) struct Seats {
    #[id]
    course: String,
    taken: i64,
}

/// The courses of a student.
#[derive(Clone, Debug, Default, StateQuery, Serialize, Deserialize)]
#[state_query(Enrolment)]
pub(crate) struct Load {
    #[id]
    student: String,
    courses: i64,
}

/// Subscribes a student to a course.
#[derive(Clone)]
struct Subscribe {
    course: String,
    student: String,
}

/// Makes decisions on courses and students.
#[derive(Clone)]
pub(crate) struct Courses(Arc<PgDecisionMaker<Enrolment, Json<Enrolment>, NoSnapshot>>);

impl Courses {
    pub(crate) fn on(pool: PgPool) -> Self {
        let events = PgEventStore::new_uninitialized(pool, Json::default());
        Self(Arc::new(disintegrate_postgres::decision_maker(events, NoSnapshot)))
    }

    pub(crate) async fn prepare(pool: &PgPool) -> anyhow::Result<()> {
        sqlx::raw_sql(TABLES).execute(pool).await?;
        sqlx::query("VACUUM (ANALYZE) event").execute(pool).await?;
        Ok(())
    }

    pub(crate) async fn subscribe(&self, course: &str, student: &str) -> anyhow::Result<()> {
        let subscribe = Subscribe { course: course.to_owned(), student: student.to_owned() };
        retry::until_made(|| self.0.make(subscribe.clone())).await
    }
}

impl StateMutate for Seats {
    fn mutate(&mut self, Enrolment::StudentSubscribed { .. }: Enrolment) {
        self.taken += 1;
    }
}

impl StateMutate for Load {
    fn mutate(&mut self, Enrolment::StudentSubscribed { .. }: Enrolment) {
        self.courses += 1;
    }
}

impl Decision for Subscribe {
    type Event = Enrolment;
    type StateQuery = (Seats, Load);
    type Error = Infallible;

    fn state_query(&self) -> (Seats, Load) {
        let (course, student) = (self.course.clone(), self.student.clone());
        (Seats { course, taken: 0 }, Load { student, courses: 0 })
    }

    fn process(&self, (seats, load): &(Seats, Load)) -> Result<Vec<Enrolment>, Infallible> {
        let Self { course, student } = self.clone();
        let seat = seats.taken + load.courses;
        let note = "for the winter, with the certificate".to_owned();
        Ok(vec![Enrolment::StudentSubscribed { course, student, seat, note }])
    }
}
