//! Whether decisions become slower as a store grows: on old boundaries, on new ones, and on a tag with many events.

use evercore::{Apply, Boundary, EventMeta, EventStore};

use super::filling::{Filled, LARGE, Visited, fill};
use super::{ON_AGGREGATES, deciders, new_contest, subscribe, tellers};
use crate::contest::{Contest, Plan, Row};
use crate::crew::{Crew, Step, Worker};
use crate::engines::{Bed, Ground};
use crate::workloads::EVERCORE;

/// The number of events in the small store, with which the large one is compared.
const SMALL: i64 = 100_000;
const TASKS: i64 = 16;

/// The courses and students that decisions are made on, spread over the whole store. They are as many in both stores, so
/// that their boundaries grow equally.
const DECIDED_ON: i64 = 3_000;

/// The number of visits to a campus of the small side.
const FEW: i64 = 10;

/// The visits of a student to a campus.
#[derive(Boundary, Default)]
#[boundary(key(campus: String, student: String), events(Visited))]
struct Visits {
    number: i64,
}

impl Apply<Visited> for Visits {
    fn apply(&mut self, _event: &Visited, _meta: &EventMeta) {
        self.number += 1;
    }
}

/// Fills two stores, and compares decisions on them.
pub(in crate::workloads) async fn grown(
    bed: &Bed,
    events: i64,
    plan: &Plan,
) -> anyhow::Result<Vec<Row>> {
    let small = Grown::build(bed.ground().await?, SMALL).await?;
    let large = Grown::build(bed.ground().await?, events).await?;
    let mut rows = Vec::new();
    eprintln!("both stores are filled");
    for tasks in [1, TASKS] {
        let case = format!("old boundaries, {tasks} tasks");
        let contest = new_contest("W13", case, &small.ground, "decisions")
            .side(small.name(), small.visitors(tasks))
            .side(large.name(), large.visitors(tasks));
        rows.extend(contest.run(plan).await?);
    }
    rows.extend(large.beside_aggregates().run(plan).await?);
    for tasks in [1, TASKS] {
        rows.extend(large.many_of_a_tag(tasks).run(plan).await?);
    }
    Ok(rows)
}

/// A store that was filled.
struct Grown {
    ground: Ground,
    store: EventStore,
    events: i64,
    filled: Filled,
}

impl Grown {
    async fn build(ground: Ground, events: i64) -> anyhow::Result<Self> {
        let filled = fill(&ground, events).await?;
        let store = ground.store().await?;
        Ok(Self { ground, store, events, filled })
    }

    fn name(&self) -> String {
        format!("evercore, {} events", self.events)
    }

    fn visitors(&self, tasks: i64) -> Crew<Visitor> {
        let Self { store, filled, .. } = self;
        Crew::of((0..tasks).map(|_| Visitor { store: store.clone(), filled: *filled }))
    }

    /// New boundaries, and as many decisions on new aggregates.
    fn beside_aggregates(&self) -> Contest {
        let Self { ground, store, events, .. } = self;
        let case = format!("disjoint boundaries, {TASKS} tasks, {events} events before");
        new_contest("W13", case, ground, "decisions")
            .side(ON_AGGREGATES, tellers(store, TASKS))
            .side(EVERCORE, deciders(store, TASKS))
    }

    /// Decisions that rest on two tags, one of which many events have.
    fn many_of_a_tag(&self, tasks: i64) -> Contest {
        let Self { ground, store, filled, .. } = self;
        let guests = |campus: Campus| {
            Crew::of((0..tasks).map(|task| Guest { store: store.clone(), campus, task, steps: 0 }))
        };
        let case = format!("a boundary of two tags, {tasks} tasks");
        new_contest("W13", case, ground, "decisions")
            .side(format!("evercore, one tag has up to {FEW} events"), guests(Campus::New))
            .side(
                format!("evercore, one tag has {} events", filled.students),
                guests(Campus::Large),
            )
    }
}

/// Decides on courses and students of the filled store.
struct Visitor {
    store: EventStore,
    filled: Filled,
}

#[derive(Clone, Copy)]
enum Campus {
    New,
    Large,
}

/// Decides on the visits of new students to a campus.
struct Guest {
    store: EventStore,
    campus: Campus,
    task: i64,
    steps: i64,
}

impl Worker for Visitor {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let some = |of: i64| fastrand::i64(..DECIDED_ON) * (of / DECIDED_ON).max(1) % of;
        let Filled { courses, students } = self.filled;
        let (course, student) = (Filled::course(some(courses)), Filled::student(some(students)));
        subscribe(&self.store, &course, &student).await?;
        Ok(Step::ONE)
    }
}

impl Worker for Guest {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let Self { campus, task, steps, .. } = *self;
        self.steps += 1;
        let campus = match campus {
            Campus::New => format!("{task}-{}", steps / FEW),
            Campus::Large => LARGE.to_owned(),
        };
        let student = format!("guest-{task}-{}", steps / 3);
        let (campus, student) = (campus.as_str(), student.as_str());
        self.store
            .with_context(async |ctx| {
                let visits = ctx.read(Visits::of(campus, student)).await?;
                ctx.emit(Visited::of(campus.to_owned(), student.to_owned(), visits.number))
            })
            .await?;
        Ok(Step::ONE)
    }
}
