//! P7, P8 and P11 in lanes: order, partitions and parking go by the value of a tag, whatever aggregates the events
//! belong to.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::boundary::{Facts, Tag, Tags};
use evercore::engine::{Capability, Lane, LogQuery, Precondition};
use evercore::subscription::{Partition, SubscriptionBuilder};
use evercore::{
    Batch, Error, EventFilter, EventStore, FailurePolicy, Handler, HandlerError, HandlerRetry,
    Position, RecordedEvent, Result,
};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added};
use crate::domain::courses::{self, CourseDefined, Subscribed, subscribed};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info, positions, until_true};
use crate::race::race_all;
use crate::raw;

/// Fails on the events of disliked courses, for as long as they are disliked.
#[derive(Clone, Debug, Default)]
struct Fussy {
    journal: Journal,
    disliked: Arc<Mutex<HashSet<String>>>,
}

impl Fussy {
    fn dislikes(&self, course: &str) {
        self.disliked.lock().expect("no panic").insert(course.to_owned());
    }

    fn likes(&self, course: &str) {
        self.disliked.lock().expect("no panic").remove(course);
    }
}

/// Fails now and then.
#[derive(Clone, Debug)]
struct Moody {
    journal: Journal,
    random: Arc<Mutex<fastrand::Rng>>,
}

impl Handler for Moody {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for (index, event) in batch.iter().enumerate() {
            if self.random.lock().expect("no panic").u32(0..8) == 0 {
                return Err(HandlerError::at(index, "now and then"));
            }
            self.journal.extend(std::slice::from_ref(event));
        }
        Ok(())
    }
}

impl Handler for Fussy {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for (index, event) in batch.iter().enumerate() {
            if self.disliked.lock().expect("no panic").contains(course(event)) {
                return Err(HandlerError::at(index, "not to my taste"));
            }
            self.journal.extend(std::slice::from_ref(event));
        }
        Ok(())
    }
}

/// Returns the value of the only tag of this name.
fn course(event: &RecordedEvent) -> &str {
    let mut values = event.tags().values("course");
    let course = values.next().expect("it has a course");
    assert_eq!(values.next(), None, "it has one course");
    course
}

fn of_course(log: &[RecordedEvent], wanted: &str) -> Vec<RecordedEvent> {
    log.iter().filter(|event| course(event) == wanted).cloned().collect()
}

/// A subscription in lanes by the course.
fn in_lanes(store: &EventStore, name: &str) -> SubscriptionBuilder {
    store.subscription(name).event::<Subscribed>().event::<CourseDefined>().lane("course")
}

/// Stores an event with these tags, whatever its type declares.
async fn store_tagged(fixture: &Fixture, tags: &[(&str, &str)]) -> Result<Position> {
    let id = raw::fresh_id(fixture.engine()).await?;
    let mut event = raw::new_event(id, 1, &subscribed("algebra", "Ada"));
    let tags = tags.iter().map(|(name, value)| Tag::new(name, value));
    event.tags = Tags::new(tags.collect::<Result<Vec<_>>>()?)?;
    let write = raw::write::<Facts>(id, Precondition::New);
    let committed = fixture.engine().commit(raw::commit(vec![write], vec![event])).await?;
    Ok(committed.positions.first().expect("it has an event"))
}

pub(crate) async fn a_partition_has_the_events_of_its_lanes(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    for round in 0..4 {
        for value in ["algebra", "algebra 2", "bio'logy", "%_\\", "größe", "a:b"] {
            store_tagged(fixture, &[("course", value), ("student", &format!("{round}"))]).await?;
        }
        // These have no lane but that of their aggregate.
        store_tagged(fixture, &[("student", "course:algebra")]).await?;
        store_tagged(fixture, &[("course 2", "algebra"), ("courses", "algebra")]).await?;
        store_tagged(fixture, &[("course", "algebra"), ("course", "biology")]).await?;
        counter::create(fixture.store(), 1).await?;
    }
    let log = fixture.log().await?;
    let lane_of = |event: &RecordedEvent| {
        let courses: Vec<_> = event.tags().values("course").collect();
        match *courses {
            [course] => Lane::of_tag(&Tag::new("course", course).expect("it was stored")),
            _ => event.aggregate_id().into(),
        }
    };
    assert!(log.iter().map(lane_of).collect::<BTreeSet<_>>().len() > 12);
    for filter in [
        EventFilter::new(),
        EventFilter::new().event::<Subscribed>(),
        EventFilter::new().tag(Tag::new("student", 2)?),
    ] {
        let filter = Arc::new(filter.lane("course"));
        for count in [1, 2, 5] {
            for index in 0..count {
                let partition = Partition::new(index, count)?;
                let expected = log.iter().filter(|event| {
                    filter.matches(event.aggregate_type(), event.event_type(), None, event.tags())
                        && partition.contains(lane_of(event))
                });
                let expected = positions(expected);
                for limit in [1, 3, 100] {
                    let (mut found, mut after) = (Vec::new(), Position::START);
                    loop {
                        let query = LogQuery::new(after, limit).filter(Arc::clone(&filter));
                        let query = query.partition(partition);
                        let page = fixture.engine().read_log(query).await?;
                        assert!(page.events.len() <= usize::try_from(limit).expect("small"));
                        found.extend(positions(&page.events));
                        if page.at_end {
                            break;
                        }
                        assert!(page.end > after, "a page that is not the last leads on");
                        after = page.end;
                    }
                    assert_eq!(found, expected, "{filter}, {partition:?}, pages of {limit}");
                }
            }
        }
    }
    Ok(())
}

pub(crate) async fn the_order_of_a_lane_holds_across_commits_and_workers(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let courses = ["algebra", "biology", "chemistry", "drawing", "english"];
    let journal = Journal::default();
    let spawn = |store: &EventStore| {
        in_lanes(store, "rosters").partitions(7).batch_size(4).spawn(journal.handler())
    };
    let workers = [spawn(store)?, spawn(&fixture.rival())?];
    for round in 0..12 {
        for course in courses {
            courses::force(store, course, &format!("student {round}")).await?;
        }
    }
    let count = || workers.iter().map(|worker| worker.status().partitions.len()).sum::<usize>();
    until_true(async || Ok(count() == 7)).await?;
    store.wait_until_idle("rosters").await?;
    let [first, second] = workers;
    first.shutdown().await?;
    second.shutdown().await?;

    let (log, handled) = (fixture.log().await?, journal.events());
    assert_eq!(handled.len(), log.len(), "each was handled once");
    for course in courses {
        assert_eq!(of_course(&handled, course), of_course(&log, course), "{course}");
    }
    let aggregates: HashSet<_> = log.iter().map(RecordedEvent::aggregate_id).collect();
    assert_eq!(aggregates.len(), log.len(), "each commit is an aggregate of its own");
    Ok(())
}

/// Writers race, and workers fail now and then.
pub(crate) async fn a_crowd_keeps_the_order_of_lanes(fixture: &Fixture) -> Result<()> {
    const WRITERS: usize = 6;
    let store = fixture.store();
    let journal = Journal::default();
    let random = Arc::new(Mutex::new(fixture.random()));
    let moody = Moody { journal: journal.clone(), random };
    let often = HandlerRetry::default().attempts(1_000).longest(Duration::from_millis(5));
    let policy = FailurePolicy::park().redrive(often);
    let spawn = |store: &EventStore| {
        let builder = in_lanes(store, "crowd").partitions(3).batch_size(5).on_failure(policy);
        builder.spawn(moody.clone())
    };
    let workers = [spawn(store)?, spawn(&fixture.rival())?];
    race_all(WRITERS, |writer| {
        let store = fixture.rival();
        async move {
            for round in 0..10 {
                let course = format!("course {}", (writer + round) % 4);
                courses::force(&store, &course, &format!("{writer}")).await?;
            }
            Ok(())
        }
    })
    .await?;
    until_true(async || {
        store.wait_until_idle("crowd").await?;
        Ok(info(store, "crowd").await?.parked == 0)
    })
    .await?;
    let [first, second] = workers;
    first.shutdown().await?;
    second.shutdown().await?;

    let log = fixture.log().await?;
    assert_eq!(log.len(), WRITERS * 10);
    let handled = journal.events();
    for number in 0..4 {
        let course = format!("course {number}");
        assert_eq!(of_course(&handled, &course), of_course(&log, &course), "{course}");
    }
    Ok(())
}

pub(crate) async fn a_parked_event_holds_back_its_lane_and_nothing_else(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let fussy = Fussy::default();
    fussy.dislikes("biology");
    let subscription = || in_lanes(store, "parks").partitions(2).on_failure(FailurePolicy::park());
    let worker = subscription().spawn(fussy.clone())?;
    courses::define(store, "algebra", 3).await?;
    courses::define(store, "biology", 3).await?;
    idle(store, "parks", &worker).await?;
    // Later events of the course wait as well, although they could be handled now.
    fussy.likes("biology");
    for (course, student) in [("biology", "Ada"), ("algebra", "Ada"), ("biology", "Bob")] {
        courses::force(store, course, student).await?;
        idle(store, "parks", &worker).await?;
    }
    worker.shutdown().await?;
    // A new worker respects the parked events, too.
    let worker = subscription().spawn(fussy.clone())?;
    courses::force(store, "biology", "Cid").await?;
    courses::force(store, "algebra", "Cid").await?;
    idle(store, "parks", &worker).await?;

    let log = fixture.log().await?;
    assert_eq!(fussy.journal.events(), of_course(&log, "algebra"));
    let parked = store.subscriptions().parked("parks", Position::START, 10).await?.events;
    let found: Vec<_> = parked.iter().map(|parked| parked.event.clone()).collect();
    assert_eq!(found, of_course(&log, "biology"));
    let reasons: Vec<_> = parked.iter().map(|parked| parked.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("not to my taste"), None, None, None]);
    let behind = parked[1].event.position();
    let refused = store.subscriptions().redrive_event("parks", behind).await;
    assert_error!(refused, Error::ParkedBehind { first, .. } if first == parked[0].event.position());
    assert!(store.verify().run().await?.is_clean());
    worker.shutdown().await
}

pub(crate) async fn the_events_of_a_lane_are_redriven_in_order(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let fussy = Fussy::default();
    for course in ["algebra", "biology"] {
        fussy.dislikes(course);
    }
    let policy = FailurePolicy::park();
    let worker = in_lanes(store, "redriven").on_failure(policy).spawn(fussy.clone())?;
    for round in 0..4 {
        for course in ["algebra", "biology"] {
            courses::force(store, course, &format!("student {round}")).await?;
        }
    }
    idle(store, "redriven", &worker).await?;
    assert_eq!((fussy.journal.len(), info(store, "redriven").await?.parked), (0, 8));
    let log = fixture.log().await?;
    let (algebra, biology) = (of_course(&log, "algebra"), of_course(&log, "biology"));

    // One course is still disliked: its events stay parked.
    fussy.likes("algebra");
    store.subscriptions().redrive("redriven").await?;
    idle(store, "redriven", &worker).await?;
    assert_eq!(fussy.journal.events(), algebra);

    // The first event of the lane is given up, and those behind it are handled.
    fussy.likes("biology");
    let admin = store.subscriptions();
    admin.discard("redriven", biology[0].position(), "an operator", "no such course").await?;
    idle(store, "redriven", &worker).await?;
    assert_eq!(fussy.journal.events()[4..], biology[1..]);
    let discarded = admin.discarded("redriven", Position::START, 10).await?.events;
    assert_eq!(discarded.len(), 1);
    assert_eq!(discarded[0].event, biology[0]);
    assert_eq!(info(store, "redriven").await?.parked, 0);
    worker.shutdown().await
}

/// Such events were stored by a program that declares the tag otherwise.
pub(crate) async fn an_event_without_a_lane_is_a_failure(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    courses::force(store, "algebra", "Ada").await?;
    let none = store_tagged(fixture, &[("student", "Ada")]).await?;
    let several = store_tagged(fixture, &[("course", "a"), ("course", "b")]).await?;
    courses::force(store, "algebra", "Bob").await?;

    let journal = Journal::default();
    let stopped = in_lanes(store, "stops").run(journal.handler()).await;
    let Err(Error::HandlerFailed { position, source, .. }) = stopped else {
        panic!("the handler is not given an event without a lane: {stopped:?}")
    };
    assert_eq!((position, journal.positions()), (none, vec![1]));
    let problem = source.downcast_ref::<Error>().expect("an error of the store");
    assert!(matches!(problem, Error::NoLane { tag, .. } if tag == "course"), "{problem}");

    let journal = Journal::default();
    let policy = FailurePolicy::park();
    let worker = in_lanes(store, "parks").on_failure(policy).spawn(journal.handler())?;
    idle(store, "parks", &worker).await?;
    assert_eq!(journal.positions(), [1, 4]);
    let parked = store.subscriptions().parked("parks", Position::START, 10).await?.events;
    assert_eq!(positions(parked.iter().map(|parked| &parked.event)), [none.get(), several.get()]);
    for parked in &parked {
        let reason = parked.reason.as_deref().expect("it is no event that waits");
        assert!(reason.contains("has no lane by the tag `course`"), "{reason}");
    }
    store.subscriptions().redrive("parks").await?;
    until_true(async || {
        let parked = store.subscriptions().parked("parks", Position::START, 10).await?.events;
        Ok(parked.iter().all(|parked| parked.attempts == 2 && !parked.redrive))
    })
    .await?;
    assert!(store.verify().run().await?.is_clean());
    let admin = store.subscriptions();
    admin.discard("parks", none, "an operator", "it has no course").await?;
    admin.discard("parks", several, "an operator", "it has two courses").await?;
    assert_eq!((journal.positions(), info(store, "parks").await?.parked), (vec![1, 4], 0));
    worker.shutdown().await
}

pub(crate) async fn a_type_whose_events_have_no_lane_is_refused(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::Tags)?;
    let store = fixture.store();
    let run = async |builder: SubscriptionBuilder| builder.run(Journal::default().handler()).await;
    let named = |event: &str| format!("`{event}` of `evercore.facts`");
    let defined = store.subscription("refused").event::<CourseDefined>();
    assert_error!(
        run(defined.lane("student")).await,
        Error::NoLane { event, tag, .. } if event == named("course-defined") && tag == "student"
    );
    let added = store.subscription("refused").event::<Subscribed>().event::<Added>();
    assert_error!(run(added.lane("course")).await, Error::NoLane { .. });
    assert_error!(run(store.subscription("refused").lane("course")).await, Error::NoLane { .. });
    let subscribed = store.subscription("refused").event::<Subscribed>();
    assert_error!(run(subscribed.lane("course:1")).await, Error::InvalidTag { .. });
    assert!(store.subscriptions().find("refused").await?.is_none());

    // Events that are not followed need no lane.
    let of_algebra = store.subscription("algebra").tag(Tag::new("course", "algebra")?);
    let worker = of_algebra.lane("course").spawn(Journal::default().handler())?;
    idle(store, "algebra", &worker).await?;
    worker.shutdown().await?;
    let filter = EventFilter::new().event::<Subscribed>().lane("course");
    let ephemeral = store.ephemeral().filter(filter).run(Journal::default().handler()).await;
    assert_error!(ephemeral, Error::InvalidSubscription { .. });
    Ok(())
}

pub(crate) async fn lanes_change_while_nothing_is_parked(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let fussy = Fussy::default();
    fussy.dislikes("algebra");
    courses::force(store, "algebra", "Ada").await?;
    let of = |tag: Option<&str>| {
        let builder = store.subscription("changing").event::<Subscribed>();
        let builder = builder.on_failure(FailurePolicy::park());
        if let Some(tag) = tag { builder.lane(tag) } else { builder }
    };
    let worker = of(Some("course")).spawn(fussy.clone())?;
    idle(store, "changing", &worker).await?;
    worker.shutdown().await?;

    for other in [None, Some("student")] {
        let refused = of(other).run(fussy.clone()).await;
        assert_error!(refused, Error::SubscriptionDiffers { stored, .. } if stored.contains("in lanes by `course`"));
        let refused = of(other).replace_stored().run(fussy.clone()).await;
        assert_error!(refused, Error::SubscriptionNotIdle { problem, .. } if problem.contains("parked"));
    }
    let position = fixture.log().await?[0].position();
    store.subscriptions().discard("changing", position, "an operator", "it is old").await?;
    let worker = of(Some("student")).replace_stored().spawn(fussy.clone())?;
    courses::force(store, "biology", "Ada").await?;
    idle(store, "changing", &worker).await?;
    assert_eq!(fussy.journal.len(), 1);
    // A worker owns the partition.
    let refused = of(None).replace_stored().run(fussy.clone()).await;
    assert_error!(refused, Error::SubscriptionNotIdle { .. });
    worker.shutdown().await
}
