//! Records the events that handlers receive.

use std::sync::Arc;

use evercore::{Batch, Error, EventFilter, EventStore, Expected, Result, Stream};
use evercore_memory::MemoryEngine;
use evercore_testing::history::{
    Check, Follower, Handled, History, Observation, Recorder, Repeats, Violation,
};

use crate::domain::Deposited;

/// Writes four accounts with three events each, and returns the events.
async fn followed() -> Result<(EventStore, Vec<Observation>, Vec<Handled>)> {
    let recorder = Recorder::new();
    let observed = recorder.observe(Arc::new(MemoryEngine::new()));
    let store = EventStore::builder().open_shared(observed).await?;
    for _ in 0..3 {
        for key in ["ada", "bob", "cyd", "eve"] {
            let stream = Stream::Key(key.try_into()?);
            store.append(stream, Expected::Any, [Deposited { amount: 1 }]).await?;
        }
    }
    let handler = recorder.handler("all", async |_: Batch| Ok::<_, Error>(()));
    let worker = store.subscription("all").batch_size(5).spawn(handler)?;
    store.wait_until_idle("all").await?;
    worker.shutdown().await?;
    let (mut commits, mut handled) = (Vec::new(), Vec::new());
    for seen in recorder.history().observations() {
        match seen {
            Observation::Handled { events, .. } => handled.extend(events),
            other => commits.push(other.clone()),
        }
    }
    Ok((store, commits, handled))
}

/// Returns the violations when a handler received this selection of all events.
async fn found(follower: Follower, give: impl FnOnce(&mut Vec<Handled>)) -> Result<Vec<Violation>> {
    let (store, mut observations, mut events) = followed().await?;
    give(&mut events);
    observations.push(Observation::Handled { subscription: "all".to_owned(), events });
    let history = History::of(observations);
    Ok(Check::of(&history).follower(follower).run(&store).await?.violations().to_vec())
}

fn without_last(events: &mut Vec<Handled>) {
    events.pop();
}

fn exactly_once() -> Follower {
    Follower::new("all").repeats(Repeats::None)
}

#[tokio::test]
async fn all_events_in_their_order_are_what_is_wanted() -> Result<()> {
    assert_eq!(found(exactly_once(), |_| {}).await?, []);
    assert_eq!(found(exactly_once().partitions(3), |_| {}).await?, []);
    let none = EventFilter::new().aggregate_named("customer");
    assert_eq!(found(exactly_once().filter(none), Vec::clear).await?, []);
    Ok(())
}

#[tokio::test]
async fn an_event_that_did_not_come_is_missed() -> Result<()> {
    let last = found(exactly_once(), without_last).await?;
    assert!(matches!(&last[..], [Violation::Missed { event, .. }] if event.position.get() == 12));
    let unfinished = exactly_once().unfinished();
    assert_eq!(found(unfinished, without_last).await?, []);
    let inner = found(exactly_once().unfinished(), |events| {
        events.retain(|event| event.position.get() != 6)
    })
    .await?;
    let is_gap = |violation: &Violation| matches!(violation, Violation::Overtaken { earlier, .. } if earlier.position.get() == 6);
    assert!(!inner.is_empty() && inner.iter().all(is_gap), "{inner:#?}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_came_again_is_a_violation_where_it_takes_effect_once() -> Result<()> {
    let again = |events: &mut Vec<Handled>| events.extend_from_within(4..);
    assert_eq!(found(Follower::new("all"), again).await?, []);
    let twice = found(exactly_once(), again).await?;
    assert_eq!(twice.len(), 8, "{twice:#?}");
    assert!(matches!(twice[0], Violation::Repeated { times: 2, .. }));
    Ok(())
}

#[tokio::test]
async fn an_event_before_an_earlier_one_is_overtaken() -> Result<()> {
    let swap = |events: &mut Vec<Handled>| events.swap(4, 5);
    let swapped = found(exactly_once(), swap).await?;
    assert!(matches!(&swapped[..], [Violation::Overtaken { .. }]), "{swapped:#?}");
    // The two events belong to different aggregates and different partitions.
    assert_eq!(found(exactly_once().by_aggregate(), swap).await?, []);
    assert_eq!(found(exactly_once().partitions(2), swap).await?, []);
    let same = found(exactly_once().by_aggregate(), |events| events.swap(4, 8)).await?;
    assert!(matches!(&same[..], [Violation::Overtaken { .. }]), "{same:#?}");
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_not_in_the_log_is_found() -> Result<()> {
    let foreign = found(exactly_once(), |events| {
        let sequence = events[0].sequence.next();
        events.push(Handled { sequence, ..events[0] });
    });
    let foreign = foreign.await?;
    assert!(matches!(&foreign[..], [Violation::NotFollowed { .. }]), "{foreign:#?}");
    let started_later = exactly_once().after(evercore::Position::FIRST);
    let before_start = found(started_later, |_| {}).await?;
    assert!(matches!(&before_start[..], [Violation::NotFollowed { .. }]), "{before_start:#?}");
    Ok(())
}

#[tokio::test]
async fn workers_share_what_is_to_be_handled() -> Result<()> {
    let (store, commits, events) = followed().await?;
    let part = |events: &[Handled]| {
        let subscription = "all".to_owned();
        History::of(vec![Observation::Handled { subscription, events: events.to_vec() }])
    };
    let (first, second) = (part(&events[..7]), part(&events[7..]));
    let sound = History::of(commits.clone()).then(first.clone().beside(second.clone()));
    Check::of(&sound).follower(exactly_once()).run(&store).await?.assert_sound();
    let sound = History::of(commits.clone()).then(first.clone()).then(second.clone());
    Check::of(&sound).follower(exactly_once()).run(&store).await?.assert_sound();

    let reversed = History::of(commits).then(second).then(first);
    let verdict = Check::of(&reversed).follower(exactly_once()).run(&store).await?;
    assert!(matches!(verdict.violations()[..], [Violation::Overtaken { .. }]), "{verdict}");
    Ok(())
}
