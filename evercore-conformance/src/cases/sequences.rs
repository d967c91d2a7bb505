//! P3: the sequences of an aggregate are 1, 2, 3 … without gaps or repetitions.

use evercore::engine::Precondition;
use evercore::{Error, Expected, Result, Sequence, Stream};

use crate::assert::{assert_error, assert_unbroken};
use crate::domain::account::Refused;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::race::race_all;
use crate::raw;

pub(crate) async fn sequences_have_no_holes_under_racing_writers(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    race_all(8, |_| {
        let store = store.clone();
        async move {
            for _ in 0..10 {
                counter::add(&store, id, 1).await?;
            }
            Ok(())
        }
    })
    .await?;

    let history = store.history(id, ..).await?.events;
    assert_eq!(history.len(), 81);
    assert_unbroken(&history);
    Ok(())
}

pub(crate) async fn sequences_have_no_holes_after_conflicts_and_failures(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    for round in 0..5 {
        let failed = store
            .with_context_once(async |ctx| {
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.apply(&mut counter, Added { by: 100 })?;
                ctx.apply(&mut counter, Added { by: 100 })?;
                Err::<(), _>(Refused::Overdrawn)
            })
            .await;
        assert_error!(failed, Refused::Overdrawn);
        let stale = Expected::Exactly(Sequence::new(round)?);
        let refused =
            store.append::<Counter, _>(Stream::Id(id), stale, [Added { by: 100 }; 3]).await;
        assert_error!(refused, Error::Conflict { .. });
        counter::add(store, id, 1).await?;
    }

    let history = store.history(id, ..).await?.events;
    assert_eq!(history.len(), 6);
    assert_unbroken(&history);
    assert_eq!(counter::value(store, id).await?, 5);
    Ok(())
}

/// Each append uses its own number as the amount, so that its events can be told from those of others.
pub(crate) async fn racing_appends_in_any_state_are_numbered_without_holes(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    race_all(8, |runner| {
        let store = store.clone();
        async move {
            for round in 0..5 {
                let by = i64::try_from(runner * 5 + round + 1).expect("small");
                let events = [Added { by }; 3];
                store.append::<Counter, _>(Stream::Id(id), Expected::Any, events).await?;
            }
            Ok(())
        }
    })
    .await?;

    let history = store.history(id, ..).await?.events;
    assert_eq!(history.len(), 1 + 8 * 5 * 3);
    assert_unbroken(&history);
    for events in history[1..].chunks(3) {
        let mut amounts = Vec::new();
        for event in events {
            amounts.push(event.decode::<Added>()?.by);
        }
        assert!(
            amounts.iter().all(|by| *by == amounts[0]),
            "an append is interleaved: {amounts:?}"
        );
    }
    Ok(())
}

pub(crate) async fn each_aggregate_of_a_commit_counts_for_itself(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let first = counter::create(store, 0).await?;
    let second = store
        .with_context(async |ctx| {
            let mut first = ctx.load::<Counter>(first).await?;
            let mut second = ctx.create::<Counter>().await?;
            for _ in 0..3 {
                ctx.apply(&mut first, Added { by: 1 })?;
                ctx.apply(&mut second, Added { by: 1 })?;
            }
            assert_eq!((first.sequence().get(), second.sequence().get()), (4, 3));
            Ok::<_, Error>(second.id())
        })
        .await?;
    assert_unbroken(&store.history(first, ..).await?.events);
    assert_unbroken(&store.history(second, ..).await?.events);
    let order: Vec<_> = fixture.log().await?.iter().map(|event| event.aggregate_id()).collect();
    let together = [first, second, first, second, first, second];
    assert_eq!(order[1..], together, "positions follow the order within the commit");
    Ok(())
}

/// Also if a commit appends to several aggregates alternately.
pub(crate) async fn each_aggregate_is_numbered_where_no_sequence_was_expected(
    fixture: &Fixture,
) -> Result<()> {
    assert_counted_on(fixture, [Precondition::Exists, Precondition::Exists]).await
}

/// An append counts its events from 1, whatever sequence it expects. The engine counts on from that sequence, also where
/// it stores several aggregates together.
pub(crate) async fn each_aggregate_counts_on_from_the_expected_sequence(
    fixture: &Fixture,
) -> Result<()> {
    let at = Precondition::At(Sequence::new(1)?);
    let unchanged = Precondition::Unchanged { sequence: Sequence::new(2)?, key: None };
    assert_counted_on(fixture, [at, unchanged]).await
}

/// Appends two events each to an aggregate with one event and to one with two, alternately and in one commit, and
/// asserts that their sequences count on.
async fn assert_counted_on(fixture: &Fixture, preconditions: [Precondition; 2]) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let ids = [counter::create(store, 0).await?, counter::create(store, 0).await?];
    counter::add(store, ids[1], 1).await?;
    let event = |sequence, id| raw::new_event(id, sequence, &Added { by: 1 });
    let events = (1..=2).flat_map(|sequence| ids.map(|id| event(sequence, id)));
    let writes = ids.into_iter().zip(preconditions);
    let writes = writes.map(|(id, precondition)| raw::write::<Counter>(id, precondition));
    engine.commit(raw::commit(writes.collect(), events.collect())).await?;

    for (id, length) in ids.into_iter().zip([3, 4]) {
        let history = store.history(id, ..).await?.events;
        assert_eq!(history.len(), length);
        assert_unbroken(&history);
    }
    Ok(())
}

/// An engine assigns the sequences itself, because the context's are only right if it knew the state.
pub(crate) async fn the_engine_gives_the_sequence_where_none_was_expected(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 0).await?;
    let events =
        vec![raw::new_event(id, 1, &Added { by: 1 }), raw::new_event(id, 2, &Added { by: 1 })];
    let writes = vec![raw::write::<Counter>(id, Precondition::Exists)];
    engine.commit(raw::commit(writes, events)).await?;

    let history = store.history(id, ..).await?.events;
    assert_eq!(history.len(), 3);
    assert_unbroken(&history);
    Ok(())
}
