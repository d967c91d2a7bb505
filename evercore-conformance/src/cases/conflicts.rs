//! P4: a write decided on stale state is never committed but is a conflict.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use evercore::engine::Precondition;
use evercore::error::ConflictReason;
use evercore::{
    Aggregate, Error, EventStoreBuilder, Expected, NaturalKey, Result, RetryPolicy, Sequence,
    Stream,
};

use crate::assert::{Witness, assert_error, exists};
use crate::domain::account::Account;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::raw;

pub(crate) async fn a_stale_write_is_a_conflict(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let answer = store
        .with_context_once(async |ctx| {
            let mut stale = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 10).await?;
            ctx.apply(&mut stale, Added { by: 100 })
        })
        .await;

    let (expected, actual) = (Sequence::FIRST, Sequence::new(2)?);
    let reason = ConflictReason::Sequence { expected, actual };
    assert_error!(answer, Error::Conflict { id: conflicting, reason: found, aggregate }
        if conflicting == id && found == reason && aggregate == Counter::NAME);
    assert_eq!(counter::value(store, id).await?, 11);
    assert_eq!(store.history(id, ..).await?.events.len(), 2);
    Ok(())
}

pub(crate) async fn a_rerun_decides_on_fresh_state(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let runs = AtomicU32::new(0);
    let seen = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                counter::add(&fixture.rival(), id, 10).await?;
            }
            let seen = counter.state().value;
            ctx.apply(&mut counter, Added { by: 100 })?;
            Ok::<_, Error>(seen)
        })
        .await?;
    assert_eq!((runs.into_inner(), seen), (2, 11));
    assert_eq!(counter::value(store, id).await?, 111);
    Ok(())
}

pub(crate) async fn an_expectation_too_low_or_too_high_is_a_conflict(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    counter::add(store, id, 1).await?;
    let before = Witness::take(fixture.engine(), Counter::NAME, &[]).await?;
    for expected in [0, 1, 3, 4, 1_000_000] {
        let expected = Sequence::new(expected)?;
        let events = [Added { by: 5 }, Added { by: 6 }];
        let answer =
            store.append::<Counter, _>(Stream::Id(id), Expected::Exactly(expected), events).await;
        let reason = ConflictReason::Sequence { expected, actual: Sequence::new(2)? };
        assert_error!(answer, Error::Conflict { reason: found, .. } if found == reason);
        assert_eq!(Witness::take(fixture.engine(), Counter::NAME, &[]).await?, before);
    }
    let right = Expected::Exactly(Sequence::new(2)?);
    store.append::<Counter, _>(Stream::Id(id), right, [Added { by: 5 }]).await?;
    assert_eq!(counter::value(store, id).await?, 7);
    Ok(())
}

pub(crate) async fn no_stream_refuses_an_aggregate_with_events(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "counter", 1).await?;
    let key = NaturalKey::new("counter")?;
    for stream in [Stream::Id(id), Stream::Key(key)] {
        let answer =
            store.append::<Counter, _>(stream, Expected::NoStream, [Added { by: 5 }]).await;
        assert_error!(answer, Error::Conflict { .. });
    }
    assert_eq!(counter::value(store, id).await?, 1);
    Ok(())
}

/// The decision may depend on the key, and the sequence does not show that the key has changed.
pub(crate) async fn a_key_change_conflicts_with_a_decision_on_the_old_key(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    for new_key in [Some("new"), None] {
        let id = counter::create_with_key(store, "old", 1).await?;
        let answer = store
            .with_context_once(async |ctx| {
                let mut stale = ctx.load_by_key::<Counter>("old").await?;
                fixture
                    .rival()
                    .with_context(async |other| {
                        let mut counter = other.load::<Counter>(id).await?;
                        match new_key {
                            Some(key) => other.change_key(&mut counter, key),
                            None => other.clear_key(&mut counter),
                        }
                    })
                    .await?;
                ctx.apply(&mut stale, Added { by: 100 })
            })
            .await;
        assert_error!(answer, Error::Conflict { reason: ConflictReason::Key, .. });
        assert_eq!(counter::value(store, id).await?, 1);
        assert_eq!(counter::find_by_key(store, "old").await?, None);
    }
    Ok(())
}

pub(crate) async fn a_stale_key_change_is_a_conflict(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "old", 1).await?;
    let answer = store
        .with_context_once(async |ctx| {
            let mut stale = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 1).await?;
            ctx.change_key(&mut stale, "new")
        })
        .await;
    assert_error!(answer, Error::Conflict { reason: ConflictReason::Sequence { .. }, .. });
    assert_eq!(counter::find_by_key(store, "old").await?, Some(id));
    assert_eq!(counter::find_by_key(store, "new").await?, None);
    Ok(())
}

pub(crate) async fn an_aggregate_is_created_once(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let id = raw::fresh_id(engine).await?;
    engine.commit(raw::creation(id, &[Added { by: 1 }])).await?;
    let again = engine.commit(raw::creation(id, &[Added { by: 1 }])).await;
    assert_error!(again, Error::Conflict { reason: ConflictReason::Created, .. });
    assert_eq!(counter::value(fixture.store(), id).await?, 1);
    Ok(())
}

/// No precondition, of whatever kind, holds for an aggregate of another type or for one that does not exist.
pub(crate) async fn every_expectation_includes_existence_and_type(fixture: &Fixture) -> Result<()> {
    let engine = fixture.engine();
    let counter = counter::create(fixture.store(), 1).await?;
    let unknown = raw::fresh_id(engine).await?;
    let before = Witness::take(engine, Counter::NAME, &[]).await?;
    let expectations = [
        Precondition::Exists,
        Precondition::At(Sequence::FIRST),
        Precondition::At(Sequence::ZERO),
        Precondition::Unchanged { sequence: Sequence::FIRST, key: None },
        Precondition::Unchanged { sequence: Sequence::ZERO, key: None },
    ];
    for expectation in expectations {
        let as_account = raw::write::<Account>(counter, expectation.clone());
        let answer = engine.commit(raw::commit(vec![as_account], Vec::new())).await;
        assert_error!(answer, Error::WrongAggregateType { id, expected, found }
            if id == counter && expected == Account::NAME && found == Counter::NAME);

        let of_unknown = raw::write::<Counter>(unknown, expectation);
        let answer = engine.commit(raw::commit(vec![of_unknown], Vec::new())).await;
        assert_error!(answer, Error::UnknownId { id, .. } if id == unknown);
        assert!(!exists(engine, Counter::NAME, unknown).await?);
    }
    assert_eq!(Witness::take(engine, Counter::NAME, &[]).await?, before);
    Ok(())
}

pub(crate) async fn without_retries_the_first_conflict_is_the_answer(
    fixture: &Fixture,
) -> Result<()> {
    let impatient = fixture.builder().retry(RetryPolicy::none());
    assert_runs_until_given_up(fixture, impatient, 1).await
}

pub(crate) async fn retries_are_bounded(fixture: &Fixture) -> Result<()> {
    let three = fixture.builder().retry(RetryPolicy::default().attempts(3));
    assert_runs_until_given_up(fixture, three, 3).await
}

/// Asserts the number of runs of a closure that conflicts each time.
async fn assert_runs_until_given_up(
    fixture: &Fixture,
    builder: EventStoreBuilder,
    expected: u32,
) -> Result<()> {
    let store = fixture.store_with(builder).await?;
    let expected = fixture.runs(expected);
    let id = counter::create(&store, 0).await?;
    let runs = Arc::new(AtomicU32::new(0));
    let answer = store
        .with_context(async |ctx| {
            runs.fetch_add(1, Ordering::Relaxed);
            let mut stale = ctx.load::<Counter>(id).await?;
            counter::add(fixture.store(), id, 1).await?;
            ctx.apply(&mut stale, Added { by: 100 })
        })
        .await;
    assert_error!(answer, Error::Conflict { .. });
    assert_eq!(runs.load(Ordering::Relaxed), expected);
    assert_eq!(counter::value(&store, id).await?, i64::from(expected));
    Ok(())
}

pub(crate) async fn a_context_run_once_is_not_run_again(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    let mut runs = 0;
    let answer = store
        .with_context_once(async |ctx| {
            runs += 1;
            let mut stale = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 1).await?;
            ctx.apply(&mut stale, Added { by: 100 })
        })
        .await;
    assert_error!(answer, Error::Conflict { .. });
    assert_eq!(runs, 1);
    Ok(())
}
