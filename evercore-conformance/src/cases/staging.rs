//! The view of a running context: one state of each aggregate, and its own staged changes.

use evercore::{Aggregate, Error, NaturalKey, Result};

use crate::assert::{assert_error, exists, holder};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::tally::{self, Counted, Tally};
use crate::fixture::Fixture;

pub(crate) async fn a_context_sees_what_it_has_staged(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 2 })?;
            assert_eq!((counter.state().value, counter.sequence().get()), (3, 2));
            let again = ctx.load::<Counter>(id).await?;
            assert_eq!((again.state().value, again.sequence().get()), (3, 2));
            Ok::<_, Error>(())
        })
        .await
}

pub(crate) async fn a_context_sees_the_aggregates_that_it_creates(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = store
        .with_context(async |ctx| {
            let mut created = ctx.create_with_key::<Counter>("new").await?;
            let id = created.id();
            ctx.apply(&mut created, Added { by: 1 })?;
            assert_eq!(ctx.load::<Counter>(id).await?.state().value, 1);

            let mut by_key = ctx.load_by_key::<Counter>("new").await?;
            assert_eq!((by_key.id(), by_key.state().value), (id, 1));
            ctx.apply(&mut by_key, Added { by: 1 })?;
            let same = ctx.load_or_create::<Counter>("new").await?;
            assert_eq!((same.id(), same.state().value), (id, 2));
            assert_eq!(counter::find_by_key(store, "new").await?, None, "no other store sees it");
            Ok::<_, Error>(id)
        })
        .await?;
    assert_eq!(counter::value(store, id).await?, 2);
    Ok(())
}

pub(crate) async fn a_context_sees_the_keys_that_it_changes(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "old", 1).await?;
    store
        .with_context(async |ctx| {
            let mut counter = ctx.load_by_key::<Counter>("old").await?;
            ctx.change_key(&mut counter, "new")?;
            assert!(ctx.find_by_key::<Counter>("old").await?.is_none());
            let found = ctx.load_by_key::<Counter>("new").await?;
            assert_eq!((found.id(), found.key().map(NaturalKey::as_str)), (id, Some("new")));
            let unknown = ctx.load_by_key::<Counter>("old").await;
            assert_error!(unknown, Error::UnknownKey { .. });
            let taken = ctx.create_with_key::<Counter>("new").await;
            assert_error!(taken, Error::KeyTaken { key, .. } if key == "new");

            let mut found = ctx.load::<Counter>(id).await?;
            ctx.clear_key(&mut found)?;
            assert!(ctx.find_by_key::<Counter>("new").await?.is_none());
            assert_eq!(ctx.load::<Counter>(id).await?.key(), None);
            assert_eq!(counter::find_by_key(store, "old").await?, Some(id), "as others see it");
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(counter::find_by_key(store, "old").await?, None);
    assert_eq!(counter::find_by_key(store, "new").await?, None);
    Ok(())
}

/// A context sees the same state when it loads an aggregate again; the commit then detects the change.
pub(crate) async fn a_context_reads_an_aggregate_the_same_each_time(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "key", 1).await?;
    let answer = store
        .with_context_once(async |ctx| {
            let first = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 10).await?;
            let again = ctx.load::<Counter>(id).await?;
            let by_key = ctx.load_by_key::<Counter>("key").await?;
            for handle in [&first, &again, &by_key] {
                assert_eq!((handle.state().value, handle.sequence().get()), (1, 1));
            }
            let mut again = again;
            ctx.apply(&mut again, Added { by: 100 })
        })
        .await;
    assert_error!(answer, Error::Conflict { .. });
    assert_eq!(counter::value(store, id).await?, 11);
    Ok(())
}

/// Meanwhile another writer has taken a snapshot later than the state that this context has read.
pub(crate) async fn a_context_reads_the_same_again_past_a_new_snapshot(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = tally::create(store, &[1, 2, 3, 4]).await?;
    let answer = store
        .with_context_once(async |ctx| {
            let mut first = ctx.load::<Tally>(id).await?;
            tally::count(&fixture.rival(), id, &[5, 6]).await?;
            ctx.apply(&mut first, Counted { number: 9 })?;
            let again = ctx.load::<Tally>(id).await?;
            assert_eq!(again.state(), &Tally::of(&[1, 2, 3, 4, 9]));
            Ok::<_, Error>(())
        })
        .await;
    assert_error!(answer, Error::Conflict { .. });
    Ok(())
}

pub(crate) async fn an_aggregate_without_events_exists(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let (plain, keyed) = store
        .with_context(async |ctx| {
            let plain = ctx.create::<Counter>().await?.id();
            let keyed = ctx.create_with_key::<Counter>("keyed").await?.id();
            Ok::<_, Error>((plain, keyed))
        })
        .await?;
    assert_eq!(fixture.log().await?, []);
    for id in [plain, keyed] {
        assert!(exists(fixture.engine(), Counter::NAME, id).await?);
        assert_eq!(store.history(id, ..).await?.events, []);
        counter::add(store, id, 5).await?;
        assert_eq!(counter::value(store, id).await?, 5);
    }
    assert_eq!(holder(fixture.engine(), Counter::NAME, "keyed").await?, Some(keyed));
    Ok(())
}

pub(crate) async fn a_context_that_only_reads_writes_nothing(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let before = fixture.log().await?;
    store
        .with_context(async |ctx| {
            let counter = ctx.load::<Counter>(id).await?;
            counter::add(&fixture.rival(), id, 0).await?;
            Ok::<_, Error>(counter.state().value)
        })
        .await?;
    assert_eq!(fixture.log().await?.len(), before.len() + 1, "the other writer's alone");
    Ok(())
}
