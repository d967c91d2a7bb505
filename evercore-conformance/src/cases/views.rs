//! A read context is one consistent view: it does not show later commits.

use evercore::engine::{HistoryRequest, LogQuery, Reader};
use evercore::{Aggregate, AggregateId, AsOf, Error, EventStore, Position, Result, Sequence};

use crate::assert::{exists, holder};
use crate::cut::drop_after_polls;
use crate::domain::counter::{self, Added, Counter};
use crate::fixture::{Fixture, whole_log};
use crate::race::race_all;

pub(crate) async fn a_view_does_not_see_later_commits(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create_with_key(store, "old", 1).await?;
    let before = fixture.log().await?;
    store
        .with_readonly_context(async |view| {
            let created = store
                .with_context(async |ctx| {
                    let mut counter = ctx.load::<Counter>(id).await?;
                    ctx.apply(&mut counter, Added { by: 10 })?;
                    ctx.change_key(&mut counter, "new")?;
                    let mut created = ctx.create_with_key::<Counter>("old").await?;
                    ctx.apply(&mut created, Added { by: 5 })?;
                    Ok::<_, Error>(created.id())
                })
                .await?;

            let seen = view.load::<Counter>(id).await?;
            assert_eq!((seen.state().value, seen.sequence().get()), (1, 1));
            assert_eq!(seen.key().map(|key| key.as_str()), Some("old"));
            assert_eq!(view.load_by_key::<Counter>("old").await?.id(), id);
            assert!(view.find_by_key::<Counter>("new").await?.is_none());
            assert!(view.find::<Counter>(created).await?.is_none());
            assert_eq!(view.history(id, ..).await?.events, before);
            assert_eq!(view.history(created, ..).await?.events, []);
            let page = view.read_log(Position::START, 100).await?;
            assert_eq!((page.events, page.at_end), (before.clone(), true));
            let as_of = AsOf::Sequence(Sequence::new(2)?);
            assert_eq!(view.load_as_of::<Counter>(id, as_of).await?.sequence().get(), 1);
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(counter::value(store, id).await?, 11, "the next view sees it");
    Ok(())
}

/// Also if nothing was read before, because a view is opened when its context begins, not when it is first used.
pub(crate) async fn a_view_is_of_the_moment_it_was_opened(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 1).await?;
    let mut views = Vec::new();
    for _ in 0..3 {
        views.push(engine.begin_read().await?);
        counter::add(store, id, 1).await?;
    }
    for (view, expected) in views.iter().zip(1_usize..) {
        assert_eq!(whole_log(&**view).await?.len(), expected);
        assert_eq!(history_length(&**view, id).await?, expected);
    }
    drop(views);
    assert_eq!(counter::value(store, id).await?, 4);
    Ok(())
}

async fn history_length(view: &dyn Reader, id: AggregateId) -> Result<usize> {
    let request = HistoryRequest { id, after: Sequence::ZERO, up_to: None, limit: 100 };
    Ok(view.read_history(request).await?.len())
}

/// Keys move while views read: in each view, every key has one holder, and that holder has the key.
pub(crate) async fn keys_and_aggregates_agree_in_every_view(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let first = counter::create_with_key(store, "a", 1).await?;
    let second = counter::create_with_key(store, "b", 1).await?;
    race_all(4, |runner| {
        let store = store.clone();
        async move {
            for _ in 0..10 {
                if runner == 0 {
                    swap(&store).await?;
                } else {
                    store
                        .with_readonly_context(async |view| {
                            let a = view.load_by_key::<Counter>("a").await?;
                            let b = view.load_by_key::<Counter>("b").await?;
                            assert_ne!(a.id(), b.id(), "one aggregate with two keys");
                            let again = view.load::<Counter>(a.id()).await?;
                            assert_eq!(again.key(), a.key());
                            Ok::<_, Error>(())
                        })
                        .await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    let engine = fixture.engine();
    assert_eq!(holder(engine, Counter::NAME, "a").await?, Some(first), "after an even number");
    assert_eq!(holder(engine, Counter::NAME, "b").await?, Some(second));
    Ok(())
}

async fn swap(store: &EventStore) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut a = ctx.load_by_key::<Counter>("a").await?;
            let mut b = ctx.load_by_key::<Counter>("b").await?;
            ctx.clear_key(&mut a)?;
            ctx.change_key(&mut b, "a")?;
            ctx.change_key(&mut a, "b")
        })
        .await
}

pub(crate) async fn a_dropped_view_releases_what_it_holds(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let id = counter::create(store, 0).await?;
    for round in 1..=100 {
        let view = engine.begin_read().await?;
        assert_eq!(history_length(&*view, id).await?, round);
        drop(view);
        counter::add(store, id, 1).await?;
    }
    Ok(())
}

pub(crate) async fn a_read_dropped_at_any_await_point_leaves_nothing_behind(
    fixture: &Fixture,
) -> Result<()> {
    const MOST_POLLS: u32 = 1_000;
    let store = fixture.store();
    let id = counter::create_with_key(store, "key", 1).await?;
    for polls in 0..=MOST_POLLS {
        let read = store.with_readonly_context(async |view| {
            let counter = view.load_by_key::<Counter>("key").await?;
            let history = view.history(counter.id(), ..).await?.events;
            let page = view.read_log(Position::START, 10_000).await?;
            Ok::<_, Error>((history.len(), page.events.len()))
        });
        let seen = drop_after_polls(polls, read).await.transpose()?;
        let expected = usize::try_from(polls).expect("few") + 1;
        if let Some(seen) = seen {
            assert_eq!(seen, (expected, expected));
            return Ok(());
        }
        counter::add(store, id, 1).await?;
    }
    panic!("the read is not through after {MOST_POLLS} polls");
}

pub(crate) async fn an_empty_store_reads_as_empty(fixture: &Fixture) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let unknown = AggregateId::new(1)?;
    let view = engine.begin_read().await?;
    let readers: [&dyn Reader; 2] = [&*view, engine];
    for reader in readers {
        let page = reader.read_log(LogQuery::new(Position::START, 10)).await?;
        assert_eq!((page.events, page.end, page.at_end), (Vec::new(), Position::START, true));
        assert_eq!(history_length(reader, unknown).await?, 0);
        assert!(!exists(reader, Counter::NAME, unknown).await?);
        assert_eq!(holder(reader, Counter::NAME, "key").await?, None);
    }
    assert_eq!(counter::find_by_key(store, "key").await?, None);
    Ok(())
}
