//! P14: a decision that rests on events found by their tags lands only if it has seen all of them, in the order of the
//! log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use evercore::boundary::{Boundary, BoundaryKey, Tag, Tags};
use evercore::engine::{
    Capability, Condition, LogQuery, Precondition, StoredEvent, TagAtom, TagQuery, TagRequest,
};
use evercore::{
    CommandError, Context, Error, Event, EventFilter, EventStore, IdempotencyKey, Limits, Position,
    RecordedEvent, Result, RetryPolicy,
};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::courses::{
    self, CourseDefined, Load, Refused, Seats, Seen, Subscribe, Subscribed, Subscription,
    subscribed,
};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle};
use crate::race::race;
use crate::raw;

fn tag(name: &str, value: &str) -> Tag {
    Tag::new(name, value).expect("a tag")
}

/// A query for the events of one type with some tags.
fn query<E: Event>(tags: &[(&str, &str)]) -> Arc<TagQuery> {
    use evercore::Aggregate as _;
    let (aggregate, event) = (E::Aggregate::NAME.into(), E::NAME.into());
    let tags = tags.iter().map(|(name, value)| tag(name, value)).collect();
    let atom = TagAtom { types: vec![StoredEvent { aggregate, event }], tags };
    Arc::new(TagQuery { atoms: vec![atom] })
}

/// Reads all events that match a query, a page at a time.
async fn found(fixture: &Fixture, query: &Arc<TagQuery>, limit: u32) -> Result<Vec<RecordedEvent>> {
    let mut found = Vec::new();
    let mut request = TagRequest::new(Arc::clone(query), limit);
    loop {
        let page = fixture.engine().read_tagged(vec![request.clone()]).await?.remove(0);
        assert!(page.events.len() <= usize::try_from(limit).expect("small"));
        found.extend(page.events);
        if page.at_end {
            return Ok(found);
        }
        request.after = found.last().expect("a page that is not the last has events").position();
    }
}

/// Runs a decision on the seats of a course, with `meanwhile` between its read and its commit. Returns what it emitted.
async fn decide_beside(
    fixture: &Fixture,
    meanwhile: impl AsyncFn(&EventStore) -> Result<()>,
) -> Result<()> {
    let rival = fixture.rival();
    fixture
        .store()
        .with_context_once(async |ctx| {
            ctx.read(Seats::of("algebra")).await?;
            meanwhile(&rival).await?;
            ctx.emit(subscribed("algebra", "the decision"))
        })
        .await
}

async fn read<B: Boundary>(
    store: &EventStore,
    key: impl Fn() -> evercore::boundary::BoundaryKey<B>,
) -> Result<B> {
    store.detached().with_context(async |ctx| ctx.read(key()).await).await
}

pub(crate) async fn tags_come_back_with_their_events(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    let values = ["x", "a:b", "ä ö", "'; --", "%_\\", &"v".repeat(247)];
    for value in values {
        courses::force(store, value, "Ada").await?;
    }
    let log = fixture.log().await?;
    for (event, value) in log.iter().zip(values) {
        let tags = Tags::new([tag("course", value), tag("student", "Ada")])?;
        assert_eq!(event.tags(), &tags);
        let history = store.history(event.aggregate_id(), ..).await?.events;
        assert_eq!(history[0].tags(), &tags);
        let by_tag = found(fixture, &query::<Subscribed>(&[("course", value)]), 10).await?;
        assert_eq!(by_tag, std::slice::from_ref(event), "{value}");
    }
    let all = found(fixture, &query::<Subscribed>(&[("student", "Ada")]), 10).await?;
    assert_eq!(all, log);
    Ok(())
}

pub(crate) async fn an_event_matches_by_its_type_and_all_tags(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::define(store, "algebra", 3).await?;
    for (course, student) in
        [("algebra", "Ada"), ("algebra", "Bob"), ("algebra 2", "Ada"), ("biology", "Bob")]
    {
        courses::force(store, course, student).await?;
    }
    let seats = read(store, || Seats::of("algebra")).await?;
    assert_eq!((seats.capacity, seats.students), (3, vec!["Ada".to_owned(), "Bob".to_owned()]));
    let load = read(store, || Load::of("Ada")).await?;
    assert_eq!(load.courses, ["algebra", "algebra 2"]);
    for (course, student, times) in
        [("algebra", "Ada", 1), ("biology", "Ada", 0), ("biology", "Bob", 1)]
    {
        let subscription = read(store, || Subscription::of(course, student)).await?;
        assert_eq!(subscription.times, times, "{course} and {student}");
    }
    let either =
        read(store, || Subscription::of("algebra", "Ada").or(Subscription::of("biology", "Bob")));
    assert_eq!(either.await?.times, 2);
    // An event that matches both alternatives is one event.
    let both = read(store, || Load::of("Ada").or(Load::of("Ada"))).await?;
    assert_eq!(both.courses.len(), 2);
    Ok(())
}

pub(crate) async fn pages_of_tagged_events_give_each_once(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    for number in 0..23 {
        let student = if number % 3 == 0 { "Ada" } else { "Bob" };
        courses::force(store, if number % 2 == 0 { "algebra" } else { "biology" }, student).await?;
    }
    let log = fixture.log().await?;
    let is_algebra = |event: &&RecordedEvent| event.tags().contains(&tag("course", "algebra"));
    let algebra: Vec<_> = log.iter().filter(is_algebra).cloned().collect();
    for limit in [1, 2, 5, 11, 12, 13, 100] {
        let pages = found(fixture, &query::<Subscribed>(&[("course", "algebra")]), limit).await?;
        assert_eq!(pages, algebra, "in pages of {limit}");
    }
    let both = query::<Subscribed>(&[("course", "algebra"), ("student", "Ada")]);
    let expected: Vec<_> = algebra
        .iter()
        .filter(|event| event.tags().contains(&tag("student", "Ada")))
        .cloned()
        .collect();
    for limit in [1, 3, 4, 5] {
        assert_eq!(found(fixture, &both, limit).await?, expected, "in pages of {limit}");
    }

    // Several requests at once, each with bounds of its own.
    let (after, up_to) = (algebra[2].position(), algebra[7].position());
    let first = TagRequest { after, ..TagRequest::new(Arc::clone(&both), 100) };
    let second = TagRequest {
        after,
        up_to: Some(up_to),
        ..TagRequest::new(query::<Subscribed>(&[("course", "algebra")]), 100)
    };
    let pages = fixture.engine().read_tagged(vec![first, second]).await?;
    assert!(pages[0].events.iter().all(|event| event.position() > after));
    assert_eq!(pages[1].events, algebra[3..=7]);
    assert!(pages.iter().all(|page| page.frontier == log[22].position() && page.at_end));
    Ok(())
}

pub(crate) async fn a_decision_conflicts_with_another_event_of_its_boundary(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::define(store, "algebra", 3).await?;
    courses::force(store, "algebra", "before").await?;
    let answer =
        decide_beside(fixture, async |rival| courses::force(rival, "algebra", "meanwhile").await);
    assert_error!(answer.await, Error::BoundaryConflict { boundary, tags }
        if boundary == "Seats" && tags == "course:algebra");
    let answer = decide_beside(fixture, async |rival| courses::define(rival, "algebra", 4).await);
    assert_error!(answer.await, Error::BoundaryConflict { .. });
    let students = read(store, || Seats::of("algebra")).await?.students;
    assert_eq!(students, ["before", "meanwhile"], "nothing of a refused commit is there");
    Ok(())
}

pub(crate) async fn each_boundary_of_a_decision_is_checked(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let rival = fixture.rival();
    for (course, student, expected) in
        [("algebra", "Bob", "Seats"), ("biology", "Ada", "Load"), ("biology", "Bob", "")]
    {
        let answer = fixture
            .store()
            .with_context_once(async |ctx| {
                ctx.read((Seats::of("algebra"), Load::of("Ada"))).await?;
                courses::force(&rival, course, student).await?;
                ctx.emit(subscribed("algebra", "Ada"))
            })
            .await;
        match expected {
            "" => answer?,
            _ => {
                assert_error!(answer, Error::BoundaryConflict { boundary, .. } if boundary == expected)
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_decision_stands_beside_events_of_other_boundaries(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::define(store, "algebra", 3).await?;
    decide_beside(fixture, async |rival| {
        courses::force(rival, "algebra 2", "algebra").await?;
        courses::define(rival, "biology", 1).await?;
        counter::create(rival, 1).await.map(drop)
    })
    .await?;
    assert_eq!(read(store, || Seats::of("algebra")).await?.students, ["the decision"]);
    Ok(())
}

pub(crate) async fn a_first_event_of_its_type_is_a_conflict_as_well(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    // No name of a type is stored when the boundary is read.
    let answer =
        decide_beside(fixture, async |rival| courses::define(rival, "algebra", 1).await).await;
    assert_error!(answer, Error::BoundaryConflict { .. });
    Ok(())
}

pub(crate) async fn an_unguarded_read_is_no_condition(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    store
        .with_context_once(async |ctx| {
            let _: Seats = ctx.read(Seats::of("algebra").unguarded()).await?;
            courses::force(&rival, "algebra", "meanwhile").await?;
            ctx.emit(subscribed("algebra", "the decision"))
        })
        .await?;
    let students = read(store, || Seats::of("algebra")).await?.students;
    assert_eq!(students, ["meanwhile", "the decision"]);
    Ok(())
}

pub(crate) async fn a_boundary_that_was_read_twice_must_be_the_same(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let answer = store
        .with_context_once(async |ctx| {
            let first = ctx.read(Seats::of("algebra")).await?;
            courses::force(&rival, "algebra", "meanwhile").await?;
            let second = ctx.read(Seats::of("algebra")).await?;
            assert_eq!((first.students.len(), second.students.len()), (0, 1));
            ctx.emit(subscribed("algebra", "the decision"))
        })
        .await;
    assert_error!(answer, Error::BoundaryConflict { .. });
    Ok(())
}

pub(crate) async fn a_context_that_writes_nothing_rests_on_nothing(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    store
        .with_context_once(async |ctx| {
            ctx.read(Seats::of("algebra")).await?;
            courses::force(&rival, "algebra", "meanwhile").await
        })
        .await
}

pub(crate) async fn a_conflict_reruns_the_closure_on_what_is_there(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let runs = AtomicU32::new(0);
    let seen = store
        .with_context(async |ctx| {
            let seats = ctx.read(Seats::of("algebra")).await?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                courses::force(&rival, "algebra", "meanwhile").await?;
            }
            ctx.emit(subscribed("algebra", "the decision"))?;
            Ok::<_, Error>(seats.students.len())
        })
        .await?;
    assert_eq!((seen, runs.into_inner()), (1, 2));
    Ok(())
}

pub(crate) async fn a_boundary_and_aggregates_are_one_decision(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let id = counter::create(store, 0).await?;
    let decide = async |ctx: &mut Context| {
        ctx.read(Seats::of("algebra")).await?;
        let mut counter = ctx.load::<Counter>(id).await?;
        ctx.apply(&mut counter, Added { by: 1 })?;
        ctx.emit(subscribed("algebra", "the decision"))
    };
    let answer = store
        .with_context_once(async |ctx| {
            decide(ctx).await?;
            courses::force(&rival, "algebra", "meanwhile").await
        })
        .await;
    assert_error!(answer, Error::BoundaryConflict { .. });
    let answer = store
        .with_context_once(async |ctx| {
            decide(ctx).await?;
            counter::add(&rival, id, 1).await.map(drop)
        })
        .await;
    assert_error!(answer, Error::Conflict { id: conflicting, .. } if conflicting == id);
    assert_eq!(counter::value(store, id).await?, 1);
    store.with_context(async |ctx| decide(ctx).await).await?;
    assert_eq!(counter::value(store, id).await?, 2);
    let students = read(store, || Seats::of("algebra")).await?.students;
    assert_eq!(students, ["meanwhile", "the decision"]);
    Ok(())
}

pub(crate) async fn an_idempotency_key_goes_before_a_condition(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    courses::force(store, "algebra", "Ada").await?;
    let key = IdempotencyKey::new("request")?;
    let request = async || {
        store
            .once(key.clone(), async |ctx| {
                let seats = ctx.read(Seats::of("algebra")).await?;
                ctx.emit(subscribed("algebra", "Bob"))?;
                Ok::<_, Error>(seats.students.len())
            })
            .await
    };
    assert_eq!((request().await?, request().await?), (1, 1));
    assert_eq!(read(store, || Seats::of("algebra")).await?.students, ["Ada", "Bob"]);

    // A condition that fails is told after a precondition that fails.
    let id = counter::create(store, 0).await?;
    let stale = raw::write::<Counter>(id, Precondition::At(evercore::Sequence::new(7)?));
    let condition = Condition {
        boundary: "Seats",
        query: query::<Subscribed>(&[("course", "algebra")]),
        beyond: Position::START,
        seen: 0,
    };
    let mut commit = raw::commit(vec![stale], Vec::new());
    commit.conditions = vec![condition];
    assert_error!(engine.commit(commit).await, Error::Conflict { .. });
    Ok(())
}

pub(crate) async fn a_condition_counts_what_was_seen_beyond_its_position(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    for student in ["Ada", "Bob", "Cleo"] {
        courses::force(store, "algebra", student).await?;
        courses::force(store, "biology", student).await?;
    }
    let log = fixture.log().await?;
    let id = counter::create(store, 0).await?;
    let sequence = |count| Ok::<_, Error>(Precondition::At(evercore::Sequence::new(count)?));
    let mut count = 1;
    for (beyond, matching) in [(0, 3), (1, 2), (2, 2), (3, 1), (5, 0), (6, 0)] {
        let beyond = if beyond == 0 { Position::START } else { log[beyond - 1].position() };
        for seen in 0..=4 {
            let mut commit = raw::commit(
                vec![raw::write::<Counter>(id, sequence(count)?)],
                vec![raw::new_event(id, count + 1, &Added { by: 1 })],
            );
            let query = query::<Subscribed>(&[("course", "algebra")]);
            commit.conditions = vec![Condition { boundary: "Seats", query, beyond, seen }];
            let answer = engine.commit(commit).await;
            if seen == matching {
                answer?;
                count += 1;
            } else {
                assert_error!(answer, Error::BoundaryConflict { .. });
            }
        }
    }
    Ok(())
}

pub(crate) async fn each_commit_of_a_group_is_judged_after_those_before_it(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    // All decide on the same state, so one of each course lands at a time.
    for _ in 0..4 {
        let before = fixture.log().await?.len();
        let answers = race(24, |runner| {
            let store = store.clone();
            let course = format!("course {}", runner % 3);
            async move {
                store
                    .with_context_once(async |ctx| {
                        let seats = ctx.read(Seats::of(&course)).await?;
                        let student = format!("student {runner}");
                        let (of_course, of_student) = (seats.students.len(), 0);
                        let seen = Some(Seen { of_course, of_student });
                        ctx.emit(Subscribed { seen, ..subscribed(&course, &student) })
                    })
                    .await
            }
        })
        .await;
        let landed = answers.iter().filter(|answer| answer.is_ok()).count();
        for answer in answers.into_iter().filter_map(Result::err) {
            assert_error!(Err::<(), _>(answer), Error::BoundaryConflict { .. });
        }
        let log = fixture.log().await?;
        assert_eq!(log.len(), before + landed);
        let mut taken: HashMap<String, usize> = HashMap::new();
        for event in &log {
            let event: Subscribed = event.decode()?;
            let taken = taken.entry(event.course).or_default();
            assert_eq!(event.seen.map(|seen| seen.of_course), Some(*taken));
            *taken += 1;
        }
    }
    Ok(())
}

pub(crate) async fn a_storm_never_overfills_a_course(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let stores = [fixture.store().clone(), fixture.neighbour().await?];
    for course in 0..3 {
        courses::define(&stores[0], &format!("course {course}"), 5).await?;
    }
    let answers = race(24, |runner| {
        let store = stores[runner % 2].clone();
        async move {
            courses::subscribe(
                &store,
                &format!("course {}", runner % 3),
                &format!("student {runner}"),
            )
            .await
        }
    })
    .await;
    let landed = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(landed, 15, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(Refused::Full))));
    for course in 0..3 {
        let seats = read(&stores[0], || Seats::of(&format!("course {course}"))).await?;
        assert_eq!(seats.students.len(), 5);
    }
    Ok(())
}

pub(crate) async fn no_decision_is_stale_in_the_order_of_the_log(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let stores = [fixture.store().clone(), fixture.neighbour().await?];
    let courses = fixture.runs(4);
    for course in 0..courses {
        courses::define(&stores[0], &format!("course {course}"), usize::MAX).await?;
    }
    let seed = fixture.random().u64(..);
    race(12, |runner| {
        let store = stores[runner % 2].clone();
        let mut random = fastrand::Rng::with_seed(seed.wrapping_add(runner as u64));
        async move {
            for _ in 0..10 {
                let course = format!("course {}", random.u32(..courses));
                let student = format!("student {}", random.u32(..40));
                // Some write without a condition, among those that decide.
                if runner % 4 == 0 {
                    courses::force(&store, &course, &student).await.expect("it rests on nothing");
                } else {
                    match courses::subscribe(&store, &course, &student).await {
                        Ok(()) | Err(Refused::TooMany | Refused::Store(Error::BoundaryConflict { .. })) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
    })
    .await;
    let (mut of_courses, mut of_students) = (HashMap::new(), HashMap::new());
    let mut decisions = 0;
    for event in fixture.log().await? {
        if event.is::<CourseDefined>() {
            continue;
        }
        let Subscribed { course, student, seen } = event.decode()?;
        let of_course: &mut usize = of_courses.entry(course).or_default();
        let of_student: &mut usize = of_students.entry(student).or_default();
        if let Some(seen) = seen {
            let there = Seen { of_course: *of_course, of_student: *of_student };
            assert_eq!(seen, there, "the decision at {} is stale", event.position());
            decisions += 1;
        }
        *of_course += 1;
        *of_student += 1;
    }
    assert!(decisions > 20, "{decisions} decisions have landed");
    Ok(())
}

pub(crate) async fn a_commit_of_many_tagged_events_lands(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    let count = 10_000;
    store
        .with_context(async |ctx| {
            ctx.read(Seats::of("algebra")).await?;
            for number in 0..count {
                ctx.emit(subscribed("algebra", &format!("student {number}")))?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(read(store, || Seats::of("algebra")).await?.students.len(), count);
    assert_eq!(read(store, || Load::of("student 9999")).await?.courses, ["algebra"]);
    let answer =
        decide_beside(fixture, async |rival| courses::force(rival, "algebra", "one more").await);
    assert_error!(answer.await, Error::BoundaryConflict { .. });
    Ok(())
}

pub(crate) async fn a_boundary_has_a_bounded_number_of_events(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let limits = Limits::default().max_boundary_events(7).page_events(3);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    for number in 0..7 {
        courses::force(&store, "algebra", &format!("student {number}")).await?;
    }
    assert_eq!(read(&store, || Seats::of("algebra")).await?.students.len(), 7);
    courses::force(&store, "algebra", "one more").await?;
    let answer = read(&store, || Seats::of("algebra")).await;
    assert_error!(answer, Error::BoundaryTooLarge { limit: 7, .. });
    Ok(())
}

pub(crate) async fn a_view_reads_boundaries_as_of_its_moment(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    fixture.needs(Capability::ReadViews)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    courses::force(store, "algebra", "Ada").await?;
    let first = fixture.log().await?[0].position();
    courses::force(store, "algebra", "Bob").await?;
    store
        .with_readonly_context(async |ctx| {
            courses::force(&rival, "algebra", "Cleo").await?;
            let (seats, load) = ctx.read((Seats::of("algebra"), Load::of("Cleo"))).await?;
            assert_eq!((seats.students.len(), load.courses.len()), (2, 0));
            let before = ctx.read_as_of(Seats::of("algebra"), first).await?;
            assert_eq!(before.students, ["Ada"]);
            Ok::<_, Error>(())
        })
        .await
}

pub(crate) async fn a_filter_passes_the_events_that_have_its_tags(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::define(store, "algebra", 3).await?;
    for number in 0..12 {
        let course = if number % 2 == 0 { "algebra" } else { "algebra 2" };
        courses::force(store, course, if number % 3 == 0 { "Ada" } else { "Bob" }).await?;
        counter::create(store, 1).await?;
    }
    let log = fixture.log().await?;
    let algebra = || EventFilter::new().tag(tag("course", "algebra"));
    for filter in [
        algebra(),
        algebra().tag(tag("student", "Ada")),
        algebra().event::<CourseDefined>(),
        algebra().event::<Added>(),
        EventFilter::new().tag(tag("student", "nobody")),
    ] {
        let is_followed = |event: &&RecordedEvent| {
            filter.matches(event.aggregate_type(), event.event_type(), None, event.tags())
        };
        let expected: Vec<_> = log.iter().filter(is_followed).cloned().collect();
        let (filter, mut found, mut after) = (Arc::new(filter), Vec::new(), Position::START);
        loop {
            let query = LogQuery::new(after, 3).filter(Arc::clone(&filter));
            let page = fixture.engine().read_log(query).await?;
            found.extend(page.events);
            if page.at_end {
                break;
            }
            after = page.end;
        }
        assert_eq!(found, expected, "{filter}");
    }
    Ok(())
}

pub(crate) async fn a_subscription_follows_a_tag(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    let journal = Journal::default();
    let worker = store
        .subscription("the algebra course")
        .tag(tag("course", "algebra"))
        .spawn(journal.handler())?;
    for (course, student) in [("algebra", "Ada"), ("biology", "Ada"), ("algebra", "Bob")] {
        courses::force(store, course, student).await?;
    }
    idle(store, "the algebra course", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.positions(), [1, 3]);

    let unknown = store.subscription("another").tag(tag("hall", "7")).spawn(journal.handler())?;
    assert_error!(unknown.join().await, Error::UnknownFilterName { name } if name == "the tag `hall`");
    Ok(())
}

pub(crate) async fn pages_by_tags_end_at_the_frontier_and_go_on(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let limits = Limits::default().page_events(2);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    courses::define(&store, "algebra", 3).await?;
    for student in ["Ada", "Bob", "Cleo", "Dan"] {
        courses::force(&store, "algebra", student).await?;
        courses::force(&store, "biology", student).await?;
    }
    let log = fixture.log().await?;
    let tags = [tag("course", "algebra")];
    let expected: Vec<_> =
        log.iter().filter(|event| event.tags().contains(&tags[0])).cloned().collect();
    let (mut found, mut after) = (Vec::new(), Position::START);
    loop {
        let page = store.read_tagged(&tags, after).await?;
        assert!(page.events.len() <= 2);
        found.extend(page.events);
        after = page.end;
        if page.at_end {
            break;
        }
    }
    assert_eq!(found, expected);
    let both = [tag("student", "Bob"), tag("course", "algebra")];
    assert_eq!(store.read_tagged(&both, Position::START).await?.events, expected[2..3]);
    let unknown = store.read_tagged(&[tag("hall", "7")], Position::START).await;
    assert_error!(unknown, Error::UnknownFilterName { .. });
    assert_error!(store.read_tagged(&[], Position::START).await, Error::NoTags);
    Ok(())
}

/// Both the key and the boundary refuse the commit. The decision is made again, and finds what the rival did.
pub(crate) async fn a_stale_decision_that_takes_a_key_is_run_again(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let rival = fixture.rival();
    let take = |store: EventStore, beside: Option<EventStore>| async move {
        store
            .with_context(async |ctx| {
                let seats = ctx.read(Seats::of("algebra")).await?;
                if !seats.students.is_empty() {
                    return Err(Refused::Full);
                }
                let mut counter = ctx.create_with_key::<Counter>("algebra").await?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                ctx.emit(subscribed("algebra", "Ada"))?;
                if let Some(rival) = &beside {
                    rival
                        .with_context(async |ctx| {
                            let mut counter = ctx.create_with_key::<Counter>("algebra").await?;
                            ctx.apply(&mut counter, Added { by: 2 })?;
                            ctx.emit(subscribed("algebra", "Bob"))
                        })
                        .await
                        .or_else(|error| match error {
                            // In the second run, it is there already.
                            Error::KeyTaken { .. } => Ok(()),
                            error => Err(error),
                        })?;
                }
                Ok(())
            })
            .await
    };
    let refused = take(fixture.store().clone(), Some(rival)).await;
    assert_error!(refused, Refused::Full);
    assert_eq!(fixture.log().await?.len(), 2, "only the rival has written");
    Ok(())
}

/// Boundaries that overlap in one of their alternatives only: whoever conflicts waits for its turn, so that no client of
/// a process is refused in the end.
pub(crate) async fn overlapping_boundaries_of_a_process_all_land(fixture: &Fixture) -> Result<()> {
    const CLIENTS: usize = 24;
    fixture.needs(Capability::Tags)?;
    let builder = fixture.builder().retry(RetryPolicy::default());
    let store = fixture.store_with(builder).await?;
    let landed = race(CLIENTS, |client| {
        let store = store.clone();
        async move {
            let own = format!("own {client}");
            for _ in 0..3 {
                store
                    .with_context(async |ctx| {
                        let seats = ctx.read(Seats::of("common").or(Seats::of(&own))).await?;
                        tokio::task::yield_now().await;
                        ctx.emit(subscribed("common", &seats.students.len().to_string()))
                    })
                    .await?;
            }
            Ok::<_, Error>(())
        }
    })
    .await;
    landed.into_iter().collect::<Result<Vec<_>>>()?;
    let seats = read(&store, || Seats::of("common")).await?;
    let expected: Vec<_> = (0..CLIENTS * 3).map(|number| number.to_string()).collect();
    assert_eq!(seats.students, expected);
    Ok(())
}

pub(crate) async fn alternatives_are_guarded_if_one_of_them_is(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let (store, rival) = (fixture.store(), fixture.rival());
    let mut runs = 0;
    let runs = &mut runs;
    let conflict: Result<()> = store
        .with_context_once(async |ctx| {
            *runs += 1;
            let key = Seats::of("algebra").or(Seats::of("biology").unguarded());
            ctx.read(key).await?;
            courses::force(&rival, "algebra", "Bob").await?;
            ctx.emit(subscribed("algebra", "Ada"))
        })
        .await;
    assert_error!(conflict, Error::BoundaryConflict { .. });
    let twice = || BoundaryKey::<Seats>::new(["a", "b"].map(|course| Tag::new("course", course)));
    assert_error!(read(store, twice).await, Error::InvalidTag { .. });
    Ok(())
}

/// The keys and the command are about different courses.
pub(crate) async fn a_decision_emits_nothing_outside_of_its_boundaries(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    for course in ["algebra", "biology"] {
        courses::define(store, course, 1).await?;
    }
    let before = fixture.log().await?.len();
    let command = Subscribe { course: "biology".to_owned(), student: "Ada".to_owned() };
    let keys = || (Seats::of("algebra"), Load::of("Bob"));
    let refused = store.execute_on(keys(), command.clone()).await;
    assert_error!(refused, CommandError::Store(Error::EventOutsideBoundary { .. }));
    assert_eq!(fixture.log().await?.len(), before, "nothing was written");
    store.execute_on((Seats::of("biology"), Load::of("Ada")), command).await.map_err(refusal)?;
    Ok(())
}

fn refusal(error: CommandError<Refused>) -> Error {
    match error {
        CommandError::Store(error) => error,
        CommandError::Rejected(refused) => panic!("{refused}"),
    }
}

/// The same tags in another boundary are another request, and so are other tags.
pub(crate) async fn an_idempotency_key_is_of_its_boundaries(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::define(store, "algebra", 9).await?;
    let command = || Subscribe { course: "algebra".to_owned(), student: "Ada".to_owned() };
    let execute = |keys| {
        let executing = store.execute_on(keys, command()).idempotency_key("request");
        async move { executing.await.map(|done| done.is_repetition()) }
    };
    let keys = || (Seats::of("algebra"), Load::of("Ada"));
    assert!(!execute(keys()).await.map_err(refusal)?);
    assert!(execute(keys()).await.map_err(refusal)?);
    let wider = (Seats::of("algebra").or(Seats::of("biology")), Load::of("Ada"));
    let reused = execute(wider).await;
    assert_error!(reused, CommandError::Store(Error::IdempotencyKeyReused { .. }));
    Ok(())
}
