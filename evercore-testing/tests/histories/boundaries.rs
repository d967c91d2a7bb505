//! Decisions that rest on events found by their tags.

use std::sync::Arc;

use evercore::boundary::Tags;
use evercore::{Apply, Boundary, Error, EventMeta, EventStore, Result, Sequence, event};
use evercore_memory::MemoryEngine;
use evercore_testing::history::{DecidedOn, Observation, Obstacle, Recorder, Violation};

use crate::domain::{Account, Deposited, Past, assert_only};

#[event(tags(seat))]
struct Taken {
    seat: u32,
}

#[derive(Boundary, Default)]
#[boundary(key(seat: u32), events(Taken))]
struct Seat {
    times: u32,
}

impl Apply<Taken> for Seat {
    fn apply(&mut self, _: &Taken, _: &EventMeta) {
        self.times += 1;
    }
}

/// Makes these commits, in order: seat 1 is taken; seat 2 is; seat 1 is taken again by a decision that has seen the first
/// time.
async fn sound() -> Result<Past> {
    let (recorder, engine) = (Recorder::new(), MemoryEngine::new());
    let observed = recorder.observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    for seat in [1, 2] {
        store.with_context(async |ctx| ctx.emit(Taken { seat })).await?;
    }
    store
        .with_context(async |ctx| {
            assert_eq!(ctx.read(Seat::of(1)).await?.times, 1);
            ctx.emit(Taken { seat: 1 })?;
            Ok::<_, Error>(())
        })
        .await?;
    let observations = recorder.history().observations().cloned().collect();
    Ok(Past { engine, store, observations })
}

#[tokio::test]
async fn a_decision_on_all_events_of_its_boundary_is_sound() -> Result<()> {
    let verdict = sound().await?.verdict().await?;
    assert!(verdict.violations().is_empty(), "{verdict}");
    Ok(())
}

#[tokio::test]
async fn a_decision_on_fewer_events_than_lie_before_it_is_stale() -> Result<()> {
    let mut past = sound().await?;
    past.begun(2).conditions[0].beyond = evercore::Position::START;
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(violations, Violation::StaleBoundary { boundary, seen: 0, there: 1, .. } if boundary == "Seat");
    Ok(())
}

#[tokio::test]
async fn a_decision_on_more_events_than_lie_before_it_is_stale() -> Result<()> {
    let mut past = sound().await?;
    past.begun(2).conditions[0].seen = 1;
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(violations, Violation::StaleBoundary { seen: 1, there: 0, .. });
    Ok(())
}

#[tokio::test]
async fn an_event_that_lost_its_tags_is_found() -> Result<()> {
    let mut past = sound().await?;
    past.begun(1).events[0].tags = Tags::NONE;
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(violations, Violation::Altered { event, .. } if event.position.get() == 2);
    Ok(())
}

/// Makes these commits, in order: ada's account is opened; a decision on seat 2, which is free, guards the account and
/// takes seat 1; a decision on seat 1, which is taken, writes to the account; a decision on seat 1 guards the account and
/// has no event; seat 1 is taken again.
async fn beside_an_account() -> Result<Past> {
    let (recorder, engine) = (Recorder::new(), MemoryEngine::new());
    let observed = recorder.observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    let ada = store
        .with_context(async |ctx| {
            let mut ada = ctx.create_with_key::<Account>("ada").await?;
            ctx.apply(&mut ada, Deposited { amount: 1 })?;
            Ok::<_, Error>(ada.id())
        })
        .await?;
    store
        .with_context(async |ctx| {
            ctx.read(Seat::of(2)).await?;
            let ada = ctx.load::<Account>(ada).await?;
            ctx.guard(&ada)?;
            ctx.emit(Taken { seat: 1 })
        })
        .await?;
    store
        .with_context(async |ctx| {
            ctx.read(Seat::of(1)).await?;
            let mut ada = ctx.load::<Account>(ada).await?;
            ctx.apply(&mut ada, Deposited { amount: 2 })
        })
        .await?;
    store
        .with_context(async |ctx| {
            ctx.read(Seat::of(1)).await?;
            let ada = ctx.load::<Account>(ada).await?;
            ctx.guard(&ada)
        })
        .await?;
    store.with_context(async |ctx| ctx.emit(Taken { seat: 1 })).await?;
    let observations = recorder.history().observations().cloned().collect();
    Ok(Past { engine, store, observations })
}

/// Moves the beginnings of all commits before the first answer.
fn at_once(past: &mut Past) {
    past.observations.sort_by_key(|seen| !matches!(seen, Observation::Begun(_)));
}

#[tokio::test]
async fn decisions_that_overlap_may_have_any_order() -> Result<()> {
    for mut past in [sound().await?, beside_an_account().await?] {
        past.verdict().await?.assert_sound();
        at_once(&mut past);
        past.verdict().await?.assert_sound();
        past.observations.reverse();
        at_once(&mut past);
        past.verdict().await?.assert_sound();
    }
    Ok(())
}

#[tokio::test]
async fn a_decision_without_events_on_what_came_later_has_no_place() -> Result<()> {
    let mut past = beside_an_account().await?;
    past.begun(3).conditions[0].seen += 1;
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(
        violations,
        Violation::NoOrder { after: 3, stuck }
            if matches!(stuck[0].1, Obstacle::Boundary { needed: 2, found: 1, .. })
    );
    // Where it overlaps with the later one, it may come after it.
    at_once(&mut past);
    past.verdict().await?.assert_sound();
    Ok(())
}

#[tokio::test]
async fn a_decision_without_events_that_overlooks_one_has_no_place() -> Result<()> {
    let mut past = beside_an_account().await?;
    let condition = &mut past.begun(3).conditions[0];
    (condition.beyond, condition.seen) = (evercore::Position::START, 0);
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(
        violations,
        Violation::NoOrder { after: 1, stuck }
            if matches!(stuck[0].1, Obstacle::BoundaryNeeded { position } if position.get() == 2)
    );
    Ok(())
}

#[tokio::test]
async fn a_boundary_and_a_guard_that_want_opposite_orders_have_no_place() -> Result<()> {
    let mut past = beside_an_account().await?;
    at_once(&mut past);
    // The decision that takes seat 1 guards the account after the event of the decision that has seen the seat taken.
    let after = DecidedOn::Sequence(Sequence::new(2)?);
    let begun = past.begun(1);
    let guard = begun.writes.iter_mut().find(|write| write.aggregate_type == "account");
    guard.expect("it guards the account").decided_on = after;
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(violations, Violation::NoOrder { after: 1, .. });
    Ok(())
}

#[tokio::test]
async fn a_decision_between_the_events_of_a_commit_has_no_place() -> Result<()> {
    let (recorder, engine) = (Recorder::new(), MemoryEngine::new());
    let observed = recorder.observe(Arc::new(engine.clone()));
    let store = EventStore::builder().open_shared(observed).await?;
    store
        .with_context(async |ctx| {
            ctx.emit(Taken { seat: 1 })?;
            ctx.emit(Taken { seat: 1 })
        })
        .await?;
    store
        .with_context(async |ctx| {
            ctx.read(Seat::of(1)).await?;
            ctx.create_with_key::<Account>("ada").await.map(drop)
        })
        .await?;
    let observations = recorder.history().observations().cloned().collect();
    let mut past = Past { engine, store, observations };
    past.verdict().await?.assert_sound();
    at_once(&mut past);
    let condition = &mut past.begun(1).conditions[0];
    (condition.beyond, condition.seen) = (evercore::Position::START, 1);
    let violations = past.verdict().await?.violations().to_vec();
    assert_only!(
        violations,
        Violation::NoOrder { stuck, .. }
            if matches!(stuck[0].1, Obstacle::Boundary { needed: 1, .. })
    );
    Ok(())
}
