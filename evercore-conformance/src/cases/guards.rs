//! P4 for aggregates that are only read: a guard makes the commit depend on them.

use evercore::{AggregateId, Error, EventStore, Result};

use crate::assert::assert_error;
use crate::domain::account::{self, Account, Refused, Withdrawn};
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::Fixture;
use crate::race::race;

pub(crate) async fn a_guard_conflicts_if_the_aggregate_changed(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let guarded = counter::create_with_key(store, "old", 1).await?;
    let written = counter::create(store, 1).await?;
    let rival = fixture.rival();
    let answer =
        guarded_write(store, guarded, written, async || counter::add(&rival, guarded, 1).await)
            .await;
    assert_error!(answer, Error::Conflict { id, .. } if id == guarded);

    let answer = guarded_write(store, guarded, written, async || {
        rival
            .with_context(async |ctx| {
                let mut counter = ctx.load::<Counter>(guarded).await?;
                ctx.change_key(&mut counter, "new")
            })
            .await
    })
    .await;
    assert_error!(answer, Error::Conflict { id, .. } if id == guarded);
    assert_eq!(counter::value(store, written).await?, 1);
    Ok(())
}

pub(crate) async fn a_guard_of_an_unchanged_aggregate_is_no_conflict(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let guarded = counter::create_with_key(store, "key", 1).await?;
    let written = counter::create(store, 1).await?;
    let other = counter::create(store, 1).await?;
    let rival = fixture.rival();
    guarded_write(store, guarded, written, async || counter::add(&rival, other, 1).await).await?;
    assert_eq!(counter::value(store, written).await?, 101);
    assert_eq!(store.history(guarded, ..).await?.events.len(), 1, "a guard writes nothing");
    Ok(())
}

pub(crate) async fn a_context_of_nothing_but_guards_is_checked(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let before = fixture.log().await?;
    store
        .with_context_once(async |ctx| {
            let counter = ctx.load::<Counter>(id).await?;
            ctx.guard(&counter)
        })
        .await?;
    assert_eq!(fixture.log().await?, before);

    let answer = store
        .with_context_once(async |ctx| {
            let counter = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 1).await?;
            ctx.guard(&counter)
        })
        .await;
    assert_error!(answer, Error::Conflict { .. });
    Ok(())
}

/// An aggregate that is read without a guard may change, as documented; `guard` prevents that.
pub(crate) async fn write_skew_is_possible_without_guards(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let (left, right) = (account::open(store, 100).await?, account::open(store, 100).await?);
    let first = withdraw(store, left, right, Guard::No, async || {
        withdraw(&fixture.rival(), right, left, Guard::No, async || Ok(())).await
    });
    assert!(first.await.is_ok());
    assert_eq!(account::total(store, &[left, right]).await?, -100);
    Ok(())
}

pub(crate) async fn guards_prevent_write_skew(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let (left, right) = (account::open(store, 100).await?, account::open(store, 100).await?);
    let first = withdraw(store, left, right, Guard::Yes, async || {
        withdraw(&fixture.rival(), right, left, Guard::Yes, async || Ok(())).await
    });
    assert_error!(first.await, Refused::Store(Error::Conflict { id, .. }) if id == right);
    assert_eq!(account::total(store, &[left, right]).await?, 50);
    Ok(())
}

/// Each context writes one account and guards the other, in both directions: no deadlock, and the rule holds.
pub(crate) async fn racing_guards_keep_the_rule(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    for _ in 0..10 {
        let pair = [account::open(store, 100).await?, account::open(store, 100).await?];
        let answers = race(6, |runner| {
            let store = store.clone();
            let (own, other) = (pair[runner % 2], pair[1 - runner % 2]);
            async move { withdraw(&store, own, other, Guard::Yes, async || Ok(())).await }
        })
        .await;
        let landed = answers.iter().filter(|answer| answer.is_ok()).count();
        for answer in answers {
            if !matches!(answer, Ok(()) | Err(Refused::Overdrawn)) {
                assert_error!(answer, Refused::Store(Error::Conflict { .. }));
            }
        }
        assert_eq!(landed, 1, "there is enough for one withdrawal");
        assert_eq!(account::total(store, &pair).await?, 50);
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    Yes,
    No,
}

/// Guards one counter and adds 100 to the other; `meanwhile` runs between reading and writing.
async fn guarded_write(
    store: &EventStore,
    guarded: AggregateId,
    written: AggregateId,
    meanwhile: impl AsyncFnOnce() -> Result<()>,
) -> Result<()> {
    store
        .with_context_once(async |ctx| {
            let only_read = ctx.load::<Counter>(guarded).await?;
            let mut counter = ctx.load::<Counter>(written).await?;
            ctx.guard(&only_read)?;
            meanwhile().await?;
            ctx.apply(&mut counter, Added { by: 100 })
        })
        .await
}

/// Withdraws 150 from an account if the sum of both accounts does not become negative.
async fn withdraw(
    store: &EventStore,
    own: AggregateId,
    other: AggregateId,
    guard: Guard,
    meanwhile: impl AsyncFnOnce() -> Result<(), Refused>,
) -> Result<(), Refused> {
    const AMOUNT: i64 = 150;
    store
        .with_context_once(async |ctx| {
            let mut own = ctx.load::<Account>(own).await?;
            let other = ctx.load::<Account>(other).await?;
            if guard == Guard::Yes {
                ctx.guard(&other)?;
            }
            if own.state().balance + other.state().balance < AMOUNT {
                return Err(Refused::Overdrawn);
            }
            meanwhile().await?;
            Ok(ctx.apply(&mut own, Withdrawn { amount: AMOUNT })?)
        })
        .await
}
