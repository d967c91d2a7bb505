//! Many clients that want the same few seats at once.

use std::collections::BTreeMap;

use evercore::{CommandError, EventStore};
use tokio::task::JoinSet;

use crate::domain::{Define, Load, MOST_COURSES, Refused, Seats, Subscribe};

const CLIENTS: u32 = 16;
const COURSES: u32 = 10;
const STUDENTS: u32 = 13;
/// Fewer seats than the students may take altogether, so that one course is full in any order of events.
const CAPACITY: u32 = 6;

/// The outcome of a storm.
#[derive(Debug, Default)]
pub(crate) struct Storm {
    pub(crate) landed: u32,
    pub(crate) refused: BTreeMap<Refused, u32>,
    pub(crate) full: usize,
}

/// Lets all clients subscribe students to courses, and checks what is stored afterwards.
pub(crate) async fn run(store: &EventStore, tries: u32) -> anyhow::Result<Storm> {
    for number in 0..COURSES {
        let define = Define { course: course(number), capacity: CAPACITY };
        match store.execute_on(Seats::of(&define.course), define).await {
            // An earlier run has defined it.
            Ok(_) | Err(CommandError::Rejected(Refused::CodeTaken)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(subscribe_many(store.clone(), client, tries));
    }
    let mut storm = Storm::default();
    while let Some(client) = clients.join_next().await {
        let Storm { landed, refused, .. } = client??;
        storm.landed += landed;
        for (refused, times) in refused {
            *storm.refused.entry(refused).or_default() += times;
        }
    }
    storm.full = check(store).await?;
    Ok(storm)
}

async fn subscribe_many(store: EventStore, client: u32, tries: u32) -> anyhow::Result<Storm> {
    let mut storm = Storm::default();
    for number in 0..tries {
        // Different students and courses for each client, and many clients at each of them.
        let (student, course_number) =
            ((client + 5 * number) % STUDENTS, (client * 3 + number) % COURSES);
        let command = Subscribe { course: course(course_number), student: student_name(student) };
        match store.execute_on(command.keys(), command).await {
            Ok(_) => storm.landed += 1,
            Err(CommandError::Rejected(refused)) => *storm.refused.entry(refused).or_default() += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(storm)
}

/// Checks the rules on what is stored, and returns the number of full courses.
async fn check(store: &EventStore) -> anyhow::Result<usize> {
    let courses: Vec<_> = (0..COURSES).map(|number| Seats::of(course(number))).collect();
    let students: Vec<_> = (0..STUDENTS).map(|number| Load::of(student_name(number))).collect();
    let (courses, students) = store
        .with_readonly_context(async |ctx| {
            Ok::<_, evercore::Error>((ctx.read(courses).await?, ctx.read(students).await?))
        })
        .await?;
    anyhow::ensure!(courses.iter().all(|seats| seats.taken <= CAPACITY), "a course is overfilled");
    let too_many = students.iter().find(|load| load.courses.len() > MOST_COURSES);
    anyhow::ensure!(too_many.is_none(), "a student has too many courses: {too_many:?}");
    let taken: usize = courses.iter().map(|seats| seats.taken as usize).sum();
    let had: usize = students.iter().map(|load| load.courses.len()).sum();
    anyhow::ensure!(taken == had, "{taken} seats are taken, but students have {had} courses");
    Ok(courses.iter().filter(|seats| seats.taken == CAPACITY).count())
}

fn course(number: u32) -> String {
    format!("C-{number:03}")
}

fn student_name(number: u32) -> String {
    format!("student {number}")
}
