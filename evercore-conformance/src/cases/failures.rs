//! P9 and P11: each event is handled at least once, and none is dropped silently.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evercore::engine::StorageEngine;
use evercore::subscription::{Condition, DiscardedEvent, ParkedEvent, SubscriptionState};
use evercore::{
    AggregateId, Batch, Error, EventStore, Expected, FailurePolicy, Handler, HandlerError,
    HandlerRetry, Metadata, Position, Received, RecordedEvent, Result, Router, Stream, each,
};
use tokio::time::{sleep, timeout};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info, until_true};
use crate::raw;

/// Fails on the events of disliked aggregates, for as long as they are disliked.
#[derive(Clone, Debug, Default)]
struct Fussy {
    journal: Journal,
    disliked: Arc<Mutex<HashSet<AggregateId>>>,
    failures: Arc<AtomicU32>,
}

impl Fussy {
    fn dislikes(&self, id: AggregateId) {
        self.disliked.lock().expect("no panic").insert(id);
    }

    fn likes(&self, id: AggregateId) {
        self.disliked.lock().expect("no panic").remove(&id);
    }

    fn failures(&self) -> u32 {
        self.failures.load(Ordering::SeqCst)
    }
}

impl Handler for Fussy {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        for (index, event) in batch.iter().enumerate() {
            if self.disliked.lock().expect("no panic").contains(&event.aggregate_id()) {
                self.failures.fetch_add(1, Ordering::SeqCst);
                return Err(HandlerError::at(index, "not to my taste"));
            }
            self.journal.extend(std::slice::from_ref(event));
        }
        Ok(())
    }
}

async fn counters(store: &EventStore, count: usize) -> Result<Vec<AggregateId>> {
    let mut ids = Vec::new();
    for value in 0..count {
        ids.push(counter::create(store, i64::try_from(value).expect("few")).await?);
    }
    Ok(ids)
}

/// Retries after a few milliseconds.
fn quick(attempts: u32) -> HandlerRetry {
    HandlerRetry::default().attempts(attempts).longest(Duration::from_millis(5))
}

/// A worker fails between handling and settling.
pub(crate) async fn unrecorded_batches_are_given_again(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    counters(store, 5).await?;
    let journal = Journal::default();
    let interrupted = Arc::new(AtomicBool::new(false));
    let first = store.subscription("again").batch_size(2).record_within(Duration::ZERO).spawn({
        let (journal, interrupted) = (journal.clone(), Arc::clone(&interrupted));
        async move |batch: Batch| {
            journal.extend(&batch);
            if journal.len() == 4 {
                interrupted.store(true, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            Ok::<_, Error>(())
        }
    })?;
    until_true(async || Ok(interrupted.load(Ordering::SeqCst))).await?;
    drop(first);
    // An operator frees the partition of a worker that is gone for good.
    let place = info(store, "again").await?.cursor;
    store.subscriptions().reset("again", evercore::Start::After(place)).await?;
    let second = store.subscription("again").batch_size(2).spawn(journal.handler())?;
    idle(store, "again", &second).await?;
    let log = crate::journal::positions(&fixture.log().await?);
    let expected = [&log[..4], &log[2..]].concat();
    assert_eq!(journal.positions(), expected, "the second batch came twice, and in order");
    second.shutdown().await
}

pub(crate) async fn a_failing_handler_stops_at_the_event(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 6).await?;
    let fussy = Fussy::default();
    fussy.dislikes(ids[3]);
    let ended = store.subscription("stops").run(fussy.clone()).await;
    let at = fixture.log().await?[3].position();
    assert_error!(&ended, Error::HandlerFailed { name, position, source }
        if name == "stops" && *position == at && source.to_string() == "not to my taste");
    assert_eq!(fussy.journal.len(), 3);
    let stored = info(store, "stops").await?;
    assert_eq!((stored.condition, stored.cursor.get()), (Condition::Failed, at.get() - 1));
    assert_eq!(stored.partitions[0].failure.as_deref(), Some("not to my taste"));

    fussy.likes(ids[3]);
    let worker = store.subscription("stops").spawn(fussy.clone())?;
    idle(store, "stops", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(fussy.journal.events(), fixture.log().await?, "each was handled once");
    let stored = info(store, "stops").await?;
    assert_eq!((stored.condition, &stored.partitions[0].failure), (Condition::Idle, &None));
    Ok(())
}

pub(crate) async fn a_failing_event_is_tried_again_as_often_as_told(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 3).await?;
    let fussy = Fussy::default();
    fussy.dislikes(ids[1]);
    let policy = FailurePolicy::stop().retry(quick(4));
    let ended = store.subscription("tries").on_failure(policy).run(fussy.clone()).await;
    assert_error!(ended, Error::HandlerFailed { .. });
    // The first failure only finds out which event fails.
    assert_eq!(fussy.failures(), 5);
    assert_eq!(fussy.journal.len(), 1);

    let worker = store
        .subscription("tries")
        .on_failure(FailurePolicy::stop().retry(quick(100_000)))
        .spawn(fussy.clone())?;
    until_true(async || Ok(fussy.failures() >= 10)).await?;
    fussy.likes(ids[1]);
    idle(store, "tries", &worker).await?;
    assert_eq!(fussy.journal.events(), fixture.log().await?);
    worker.shutdown().await
}

/// Builds the error that a handler returns for a batch.
type Failure = fn(&Batch) -> HandlerError;

/// Fails without naming the event, or names one that it was not given.
#[derive(Clone, Debug)]
struct Vague {
    journal: Journal,
    bad: AggregateId,
    failure: Failure,
}

impl Handler for Vague {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        if batch.iter().any(|event| event.aggregate_id() == self.bad) {
            return Err((self.failure)(&batch));
        }
        self.journal.extend(&batch);
        Ok(())
    }
}

pub(crate) async fn a_failing_batch_is_searched_for_the_event(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let bad = counters(store, 7).await?[4];
    let failures: [(&str, Failure); 2] = [
        ("of the batch", |_| HandlerError::new("one of them is bad")),
        ("beyond it", |batch| HandlerError::at(batch.len(), "one of them is bad")),
    ];
    for (name, failure) in failures {
        let vague = Vague { journal: Journal::default(), bad, failure };
        let worker =
            store.subscription(name).on_failure(FailurePolicy::park()).spawn(vague.clone())?;
        idle(store, name, &worker).await?;
        worker.shutdown().await?;
        let log = fixture.log().await?;
        let others = log.iter().filter(|event| event.aggregate_id() != bad);
        assert_eq!(vague.journal.positions(), crate::journal::positions(others));
        let parked = store.subscriptions().parked(name, Position::START, 10).await?.events;
        assert_eq!(parked.len(), 1);
        assert_eq!((&parked[0].event, parked[0].attempts), (&log[4], 1));
        assert_eq!(parked[0].reason.as_deref(), Some("one of them is bad"));
    }
    Ok(())
}

pub(crate) async fn a_parked_event_holds_back_its_aggregate_and_nothing_else(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 4).await?;
    let fussy = Fussy::default();
    fussy.dislikes(ids[1]);
    let worker =
        store.subscription("parks").on_failure(FailurePolicy::park()).spawn(fussy.clone())?;
    idle(store, "parks", &worker).await?;
    // Later events of the aggregate wait as well, although they could be handled now.
    fussy.likes(ids[1]);
    for id in [ids[1], ids[2], ids[1]] {
        counter::add(store, id, 1).await?;
        idle(store, "parks", &worker).await?;
    }
    let log = fixture.log().await?;
    let (of_parked, others): (Vec<_>, Vec<_>) =
        log.iter().cloned().partition(|event| event.aggregate_id() == ids[1]);
    assert_eq!(fussy.journal.events(), others);
    let admin = store.subscriptions();
    let parked = admin.parked("parks", Position::START, 10).await?.events;
    let found: Vec<_> = parked.iter().map(|parked| parked.event.clone()).collect();
    assert_eq!(found, of_parked);
    let reasons: Vec<_> = parked.iter().map(|parked| parked.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("not to my taste"), None, None]);
    assert_eq!(info(store, "parks").await?.parked, 3);
    let page = admin.parked("parks", of_parked[0].position(), 1).await?;
    assert_eq!(page.events[0].event, of_parked[1], "pages of parked events");
    assert_eq!((page.end, page.at_end), (of_parked[1].position(), false));
    let last = admin.parked("parks", page.end, 1).await?;
    assert_eq!((last.events.len(), last.end, last.at_end), (1, of_parked[2].position(), true));
    worker.shutdown().await?;

    // A new worker respects the parked events, too.
    let worker =
        store.subscription("parks").on_failure(FailurePolicy::park()).spawn(fussy.clone())?;
    counter::add(store, ids[1], 1).await?;
    idle(store, "parks", &worker).await?;
    assert_eq!(info(store, "parks").await?.parked, 4);
    worker.shutdown().await
}

pub(crate) async fn parked_events_are_redriven_in_order(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 3).await?;
    let fussy = Fussy::default();
    ids.iter().for_each(|&id| fussy.dislikes(id));
    let subscription = || store.subscription("redriven").on_failure(FailurePolicy::park());
    let worker = subscription().spawn(fussy.clone())?;
    idle(store, "redriven", &worker).await?;
    for id in [ids[0], ids[1], ids[0]] {
        counter::add(store, id, 1).await?;
    }
    idle(store, "redriven", &worker).await?;
    assert_eq!((fussy.journal.len(), info(store, "redriven").await?.parked), (0, 6));

    // One aggregate is still disliked: its events stay parked.
    fussy.likes(ids[0]);
    fussy.likes(ids[2]);
    store.subscriptions().redrive("redriven").await?;
    idle(store, "redriven", &worker).await?;
    let log = fixture.log().await?;
    let (stay, go): (Vec<_>, Vec<_>) =
        log.iter().cloned().partition(|event| event.aggregate_id() == ids[1]);
    assert_eq!(fussy.journal.events(), go);
    let parked = store.subscriptions().parked("redriven", Position::START, 10).await?.events;
    let left: Vec<_> = parked.iter().map(|parked| parked.event.clone()).collect();
    assert_eq!(left, stay);
    assert_eq!((parked[0].attempts, parked[1].attempts, parked[0].redrive), (2, 0, false));

    // New events of aggregates without parked events are handled at once.
    counter::add(store, ids[0], 1).await?;
    idle(store, "redriven", &worker).await?;
    assert_eq!(fussy.journal.len(), go.len() + 1);
    worker.shutdown().await?;

    // No worker is running now; the next one redrives.
    fussy.likes(ids[1]);
    store.subscriptions().redrive("redriven").await?;
    let worker = subscription().spawn(fussy.clone())?;
    idle(store, "redriven", &worker).await?;
    assert_eq!(info(store, "redriven").await?.parked, 0);
    assert_eq!(fussy.journal.len(), fixture.log().await?.len());
    worker.shutdown().await
}

pub(crate) async fn a_redriven_event_is_tried_as_often_as_a_new_one(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 1).await?;
    let fussy = Fussy::default();
    fussy.dislikes(ids[0]);
    let policy = FailurePolicy::park().retry(quick(3));
    let worker = store.subscription("again").on_failure(policy).spawn(fussy.clone())?;
    idle(store, "again", &worker).await?;
    assert_eq!((fussy.failures(), info(store, "again").await?.parked), (3, 1));
    store.subscriptions().redrive("again").await?;
    idle(store, "again", &worker).await?;
    assert_eq!((fussy.failures(), info(store, "again").await?.parked), (6, 1));
    worker.shutdown().await
}

/// Waits until this many events are parked.
async fn parked(store: &EventStore, name: &str, count: u64) -> Result<Vec<ParkedEvent>> {
    until_true(async || Ok(info(store, name).await?.parked == count)).await?;
    Ok(store.subscriptions().parked(name, Position::START, 100).await?.events)
}

pub(crate) async fn one_parked_event_is_redriven_alone(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 2).await?;
    let fussy = Fussy::default();
    ids.iter().for_each(|&id| fussy.dislikes(id));
    let parking = store.subscription("alone").on_failure(FailurePolicy::park());
    let worker = parking.spawn(fussy.clone())?;
    for id in [ids[0], ids[1], ids[0]] {
        counter::add(store, id, 1).await?;
    }
    idle(store, "alone", &worker).await?;
    let log = fixture.log().await?;
    let at = |index: usize| log[index].position();
    ids.iter().for_each(|&id| fussy.likes(id));

    let admin = store.subscriptions();
    assert_error!(admin.redrive_event("alone", at(2)).await,
        Error::ParkedBehind { position, first, .. } if (position, first) == (at(2), at(0)));
    admin.redrive_event("alone", at(0)).await?;
    let left = parked(store, "alone", 2).await?;
    assert!(left.iter().all(|parked| parked.event.aggregate_id() == ids[1]));
    let handled = [0, 2, 4].map(|index: usize| log[index].clone());
    assert_eq!(fussy.journal.events(), handled, "with those that waited for it, in order");
    assert_error!(admin.redrive_event("alone", at(0)).await, Error::NotParked { position, .. }
        if position == at(0));
    worker.shutdown().await
}

pub(crate) async fn a_discarded_event_is_kept_with_its_reason(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 2).await?;
    let fussy = Fussy::default();
    ids.iter().for_each(|&id| fussy.dislikes(id));
    let parking = store.subscription("discards").on_failure(FailurePolicy::park());
    let worker = parking.spawn(fussy.clone())?;
    for id in [ids[0], ids[1], ids[0], ids[1]] {
        counter::add(store, id, 1).await?;
    }
    idle(store, "discards", &worker).await?;
    let log = fixture.log().await?;
    let at = |index: usize| log[index].position();
    ids.iter().for_each(|&id| fussy.likes(id));

    // This was the first parked event of its aggregate, so those that waited for it are handled.
    let admin = store.subscriptions();
    admin.discard("discards", at(0), "ada", "it is a test").await?;
    parked(store, "discards", 3).await?;
    assert_eq!(fussy.journal.events(), [2, 4].map(|index: usize| log[index].clone()));
    let discarded = admin.discarded("discards", Position::START, 10).await?.events;
    assert_eq!(discarded.len(), 1);
    let DiscardedEvent { event, failure, attempts, by, reason, .. } = &discarded[0];
    assert_eq!((event, *attempts), (&log[0], 1));
    assert_eq!(failure.as_deref(), Some("not to my taste"));
    assert_eq!((by.as_str(), reason.as_str()), ("ada", "it is a test"));
    assert!(discarded[0].parked_at <= discarded[0].discarded_at);

    // This event only waits, so nothing else changes.
    admin.discard("discards", at(3), "bob", "twice the same").await?;
    idle(store, "discards", &worker).await?;
    let left = admin.parked("discards", Position::START, 10).await?.events;
    let left: Vec<_> = left.iter().map(|parked| parked.event.clone()).collect();
    assert_eq!(left, [1, 5].map(|index: usize| log[index].clone()));
    let later = admin.discarded("discards", at(0), 10).await?.events;
    assert_eq!((later.len(), &later[0].event, &later[0].failure), (1, &log[3], &None));

    assert_error!(admin.discard("discards", at(3), "bob", "again").await, Error::NotParked { .. });
    for (by, reason) in [("", "why not"), ("bob", ""), ("b\0b", "why not"), ("bob", "\0")] {
        let refused = admin.discard("discards", at(1), by, reason).await;
        assert_error!(refused, Error::InvalidDiscard { .. });
    }
    worker.shutdown().await?;

    // The record survives a reset, and a second discard replaces it.
    admin.reset("discards", evercore::Start::Beginning).await?;
    assert_eq!(admin.discarded("discards", Position::START, 10).await?.events.len(), 2);
    fussy.dislikes(ids[0]);
    let parking = store.subscription("discards").on_failure(FailurePolicy::park());
    let worker = parking.spawn(fussy.clone())?;
    parked(store, "discards", 3).await?;
    admin.discard("discards", at(0), "eve", "once more").await?;
    let discarded = admin.discarded("discards", Position::START, 1).await?.events;
    assert_eq!((&discarded[0].event, discarded[0].by.as_str()), (&log[0], "eve"));
    worker.shutdown().await?;
    admin.delete("discards").await?;
    let gone = admin.discarded("discards", Position::START, 10).await;
    assert_error!(gone, Error::UnknownSubscription { .. });
    Ok(())
}

pub(crate) async fn a_parked_event_is_redriven_by_itself_as_often_as_told(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 2).await?;
    let fussy = Fussy::default();
    ids.iter().for_each(|&id| fussy.dislikes(id));
    let subscription = |policy| {
        let poll = Duration::from_millis(20);
        store.subscription("by itself").poll_interval(poll).on_failure(policy)
    };
    let hourly = quick(10).base(Duration::from_secs(3_600)).longest(Duration::from_secs(3_600));
    let worker = subscription(FailurePolicy::park().redrive(hourly)).spawn(fussy.clone())?;
    idle(store, "by itself", &worker).await?;
    let due = parked(store, "by itself", 2).await?;
    assert!(due.iter().all(|it| !it.redrive && it.redrive_at.is_some()), "{due:?}");
    worker.shutdown().await?;

    let worker = subscription(FailurePolicy::park().redrive(quick(3))).spawn(fussy.clone())?;
    store.subscriptions().redrive("by itself").await?;
    until_true(async || {
        let parked = store.subscriptions().parked("by itself", Position::START, 10).await?.events;
        Ok(parked.iter().all(|parked| parked.attempts == 3))
    })
    .await?;
    let given_up = parked(store, "by itself", 2).await?;
    assert!(given_up.iter().all(|it| !it.redrive && it.redrive_at.is_none()), "{given_up:?}");
    worker.shutdown().await?;

    // Waiting events follow the redriven one, and a worker without automatic redrive keeps an earlier schedule.
    let soon = quick(10).base(Duration::from_millis(500)).longest(Duration::from_millis(500));
    let worker = subscription(FailurePolicy::park().redrive(soon)).spawn(fussy.clone())?;
    store.subscriptions().redrive("by itself").await?;
    until_true(async || Ok(parked(store, "by itself", 2).await?[0].attempts >= 4)).await?;
    worker.shutdown().await?;
    counter::add(store, ids[0], 1).await?;
    ids.iter().for_each(|&id| fussy.likes(id));
    let worker = subscription(FailurePolicy::park()).spawn(fussy.clone())?;
    parked(store, "by itself", 0).await?;
    idle(store, "by itself", &worker).await?;
    let of_first = fussy.journal.events().into_iter().filter(|it| it.aggregate_id() == ids[0]);
    let log = fixture.log().await?;
    assert_eq!(of_first.collect::<Vec<_>>(), [log[0].clone(), log[2].clone()]);
    worker.shutdown().await
}

/// Redriving holds up neither new events, nor retries of other events, nor a pause.
pub(crate) async fn repeated_redrives_hold_up_nothing_else(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let mut ids = counters(store, 8).await?;
    let bad: BTreeSet<_> = ids.iter().copied().collect();
    let failures = Arc::new(AtomicU32::new(0));
    let last_bad = ids.pop().expect("there are eight");
    let handler = {
        let failures = Arc::clone(&failures);
        each(async move |event: RecordedEvent| {
            sleep(Duration::from_millis(5)).await;
            if event.aggregate_id() == last_bad {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            if bad.contains(&event.aggregate_id()) { Err("not to my taste") } else { Ok(()) }
        })
    };
    let millis = Duration::from_millis;
    let often = quick(u32::MAX).base(millis(20)).longest(millis(20));
    let policy = FailurePolicy::park().retry(quick(4).base(millis(40))).redrive(often);
    let fresh = counter::create(store, 1).await?;
    let subscription = store.subscription("busy").poll_interval(millis(10)).on_failure(policy);
    let worker = subscription.spawn(handler)?;
    let end = store.head().await?;
    let waiting = timeout(Duration::from_secs(20), store.wait_for("busy", end));
    waiting.await.expect("the redriven ones hold up the others")?;
    assert!(failures.load(Ordering::Relaxed) >= 4, "as often as the policy says");
    assert_eq!(info(store, "busy").await?.parked, 8);

    counter::add(store, fresh, 1).await?;
    let end = store.head().await?;
    let waiting = timeout(Duration::from_secs(20), store.wait_for("busy", end));
    waiting.await.expect("the redriven ones hold up a new one")?;

    store.subscriptions().pause("busy").await?;
    until_true(async || Ok(worker.status().state == SubscriptionState::Paused)).await?;
    worker.shutdown().await
}

/// The cost of one event must not grow with the number of parked events.
pub(crate) async fn many_events_behind_a_parked_one_are_parked_and_redriven(
    fixture: &Fixture,
) -> Result<()> {
    const BEHIND: usize = 4_000;
    const BOUND: Duration = Duration::from_secs(30);
    let store = fixture.store();
    let ids = counters(store, 1).await?;
    for _ in 0..BEHIND / 500 {
        let more = std::iter::repeat_with(|| Added { by: 1 }).take(500);
        store.append::<Counter, _>(Stream::Id(ids[0]), Expected::Any, more).await?;
    }
    let fussy = Fussy::default();
    fussy.dislikes(ids[0]);
    let began = Instant::now();
    let parking = store.subscription("many").on_failure(FailurePolicy::park());
    let worker = parking.spawn(fussy.clone())?;
    idle(store, "many", &worker).await?;
    assert_eq!(info(store, "many").await?.parked, BEHIND as u64 + 1);

    fussy.likes(ids[0]);
    store.subscriptions().redrive("many").await?;
    // Reading the stored state counts the parked events, which is slow, so wait on the journal.
    until_true(async || Ok(fussy.journal.len() > BEHIND)).await?;
    idle(store, "many", &worker).await?;
    let took = began.elapsed();
    worker.shutdown().await?;
    assert_eq!(fussy.journal.events(), fixture.log().await?);
    assert!(took < BOUND, "it took {took:?}");
    Ok(())
}

/// Waits for a failed event and for a parked one.
pub(crate) async fn a_wait_may_be_as_long_as_a_duration(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 2).await?;
    let fussy = Fussy::default();
    fussy.dislikes(ids[0]);
    let endless = HandlerRetry::default().attempts(9).base(Duration::MAX).longest(Duration::MAX);
    let subscription = |policy| {
        store.subscription("endless").lease(Duration::MAX).on_failure(policy).batch_size(1)
    };
    let worker = subscription(FailurePolicy::stop().retry(endless)).spawn(fussy.clone())?;
    until_true(async || Ok(fussy.failures() > 0)).await?;
    let owner = info(store, "endless").await?.partitions[0].owner.clone();
    assert!(owner.is_some(), "its lease has not ended");
    worker.shutdown().await?;

    let worker = subscription(FailurePolicy::park().redrive(endless)).spawn(fussy.clone())?;
    idle(store, "endless", &worker).await?;
    let waiting = parked(store, "endless", 1).await?;
    assert!(!waiting[0].redrive && waiting[0].redrive_at.is_some(), "{waiting:?}");
    fussy.likes(ids[0]);
    store.subscriptions().redrive("endless").await?;
    idle(store, "endless", &worker).await?;
    assert_eq!((fussy.journal.len(), info(store, "endless").await?.parked), (2, 0));
    worker.shutdown().await
}

pub(crate) async fn an_undecodable_event_is_not_passed_over(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let bad = broken_counter(engine).await?;
    let good = counter::create(store, 1).await?;
    let journal = Journal::default();
    let router = {
        let journal = journal.clone();
        Router::new().on(async move |added: Received<Added>| {
            journal.extend(std::slice::from_ref(added.recorded()));
            Ok::<_, Error>(())
        })
    };
    let ended = store.subscription("strict").run(router.clone()).await;
    assert_error!(ended, Error::HandlerFailed { source, .. }
        if source.downcast_ref::<Error>().is_some_and(|error| matches!(error, Error::Decode(_))));
    assert_eq!(journal.len(), 0);

    let worker = store.subscription("lenient").on_failure(FailurePolicy::park()).spawn(router)?;
    idle(store, "lenient", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.events()[0].aggregate_id(), good);
    let parked = store.subscriptions().parked("lenient", Position::START, 10).await?.events;
    assert_eq!((parked.len(), parked[0].event.aggregate_id()), (1, bad));
    Ok(())
}

/// Creates a counter whose only event has a payload that cannot be decoded.
async fn broken_counter(engine: &dyn StorageEngine) -> Result<AggregateId> {
    let id = raw::fresh_id(engine).await?;
    let write = raw::write::<Counter>(id, evercore::engine::Precondition::New);
    let event = raw::encoded_event::<Added>(id, 1, r#"{"by":"much"}"#);
    engine.commit(raw::commit(vec![write], vec![event])).await?;
    Ok(id)
}

pub(crate) async fn a_panic_is_a_failure_like_any_other(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ids = counters(store, 3).await?;
    let (journal, feared) = (Journal::default(), ids[1]);
    let timid = {
        let journal = journal.clone();
        each(async move |event: evercore::RecordedEvent| {
            assert!(event.aggregate_id() != feared, "a spider");
            journal.extend(&[event]);
            Ok::<_, Error>(())
        })
    };
    let worker = store.subscription("timid").on_failure(FailurePolicy::park()).spawn(timid)?;
    idle(store, "timid", &worker).await?;
    worker.shutdown().await?;
    assert_eq!(journal.len(), 2);
    let parked = store.subscriptions().parked("timid", Position::START, 10).await?.events;
    assert_eq!(parked[0].reason.as_deref(), Some("the handler panicked: a spider"));
    Ok(())
}

/// Covers a closure for single events, and one for batches of one.
pub(crate) async fn events_of_a_handler_are_linked_to_their_cause(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let metadata = Metadata::new().correlation("request 7").principal("ada");
    let id = store
        .with_context(async |ctx| {
            ctx.set_metadata(metadata.clone())?;
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            Ok::<_, Error>(counter.id())
        })
        .await?;
    counter::add(store, id, 1).await?;
    let echo = {
        let store = store.clone();
        each(async move |event: evercore::RecordedEvent| {
            if event.aggregate_id() == id {
                counter::create(&store, 0).await?;
            }
            Ok::<_, Error>(())
        })
    };
    let worker = store.subscription("echo").spawn(echo)?;
    idle(store, "echo", &worker).await?;
    worker.shutdown().await?;
    let log = fixture.log().await?;
    let said: Vec<_> = log[2..]
        .iter()
        .map(|event| (event.metadata().correlation_id(), event.metadata().causation_id()))
        .collect();
    let (first, second) = (log[0].id(), log[1].id());
    let expected = [(Some("request 7"), Some(&*first)), (Some(&*second), Some(&*second))];
    assert_eq!(said, expected);
    Ok(())
}
