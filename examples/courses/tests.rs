//! Tests the rules in scenarios, without a store, and in a storm.

use evercore::EventStore;
use evercore_testing::BoundaryScenario;

use super::*;
use crate::domain::{CourseDefined, MOST_COURSES, StudentSubscribed};

fn subscribed(course: &str, student: &str) -> StudentSubscribed {
    StudentSubscribed { course: course.to_owned(), student: student.to_owned() }
}

fn defined(course: &str, capacity: u32) -> CourseDefined {
    CourseDefined { course: course.to_owned(), capacity }
}

fn subscribe(course: &str, student: &str) -> Subscribe {
    Subscribe { course: course.to_owned(), student: student.to_owned() }
}

async fn store() -> EventStore {
    EventStore::connect("memory:").await.expect("it opens")
}

#[test]
fn a_full_course_takes_nobody() {
    let (cleo, dora) = (subscribe("ALG-101", "Cleo"), subscribe("ALG-101", "Dora"));
    BoundaryScenario::given((defined("ALG-101", 2), subscribed("ALG-101", "Ada")))
        .when(cleo.keys(), cleo)
        .then([subscribed("ALG-101", "Cleo")])
        .when(dora.keys(), dora)
        .then_rejected(Refused::Full);
}

#[test]
fn a_student_gets_one_seat_of_a_course() {
    let ada = subscribe("ALG-101", "Ada");
    BoundaryScenario::given((defined("ALG-101", 2), subscribed("ALG-101", "Ada")))
        .when(ada.keys(), ada)
        .then_rejected(Refused::Twice);
}

#[test]
fn a_student_takes_few_courses() {
    let courses: Vec<_> = (0..=MOST_COURSES).map(|number| format!("C-{number}")).collect();
    let has: Vec<_> = courses[1..].iter().map(|course| subscribed(course, "Ada")).collect();
    let ada = subscribe("C-0", "Ada");
    BoundaryScenario::given([defined("C-0", 9)])
        .and(has)
        .when(ada.keys(), ada)
        .then_rejected(Refused::TooMany);
}

#[test]
fn a_code_belongs_to_one_course() {
    BoundaryScenario::given([defined("ALG-101", 1)])
        .when(Seats::of("ALG-101"), Define { course: "ALG-101".to_owned(), capacity: 5 })
        .then_rejected(Refused::CodeTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_overfills_nothing() -> anyhow::Result<()> {
    let store = store().await;
    let storm = storm::run(&store, 20).await?;
    assert!(storm.landed > 0 && storm.refused.contains_key(&Refused::Full), "{storm:?}");
    assert!(storm.full > 0, "{storm:?}");
    Ok(())
}

mod on_postgres {
    use throwaway_postgres::{Binaries, Server};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_storm_overfills_nothing() -> anyhow::Result<()> {
        let server = Server::start(&Binaries::find()?, &["fsync=off"])?;
        let store = EventStore::connect(server.url()).await?;
        story(&store).await?;
        let storm = storm::run(&store, 10).await?;
        assert!(storm.landed > 0, "{storm:?}");
        Ok(store.close().await?)
    }
}
