//! Compares what each decision has seen with what lies before its event in the log.

use std::collections::HashMap;
use std::fmt;

use sqlx::AssertSqlSafe;

use crate::courses::{SEATS, Seen};
use crate::crowd::Schema;

/// The counts of the events that a crowd has written.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// The decisions that landed.
    pub(crate) decisions: usize,
    /// The decisions that have not seen exactly what lies before their events.
    pub(crate) stale: usize,
    /// The events without a decision.
    pub(crate) forced: usize,
    /// The courses with more students than seats, among those where every event was decided on.
    pub(crate) overfilled: usize,
    /// The attempts that were run again.
    pub(crate) conflicts: usize,
}

#[derive(Default)]
struct Course {
    students: usize,
    forced: usize,
}

impl Judged {
    pub(crate) async fn read(schema: &Schema) -> Self {
        let sql = format!(
            "SELECT payload->>'course', payload->>'student', payload->'seen'->>'of_course', payload->'seen'->>'of_student'
             FROM {}.event_log ORDER BY position",
            schema.name
        );
        let rows: Vec<(String, String, Option<String>, Option<String>)> =
            sqlx::query_as(AssertSqlSafe(sql))
                .fetch_all(&mut schema.sql().await)
                .await
                .expect("the payloads are JSON");
        let mut judged = Self::default();
        let mut courses: HashMap<String, Course> = HashMap::new();
        let mut students: HashMap<String, usize> = HashMap::new();
        for (course, student, of_course, of_student) in rows {
            let course = courses.entry(course).or_default();
            let student = students.entry(student).or_default();
            match (of_course, of_student) {
                (Some(of_course), Some(of_student)) => {
                    let number = |text: String| text.parse().expect("a number");
                    let seen =
                        Seen { of_course: number(of_course), of_student: number(of_student) };
                    let there = Seen { of_course: course.students, of_student: *student };
                    judged.decisions += 1;
                    judged.stale += usize::from(seen != there);
                }
                _ => {
                    judged.forced += 1;
                    course.forced += 1;
                }
            }
            course.students += 1;
            *student += 1;
        }
        let is_overfilled = |course: &&Course| course.forced == 0 && course.students > SEATS;
        judged.overfilled = courses.values().filter(is_overfilled).count();
        judged
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decisions, stale, forced, overfilled, conflicts } = self;
        write!(
            f,
            "{stale} of {decisions} decisions are stale beside {forced} events without one, {overfilled} courses are overfilled, {conflicts} attempts ran again"
        )
    }
}
