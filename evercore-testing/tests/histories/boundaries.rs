//! Decisions that rest on events found by their tags.

use std::sync::Arc;

use evercore::boundary::Tags;
use evercore::{Apply, Boundary, Error, EventMeta, EventStore, Result, event};
use evercore_memory::MemoryEngine;
use evercore_testing::history::{Recorder, Violation};

use crate::domain::{Past, assert_only};

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
