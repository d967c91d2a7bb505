//! Tests the rules without a store, in scenarios, and in a storm.

use evercore::{Context, Decide, Decision, EventStore};
use evercore_testing::StoreScenario;

use super::*;
use crate::domain::{CourseDefined, Load, MOST_COURSES, StudentSubscribed};

fn subscribed(course: &str, student: &str) -> StudentSubscribed {
    StudentSubscribed { course: course.to_owned(), student: student.to_owned() }
}

fn defined(course: &str, capacity: u32) -> CourseDefined {
    CourseDefined { course: course.to_owned(), capacity }
}

fn subscribe(course: &str, student: &str) -> Subscribe {
    Subscribe { course: course.to_owned(), student: student.to_owned() }
}

/// Without a store: the rules are a function of two states.
#[test]
fn a_student_gets_the_last_seat() {
    let mut both = (Seats { capacity: Some(1), taken: 0 }, Load::default());
    let mut decision = Decision::on(&mut both);
    assert_eq!(<(Seats, Load)>::decide(&mut decision, &subscribe("ALG-101", "Ada")), Ok(()));
    let refused = <(Seats, Load)>::decide(&mut decision, &subscribe("ALG-101", "Ada"));
    assert_eq!(refused, Err(Refused::Twice));
    assert_eq!((both.0.taken, both.1.courses.len()), (1, 1));
}

async fn store() -> EventStore {
    EventStore::connect("memory:").await.expect("it opens")
}

fn is(expected: Refused) -> impl FnOnce(&CommandError<Refused>) {
    move |refused| assert_eq!(refused.rejection(), Some(&expected))
}

#[tokio::test]
async fn a_full_course_takes_nobody() {
    let cleo = async |ctx: &mut Context| {
        let command = subscribe("ALG-101", "Cleo");
        ctx.decide_on(command.keys(), &command).await
    };
    StoreScenario::on(store().await)
        .given_facts((defined("ALG-101", 2), subscribed("ALG-101", "Ada")))
        .when(cleo)
        .await
        .then_facts([subscribed("ALG-101", "Cleo")])
        .when(async |ctx| {
            let command = subscribe("ALG-101", "Dora");
            ctx.decide_on(command.keys(), &command).await
        })
        .await
        .then_rejected_as(is(Refused::Full));
}

#[tokio::test]
async fn a_student_takes_few_courses() {
    let courses: Vec<_> = (0..=MOST_COURSES).map(|number| format!("C-{number}")).collect();
    let has: Vec<_> = courses[1..].iter().map(|course| subscribed(course, "Ada")).collect();
    StoreScenario::on(store().await)
        .given_facts([defined("C-0", 9)])
        .given_facts(has)
        .when(async |ctx| {
            let command = subscribe("C-0", "Ada");
            ctx.decide_on(command.keys(), &command).await
        })
        .await
        .then_rejected_as(is(Refused::TooMany));
}

#[tokio::test]
async fn a_code_belongs_to_one_course() {
    let define = Define { course: "ALG-101".to_owned(), capacity: 5 };
    StoreScenario::on(store().await)
        .given_facts([defined("ALG-101", 1)])
        .when(async |ctx| ctx.decide_on(Seats::of("ALG-101"), &define).await)
        .await
        .then_rejected_as(is(Refused::CodeTaken));
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
