//! Scenarios over boundaries: events that belong to no aggregate.

use evercore::{
    Apply, Boundary, CommandError, Decide, Decision, Error, EventMeta, EventStore, event,
};
use evercore_memory::MemoryEngine;
use evercore_testing::StoreScenario;
use expect_test::expect;

use crate::failures::assert_says;

#[event(tags(course), name = "course-defined")]
struct CourseDefined {
    course: String,
    capacity: usize,
}

#[event(tags(course, student), name = "student-subscribed")]
struct StudentSubscribed {
    course: String,
    student: String,
}

#[derive(Boundary, Default)]
#[boundary(key(course: String), events(CourseDefined, StudentSubscribed))]
struct Seats {
    capacity: usize,
    taken: usize,
}

impl Apply<CourseDefined> for Seats {
    fn apply(&mut self, event: &CourseDefined, _: &EventMeta) {
        self.capacity = event.capacity;
    }
}

impl Apply<StudentSubscribed> for Seats {
    fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
        self.taken += 1;
    }
}

struct Subscribe(&'static str);

#[derive(Debug, PartialEq)]
struct Full;

impl Decide<Subscribe> for Seats {
    type Error = Full;

    fn decide(seats: &mut Decision<'_, Self>, command: &Subscribe) -> Result<(), Full> {
        if seats.taken >= seats.capacity {
            return Err(Full);
        }
        seats.emit(subscribed(command.0));
        Ok(())
    }
}

fn defined(capacity: usize) -> CourseDefined {
    CourseDefined { course: "algebra".to_owned(), capacity }
}

fn subscribed(student: &str) -> StudentSubscribed {
    StudentSubscribed { course: "algebra".to_owned(), student: student.to_owned() }
}

async fn store() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("it opens")
}

#[tokio::test]
async fn decisions_over_boundaries_pass_and_are_rejected() {
    StoreScenario::on(store().await)
        .given_facts((defined(2), subscribed("Ada")))
        .when(async |ctx| ctx.decide_on(Seats::of("algebra"), &Subscribe("Bob")).await)
        .await
        .then_facts([subscribed("Bob")])
        .then_returned(|seats| assert_eq!(seats.taken, 2))
        .when(async |ctx| ctx.decide_on(Seats::of("algebra"), &Subscribe("Cleo")).await)
        .await
        .then_rejected_as(|refused| assert!(matches!(refused, CommandError::Rejected(Full))))
        .given_facts([defined(3)])
        .when(async |ctx| ctx.decide_on(Seats::of("algebra"), &Subscribe("Cleo")).await)
        .await
        .then_facts([subscribed("Cleo")]);
}

async fn subscribing_ada() -> evercore_testing::Done<(), Error> {
    StoreScenario::on(store().await)
        .given_facts(())
        .when(async |ctx| ctx.emit_all([subscribed("Ada"), subscribed("Bob")]))
        .await
}

#[tokio::test]
async fn other_facts_than_expected_fail() {
    let done = subscribing_ada().await;
    assert_says(
        || drop(done.then_facts([subscribed("Ada")])),
        &expect![[r#"
        events without an aggregate: the events are not the expected ones

          student-subscribed: not expected, got {"course":"algebra","student":"Bob"}
    "#]],
    );
}

#[tokio::test]
async fn facts_that_no_step_expects_fail() {
    let done = subscribing_ada().await;
    assert_says(
        || drop(done.then_nothing_else()),
        &expect![[r#"
        events without an aggregate: not expected

          student-subscribed: {"course":"algebra","student":"Ada"}
          student-subscribed: {"course":"algebra","student":"Bob"}
    "#]],
    );
}
