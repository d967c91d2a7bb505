//! The textbook case: a course has few seats, and a student takes few courses.

use evercore::{Apply, Boundary, Error, EventMeta, EventStore, Position, event};
use evercore_memory::MemoryEngine;

#[event(tags(course))]
struct CourseDefined {
    course: String,
    capacity: u32,
}

#[event(tags(course, student))]
struct StudentSubscribed {
    course: String,
    student: String,
}

#[derive(Boundary, Debug, Default)]
#[boundary(key(course: String), events(CourseDefined, StudentSubscribed))]
struct Seats {
    capacity: u32,
    taken: u32,
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

#[derive(Boundary, Debug, Default)]
#[boundary(key(student: String), events(StudentSubscribed))]
struct Load {
    courses: Vec<String>,
}

impl Apply<StudentSubscribed> for Load {
    fn apply(&mut self, event: &StudentSubscribed, _: &EventMeta) {
        self.courses.push(event.course.clone());
    }
}

/// Whether a student has subscribed to a course.
#[derive(Boundary, Debug, Default)]
#[boundary(key(course: String, student: String), events(CourseDefined(course), StudentSubscribed))]
struct Subscription {
    exists: bool,
    is_taken: bool,
}

impl Apply<CourseDefined> for Subscription {
    fn apply(&mut self, _: &CourseDefined, _: &EventMeta) {
        self.exists = true;
    }
}

impl Apply<StudentSubscribed> for Subscription {
    fn apply(&mut self, _: &StudentSubscribed, _: &EventMeta) {
        self.is_taken = true;
    }
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the course is full")]
    Full,
    #[error("the student has too many courses")]
    TooMany,
    #[error(transparent)]
    Store(#[from] Error),
}

async fn store() -> EventStore {
    EventStore::builder().open(MemoryEngine::new()).await.expect("it opens")
}

async fn define(store: &EventStore, course: &str, capacity: u32) -> Result<(), Error> {
    store
        .with_context(async |ctx| ctx.emit(CourseDefined { course: course.to_owned(), capacity }))
        .await
}

async fn subscribe(store: &EventStore, course: &str, student: &str) -> Result<(), Refused> {
    store
        .with_context(async |ctx| {
            let (seats, load) = ctx.read((Seats::of(course), Load::of(student))).await?;
            if seats.taken >= seats.capacity {
                return Err(Refused::Full);
            }
            if load.courses.len() >= 2 {
                return Err(Refused::TooMany);
            }
            let (course, student) = (course.to_owned(), student.to_owned());
            ctx.emit(StudentSubscribed { course, student })?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn rules_over_two_boundaries_hold() -> Result<(), Refused> {
    let store = store().await;
    for course in ["algebra", "biology", "chemistry"] {
        define(&store, course, 2).await?;
    }
    subscribe(&store, "algebra", "Ada").await?;
    subscribe(&store, "algebra", "Bob").await?;
    assert!(matches!(subscribe(&store, "algebra", "Cleo").await, Err(Refused::Full)));
    subscribe(&store, "biology", "Ada").await?;
    assert!(matches!(subscribe(&store, "chemistry", "Ada").await, Err(Refused::TooMany)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_never_overfills_a_course() -> Result<(), Error> {
    let store = store().await;
    define(&store, "algebra", 7).await?;
    let clients = (0..16).map(|client| {
        let store = store.clone();
        tokio::spawn(
            async move { subscribe(&store, "algebra", &format!("student {client}")).await },
        )
    });
    let mut landed = 0;
    for client in clients.collect::<Vec<_>>() {
        match client.await.expect("it does not panic") {
            Ok(()) => landed += 1,
            Err(Refused::Full) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(landed, 7);
    Ok(())
}

#[tokio::test]
async fn a_read_includes_what_the_context_has_staged() -> Result<(), Error> {
    let store = store().await;
    define(&store, "algebra", 2).await?;
    store
        .with_context(async |ctx| {
            for student in ["Ada", "Bob"] {
                let (course, student) = ("algebra".to_owned(), student.to_owned());
                ctx.emit(StudentSubscribed { course, student })?;
            }
            let seats = ctx.read(Seats::of("algebra")).await?;
            assert_eq!((seats.capacity, seats.taken), (2, 2));
            let elsewhere = ctx.read(Seats::of("biology")).await?;
            assert_eq!((elsewhere.capacity, elsewhere.taken), (0, 0));
            Ok::<_, Error>(())
        })
        .await
}

#[tokio::test]
async fn an_event_needs_all_tags_of_the_key_that_it_is_found_by() -> Result<(), Refused> {
    let store = store().await;
    define(&store, "algebra", 2).await?;
    subscribe(&store, "algebra", "Ada").await?;
    let keys = vec![Subscription::of("algebra", "Ada"), Subscription::of("algebra", "Bob")];
    let found = store.with_readonly_context(async |ctx| ctx.read(keys).await).await?;
    let found: Vec<_> = found.iter().map(|found| (found.exists, found.is_taken)).collect();
    assert_eq!(found, [(true, true), (true, false)]);
    Ok(())
}

#[tokio::test]
async fn alternatives_are_read_into_one_state() -> Result<(), Refused> {
    let store = store().await;
    define(&store, "algebra", 2).await?;
    define(&store, "biology", 2).await?;
    subscribe(&store, "algebra", "Ada").await?;
    subscribe(&store, "biology", "Bob").await?;
    let either = Seats::of("algebra").or(Seats::of("biology"));
    let both = store.with_readonly_context(async |ctx| ctx.read(either).await).await?;
    assert_eq!(both.taken, 2);
    Ok(())
}

#[tokio::test]
async fn a_boundary_can_be_read_as_it_was() -> Result<(), Refused> {
    let store = store().await;
    define(&store, "algebra", 2).await?;
    subscribe(&store, "algebra", "Ada").await?;
    let first = Position::FIRST;
    let before = store
        .with_readonly_context(async |ctx| ctx.read_as_of(Seats::of("algebra"), first).await)
        .await?;
    assert_eq!((before.capacity, before.taken), (2, 0));
    Ok(())
}
