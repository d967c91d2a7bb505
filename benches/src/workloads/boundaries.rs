//! W13: decisions that rest on tags: read boundaries, decide, emit one event.

mod by_hand;
mod filling;
mod grown;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use evercore::{Apply, Boundary, Error, EventMeta, EventStore, RetryPolicy, event};

use super::deciding::Teller;
use super::{EVERCORE, contest as new_contest};
use crate::contest::Contest;
use crate::crew::{Crew, Step, Worker};
use crate::domain::{Account, MoneyDeposited};
use crate::engines::{Bed, Kind};

pub(super) use by_hand::serializable;
pub(super) use filling::fill_with_tags;
pub(super) use grown::grown;

/// The number of events of a course before its task continues with the next one, so that the faster side does not have
/// the longer boundaries.
const EVENTS_OF_A_COURSE: i64 = 20;

/// The name of the side that decides on aggregates.
const ON_AGGREGATES: &str = "evercore, an aggregate instead";

/// The clients of the hot boundary.
const CLIENTS: i64 = 16;

/// A subscription, of about 120 bytes of JSON.
#[derive(Clone)]
#[event(name = "student-subscribed", tags(course, student))]
struct Subscribed {
    course: String,
    student: String,
    seat: i64,
    note: String,
}

/// The students of a course.
#[derive(Boundary, Default)]
#[boundary(key(course: String), events(Subscribed))]
struct Seats {
    taken: i64,
}

/// The courses of a student.
#[derive(Boundary, Default)]
#[boundary(key(student: String), events(Subscribed))]
struct Load {
    courses: i64,
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

impl Subscribed {
    fn of(course: String, student: String, seat: i64) -> Self {
        let note = "for the winter, with the certificate".to_owned();
        Self { course, student, seat, note }
    }
}

/// Each task has courses and students of its own. The first side makes as many decisions on aggregates, without tags, as
/// in W2. On PostgreSQL, there is also the naive way: the same engine without the locks on what a decision rests on.
pub(super) async fn disjoint(bed: &Bed, tasks: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let case = format!("disjoint boundaries, {tasks} tasks");
    let mut contest = new_contest("W13", case, &ground, "decisions")
        .side(ON_AGGREGATES, tellers(&store, tasks))
        .side(EVERCORE, deciders(&store, tasks));
    if bed.kind() == Kind::Postgres {
        let naive = bed.ground().await?;
        let store = naive.store().await?;
        naive.leave_out_tag_locks().await?;
        contest = contest.side("evercore without the locks, wrong", deciders(&store, tasks));
    }
    Ok(contest)
}

fn tellers(store: &EventStore, tasks: i64) -> Crew<Teller> {
    Crew::of((0..tasks).map(|_| Teller::new(store.clone())))
}

fn deciders(store: &EventStore, tasks: i64) -> Crew<Decider> {
    Crew::of((0..tasks).map(|task| Decider { store: store.clone(), places: Places::of(task) }))
}

/// All clients decide on the same boundary.
pub(super) async fn hot(bed: &Bed) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    // A task that conflicts again and again must still finish: the benchmark counts reruns, not failures.
    let patient = RetryPolicy::default().attempts(10_000);
    let store = ground.store_with(EventStore::builder().retry(patient)).await?;
    let clients = |number: i64, name: &'static str| {
        let (store, decisions) = (store.clone(), Arc::new(AtomicI64::new(0)));
        Crew::of((0..number).map(move |client| HotDecider {
            store: store.clone(),
            name,
            client,
            decisions: Arc::clone(&decisions),
        }))
    };
    Ok(new_contest("W13", "one hot boundary", &ground, "decisions")
        .side("evercore, one client", clients(1, "alone"))
        .side(format!("evercore, {CLIENTS} clients"), clients(CLIENTS, "shared")))
}

/// Events with tags and no condition, beside events without tags.
pub(super) async fn unconditional(bed: &Bed, tasks: i64) -> anyhow::Result<Contest> {
    let ground = bed.ground().await?;
    let store = ground.store().await?;
    let crew = |is_tagged| {
        let store = store.clone();
        Crew::of((0..tasks).map(move |task| Emitter {
            store: store.clone(),
            is_tagged,
            task,
            steps: 0,
        }))
    };
    Ok(new_contest("W13", format!("no condition, {tasks} tasks"), &ground, "commits")
        .side("evercore, a new aggregate without tags", crew(false))
        .side("evercore, an event with two tags", crew(true)))
}

/// The courses and students of a task.
struct Places {
    task: i64,
    steps: i64,
}

struct Decider {
    store: EventStore,
    places: Places,
}

struct HotDecider {
    store: EventStore,
    name: &'static str,
    client: i64,
    decisions: Arc<AtomicI64>,
}

struct Emitter {
    store: EventStore,
    is_tagged: bool,
    task: i64,
    steps: i64,
}

impl Worker for Decider {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let (course, student) = self.places.next();
        subscribe(&self.store, &course, &student).await?;
        Ok(Step::ONE)
    }
}

impl Places {
    const fn of(task: i64) -> Self {
        Self { task, steps: 0 }
    }

    /// Returns the course and the student of the next decision.
    fn next(&mut self) -> (String, String) {
        let Self { task, steps } = *self;
        self.steps += 1;
        (format!("{task}-{}", steps / EVENTS_OF_A_COURSE), format!("{task}-{}", steps / 2))
    }
}

/// Reads both boundaries, and subscribes the student to the course.
async fn subscribe(store: &EventStore, course: &str, student: &str) -> Result<(), Error> {
    store
        .with_context(async |ctx| {
            let (seats, load) = ctx.read((Seats::of(course), Load::of(student))).await?;
            let seat = seats.taken + load.courses;
            ctx.emit(Subscribed::of(course.to_owned(), student.to_owned(), seat))
        })
        .await
}

impl Worker for HotDecider {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let generation = self.decisions.load(Ordering::Relaxed) / EVENTS_OF_A_COURSE;
        let course = format!("{}-{generation}", self.name);
        let student = format!("{}-{}", self.name, self.client);
        let (course, student) = (course.as_str(), student.as_str());
        let runs = AtomicU64::new(0);
        self.store
            .with_context(async |ctx| {
                runs.fetch_add(1, Ordering::Relaxed);
                let seats = ctx.read(Seats::of(course)).await?;
                ctx.emit(Subscribed::of(course.to_owned(), student.to_owned(), seats.taken))
            })
            .await?;
        self.decisions.fetch_add(1, Ordering::Relaxed);
        Ok(Step { units: 1, reruns: runs.into_inner() - 1 })
    }
}

impl Worker for Emitter {
    async fn step(&mut self) -> anyhow::Result<Step> {
        self.steps += 1;
        let (is_tagged, task, steps) = (self.is_tagged, self.task, self.steps);
        self.store
            .with_context(async |ctx| {
                if is_tagged {
                    let (course, student) = (
                        format!("{task}-{}", steps / EVENTS_OF_A_COURSE),
                        format!("{task}-{steps}"),
                    );
                    return ctx.emit(Subscribed::of(course, student, 1));
                }
                let mut account = ctx.create::<Account>().await?;
                ctx.apply(&mut account, MoneyDeposited::of(1))?;
                Ok::<_, Error>(())
            })
            .await?;
        Ok(Step::ONE)
    }
}
