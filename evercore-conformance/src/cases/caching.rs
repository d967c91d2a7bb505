//! The promises of stores that cache aggregates: no result and no commit is based on a stale state.

use std::sync::{Mutex, PoisonError};

use evercore::{
    AggregateId, CommandError, Error, EventStore, Expected, NaturalKey, Result, RetryPolicy, Stream,
};

use crate::assert::assert_error;
use crate::cut::drop_after_polls;
use crate::domain::account::{self, Account, Deposit, Overdrawn, Refused, Withdraw, Withdrawn};
use crate::domain::counter::{self, Added, Counter, Reset};
use crate::fixture::Fixture;

pub(crate) async fn a_stale_state_is_decided_on_anew(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "key", 1).await?;
    assert_eq!(increment(store, id).await?, [1], "it is in memory, and right");

    counter::add(&fixture.neighbour().await?, id, 10).await?;
    assert_eq!(increment(store, id).await?, [2, 12], "it is in memory, and stale");
    assert_eq!(increment(store, id).await?, [13]);
    assert_eq!(counter::value(store, id).await?, 14);

    counter::add(&fixture.neighbour().await?, id, 10).await?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load_by_key::<Counter>("key").await?;
            let to = counter.state().value + 1;
            ctx.apply(&mut counter, Reset { to })
        })
        .await?;
    assert_eq!(counter::value(store, id).await?, 25);
    Ok(())
}

pub(crate) async fn a_rejection_on_a_stale_state_is_judged_anew(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 10).await?;
    deposit(&fixture.neighbour().await?, id, 100).await?;
    let answer = store.execute::<Account, _>(id, Withdraw { amount: 50 }).await;
    assert_eq!(answer.map_err(unexpected)?.state().balance, 60);

    let answer = store.execute::<Account, _>(id, Withdraw { amount: 61 }).await;
    assert_error!(answer, CommandError::Rejected(Overdrawn));
    assert_eq!(account::total(store, &[id]).await?, 60);
    Ok(())
}

/// Covers the errors of the closure and those of a commit.
pub(crate) async fn an_error_on_a_stale_state_is_judged_anew(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let (own, other) = (account::open(store, 10).await?, account::open(store, 0).await?);
    deposit(&fixture.neighbour().await?, own, 100).await?;
    let answer = account::transfer(store, own, other, 50).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_error!(account::transfer(store, own, other, 61).await, Refused::Overdrawn);
    assert_eq!(account::total(store, &[own, other]).await?, 110);

    counter::create_with_key(store, "taken", 0).await?;
    let choice = counter::create(store, 1).await?;
    counter::add(&fixture.neighbour().await?, choice, 1).await?;
    store
        .with_context(async |ctx| {
            let choice = ctx.load::<Counter>(choice).await?;
            let key = if choice.state().value == 1 { "taken" } else { "free" };
            ctx.create_with_key::<Counter>(key).await.map(drop)
        })
        .await?;
    assert!(counter::find_by_key(store, "free").await?.is_some());
    Ok(())
}

pub(crate) async fn a_command_without_an_effect_is_decided_on_what_is_stored(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = account::open(store, 10).await?;
    deposit(&fixture.neighbour().await?, id, 100).await?;
    let executed = store.execute::<Account, _>(id, Deposit { amount: 0 }).await;
    let executed = executed.map_err(unexpected)?;
    assert_eq!((executed.state().balance, executed.commit()), (110, None));
    Ok(())
}

pub(crate) async fn a_context_that_writes_nothing_shows_no_stale_state(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    counter::add(&fixture.neighbour().await?, id, 10).await?;
    let log = fixture.log().await?;
    let shown = store
        .with_context(async |ctx| ctx.load::<Counter>(id).await.map(|found| found.state().value))
        .await?;
    assert_eq!(shown, 11);
    assert_eq!(fixture.log().await?, log);
    Ok(())
}

/// Happens without an explicit guard, because users cannot know that a state comes from the cache.
pub(crate) async fn an_aggregate_that_is_only_read_is_guarded(fixture: &Fixture) -> Result<()> {
    const AMOUNT: i64 = 150;
    let (store, neighbour) = (fixture.store(), fixture.neighbour().await?);
    let (left, right) = (account::open(store, 100).await?, account::open(store, 100).await?);
    let withdraw = async |store: &EventStore, own, other| {
        store
            .with_context(async |ctx| {
                let mut own = ctx.load::<Account>(own).await?;
                let other = ctx.load::<Account>(other).await?;
                if own.state().balance + other.state().balance < AMOUNT {
                    return Err(Refused::Overdrawn);
                }
                Ok(ctx.apply(&mut own, Withdrawn { amount: AMOUNT })?)
            })
            .await
    };
    let first = withdraw(&neighbour, right, left).await;
    assert!(first.is_ok(), "{first:?}");
    assert_error!(withdraw(store, left, right).await, Refused::Overdrawn);
    assert_eq!(account::total(store, &[left, right]).await?, 50);

    let copied = store
        .with_context(async |ctx| {
            let balance = ctx.load::<Account>(right).await?.state().balance;
            let mut copy = ctx.create::<Counter>().await?;
            ctx.apply(&mut copy, Added { by: balance })?;
            Ok::<_, Error>(copy.id())
        })
        .await?;
    assert_eq!(counter::value(store, copied).await?, -50);
    Ok(())
}

pub(crate) async fn a_key_that_moved_leads_to_its_new_holder(fixture: &Fixture) -> Result<()> {
    let (store, neighbour) = (fixture.store(), fixture.neighbour().await?);
    let former = counter::create_with_key(store, "key", 1).await?;
    let present = counter::create(store, 2).await?;
    counter::pass_on(&neighbour, "key", present).await?;
    let found = add_by_key(store, "key", 100).await?;
    assert_eq!(found, present);
    assert_eq!(counter::value(store, former).await?, 1);
    assert_eq!(counter::value(store, present).await?, 102);

    // The key is given up altogether, by this process itself.
    store
        .with_context(async |ctx| {
            let mut present = ctx.load::<Counter>(present).await?;
            ctx.clear_key(&mut present)
        })
        .await?;
    let made = add_by_key(store, "key", 7).await?;
    assert!(made != former && made != present);
    assert_eq!(counter::find_by_key(store, "key").await?, Some(made));
    Ok(())
}

pub(crate) async fn a_refused_commit_is_not_cached(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    counter::create_with_key(store, "taken", 0).await?;
    let failed = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 100 })?;
            Err::<(), _>(Refused::Overdrawn)
        })
        .await;
    assert_error!(failed, Refused::Overdrawn);
    let refused = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 100 })?;
            ctx.change_key(&mut counter, "taken")
        })
        .await;
    assert_error!(refused, Error::KeyTaken { .. });
    assert_eq!(increment(store, id).await?, [1]);

    let impatient = fixture.store_with(fixture.builder().retry(RetryPolicy::none())).await?;
    let lost = impatient
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            counter::add(store, id, 1).await?;
            ctx.apply(&mut counter, Added { by: 100 })
        })
        .await;
    assert_error!(lost, Error::Conflict { .. });
    assert_eq!(increment(&impatient, id).await?, [3]);
    Ok(())
}

pub(crate) async fn a_dropped_context_leaves_nothing_wrong_behind(fixture: &Fixture) -> Result<()> {
    const MOST_POLLS: u32 = 1_000;
    let store = fixture.store();
    let id = counter::create(store, 0).await?;
    for polls in 0..=MOST_POLLS {
        let work = store.with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            let to = counter.state().value + 1;
            tokio::task::yield_now().await;
            ctx.apply(&mut counter, Reset { to })
        });
        let finished = drop_after_polls(polls, work).await;
        // The dropped commit may still complete; then the cached state is stale, which must be noticed.
        increment(store, id).await?;
        let history = store.history(id, ..).await?.events;
        let values = i64::try_from(history.len()).expect("few") - 1;
        assert_eq!(counter::value(store, id).await?, values, "each event adds one");
        if let Some(answer) = finished {
            return answer;
        }
    }
    panic!("the context is not through after {MOST_POLLS} polls");
}

/// The same store writes in ways that leave no state to cache.
pub(crate) async fn writes_past_the_cache_are_seen(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 10 }]).await?;
    assert_eq!(increment(store, id).await?, [11]);

    counter::add(&fixture.neighbour().await?, id, 10).await?;
    store
        .with_context_once(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 10 })
        })
        .await?;
    assert_eq!(increment(store, id).await?, [32]);
    Ok(())
}

fn unexpected(error: CommandError<Overdrawn>) -> Error {
    match error {
        CommandError::Rejected(Overdrawn) => panic!("there is enough money"),
        CommandError::Store(error) => error,
    }
}

async fn deposit(store: &EventStore, id: AggregateId, amount: i64) -> Result<()> {
    store.execute::<Account, _>(id, Deposit { amount }).await.map(drop).map_err(unexpected)
}

/// Adds one to the value it reads. Returns the values that all runs have read.
async fn increment(store: &EventStore, id: AggregateId) -> Result<Vec<i64>> {
    let seen = Mutex::new(Vec::new());
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            let value = counter.state().value;
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(value);
            ctx.apply(&mut counter, Reset { to: value + 1 })
        })
        .await?;
    Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Adds to the counter with a key; creates it if needed.
async fn add_by_key(store: &EventStore, key: &str, by: i64) -> Result<AggregateId> {
    let key = NaturalKey::new(key)?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load_or_create::<Counter>(key.clone()).await?;
            ctx.apply(&mut counter, Added { by })?;
            Ok(counter.id())
        })
        .await
}
