//! P12 for sizes: input over a limit is refused, input exactly at the limit is accepted.

use evercore::{
    AggregateId, Error, EventOptions, Expected, Limits, RecordedEvent, Registry, Result, Stream,
};

use crate::assert::{assert_error, snapshot_sequence_of};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{self, Diary, Noted, noted};
use crate::domain::hoard::{Hoard, Hoarded};
use crate::fixture::Fixture;

/// The number of bytes that JSON adds to an entry's text: `{"text":""}`.
const FRAME_BYTES: usize = 11;

pub(crate) async fn a_payload_over_the_limit_is_refused(fixture: &Fixture) -> Result<()> {
    let limits = Limits::default().max_payload_bytes(100);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    let fits = "x".repeat(100 - FRAME_BYTES);
    let id = diary::start(&store, &fits, EventOptions::new()).await?;
    let before = fixture.log().await?;
    assert_eq!(before[0].payload().bytes().len(), 100);

    let answer = diary::start(&store, &format!("{fits}x"), EventOptions::new()).await;
    assert_error!(answer, Error::PayloadTooLarge { bytes: 101, limit: 100, event } if event == "noted");
    let events = [noted("short"), noted(format!("{fits}x"))];
    let answer = store.append::<Diary, _>(Stream::Id(id), Expected::Any, events).await;
    assert_error!(answer, Error::PayloadTooLarge { .. });
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn too_many_events_are_refused(fixture: &Fixture) -> Result<()> {
    let limits = Limits::default().max_commit_events(3);
    assert_bounded(fixture, limits, 3, "events").await
}

pub(crate) async fn too_many_bytes_are_refused(fixture: &Fixture) -> Result<()> {
    let entry = FRAME_BYTES + "entry".len();
    let limits = Limits::default().max_commit_bytes(3 * entry);
    assert_bounded(fixture, limits, 3, "bytes of payload and metadata").await
}

/// Asserts that one context and one append accept this many entries and not one more.
async fn assert_bounded(
    fixture: &Fixture,
    limits: Limits,
    most: usize,
    expected: &str,
) -> Result<()> {
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    let entries = |count| -> Vec<Noted> { vec![noted("entry"); count] };
    let staged = async |count| {
        store
            .with_context(async |ctx| {
                let mut diary = ctx.create::<Diary>().await?;
                for entry in entries(count) {
                    ctx.apply(&mut diary, entry)?;
                }
                Ok::<_, Error>(diary.id())
            })
            .await
    };
    let id = staged(most).await?;
    let appended =
        async |count| store.append::<Diary, _>(Stream::Id(id), Expected::Any, entries(count)).await;
    appended(most).await?;
    let before = fixture.log().await?;
    assert_eq!(before.len(), 2 * most);

    assert_error!(staged(most + 1).await, Error::CommitTooLarge { what, .. } if what == expected);
    assert_error!(appended(most + 1).await, Error::CommitTooLarge { what, .. } if what == expected);
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn too_many_aggregates_are_refused(fixture: &Fixture) -> Result<()> {
    let limits = Limits::default().max_commit_aggregates(3);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    let create = async |count: usize| {
        store
            .with_context(async |ctx| {
                for _ in 0..count {
                    let mut counter = ctx.create::<Counter>().await?;
                    ctx.apply(&mut counter, Added { by: 1 })?;
                }
                Ok::<_, Error>(())
            })
            .await
    };
    create(3).await?;
    assert_error!(
        create(4).await,
        Error::CommitTooLarge { what: "aggregates and boundaries", limit: 3 }
    );
    assert_eq!(fixture.log().await?.len(), 3);

    // Aggregates that are only read count as well.
    create(1).await?;
    let ids: Vec<_> = fixture.log().await?.iter().map(RecordedEvent::aggregate_id).collect();
    let load = async |ids: &[AggregateId]| {
        store
            .with_context(async |ctx| {
                for &id in ids {
                    ctx.load::<Counter>(id).await?;
                }
                Ok::<_, Error>(())
            })
            .await
    };
    load(&ids[..3]).await?;
    assert_error!(
        load(&ids).await,
        Error::CommitTooLarge { what: "aggregates and boundaries", limit: 3 }
    );
    Ok(())
}

/// The failed call stages nothing, and the context can still commit the rest.
pub(crate) async fn a_refused_event_leaves_its_context_usable(fixture: &Fixture) -> Result<()> {
    let limits = Limits::default().max_payload_bytes(100);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    let id = store
        .with_context(async |ctx| {
            let mut diary = ctx.create::<Diary>().await?;
            ctx.apply(&mut diary, noted("one"))?;
            let refused = ctx.apply(&mut diary, noted("x".repeat(200)));
            assert_error!(refused, Error::PayloadTooLarge { .. });
            assert_eq!((diary.sequence().get(), diary.state().entries.len()), (1, 1));
            ctx.apply(&mut diary, noted("two"))?;
            Ok::<_, Error>(diary.id())
        })
        .await?;
    let texts: Vec<_> =
        diary::read(&store, id).await?.entries.into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, ["one", "two"]);
    Ok(())
}

/// Many rows at once, for engines whose statements have limits of their own.
pub(crate) async fn the_largest_commit_by_default_lands(fixture: &Fixture) -> Result<()> {
    const AGGREGATES: usize = 1_000;
    const EVENTS: usize = 10;
    let store = fixture.store();
    let fill = async |events: usize| {
        store
            .with_context(async |ctx| {
                let mut ids = Vec::with_capacity(AGGREGATES);
                for index in 0..AGGREGATES {
                    let mut counter = ctx.create_with_key::<Counter>(index.to_string()).await?;
                    for _ in 0..events {
                        ctx.apply(&mut counter, Added { by: 1 })?;
                    }
                    ids.push(counter.id());
                }
                Ok::<_, Error>(ids)
            })
            .await
    };
    let answer = fill(EVENTS + 1).await;
    assert_error!(answer, Error::CommitTooLarge { what: "events", limit: 10_000 });

    let ids = fill(EVENTS).await?;
    assert_eq!(fixture.log().await?.len(), AGGREGATES * EVENTS);
    for (index, id) in [(0, ids[0]), (999, ids[999])] {
        assert_eq!(counter::value(store, id).await?, 10);
        assert_eq!(counter::find_by_key(store, &index.to_string()).await?, Some(id));
    }
    Ok(())
}

/// Creates as many aggregates and keys as a commit may have, then gives each aggregate the key of the next.
pub(crate) async fn the_most_keys_of_a_commit_land(fixture: &Fixture) -> Result<()> {
    const KEYS: usize = 10_000;
    let store = fixture.store();
    let key = |index: usize| format!("key {}", index % KEYS);
    let ids = store
        .with_context(async |ctx| {
            let mut ids = Vec::with_capacity(KEYS);
            for index in 0..KEYS {
                let mut counter = ctx.create_with_key::<Counter>(key(index)).await?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                ids.push(counter.id());
            }
            assert_error!(
                ctx.create::<Counter>().await,
                Error::CommitTooLarge { what: "aggregates and boundaries", limit: 10_000 }
            );
            for (index, id) in ids.iter().enumerate() {
                let counter = ctx.load_by_key::<Counter>(key(index)).await?;
                assert_eq!((counter.id(), counter.state().value), (*id, 1));
            }
            Ok::<_, Error>(ids)
        })
        .await?;
    store
        .with_context(async |ctx| {
            // A context refuses to give a key to two aggregates, so each one gives up its key first.
            let mut counters = Vec::with_capacity(KEYS);
            for (index, id) in ids.iter().enumerate() {
                let mut counter = ctx.load::<Counter>(*id).await?;
                ctx.change_key(&mut counter, format!("moving {index}"))?;
                counters.push(counter);
            }
            for (index, counter) in counters.iter_mut().enumerate() {
                ctx.change_key(counter, key(index + 1))?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    for index in [0, 1, KEYS - 1] {
        let found = counter::find_by_key(store, &key(index + 1)).await?;
        assert_eq!(found, Some(ids[index]));
    }
    Ok(())
}

/// As many bytes as a commit may have.
pub(crate) async fn the_most_bytes_of_a_commit_land(fixture: &Fixture) -> Result<()> {
    const EVENTS: usize = 64;
    let text = "x".repeat(1024 * 1024 - FRAME_BYTES);
    let store = fixture.store();
    let entries = |count| -> Vec<Noted> { vec![noted(&text); count] };
    let key = evercore::NaturalKey::new("a diary")?;
    let append = async |count| {
        let stream = Stream::Key(key.clone());
        store.append::<Diary, _>(stream, Expected::NoStream, entries(count)).await
    };
    let refused = append(EVENTS + 1).await;
    assert_error!(refused, Error::CommitTooLarge { what: "bytes of payload and metadata", .. });
    append(EVENTS).await?;
    assert_eq!(fixture.log().await?.len(), EVENTS);
    Ok(())
}

/// An engine stores payloads up to the limit, whatever its own page and packet sizes.
pub(crate) async fn the_largest_payload_by_default_is_stored(fixture: &Fixture) -> Result<()> {
    const LARGEST: usize = 1024 * 1024;
    let store = fixture.store();
    let text = "é".repeat((LARGEST - FRAME_BYTES) / 2);
    let id = diary::start(store, &text, EventOptions::new()).await?;
    let diary = diary::read(store, id).await?;
    assert!(diary.entries[0].0 == text, "a large text comes back as it was");

    let too_large = "x".repeat(LARGEST - FRAME_BYTES + 1);
    let answer = diary::start(store, &too_large, EventOptions::new()).await;
    assert_error!(answer, Error::PayloadTooLarge { .. });
    Ok(())
}

/// A snapshot that is one byte larger is not stored, and the state is replayed.
pub(crate) async fn the_largest_snapshot_by_default_is_stored(fixture: &Fixture) -> Result<()> {
    const LARGEST: usize = 8 * 1024 * 1024;
    let registry = Registry::builder().event::<Hoarded>().build()?;
    let store = fixture.store_with(fixture.builder().registry(registry)).await?;
    for (length, snapshot) in [(LARGEST - FRAME_BYTES, Some(1)), (LARGEST - FRAME_BYTES + 1, None)]
    {
        let id = store
            .with_context(async |ctx| {
                let mut hoard = ctx.create::<Hoard>().await?;
                ctx.apply(&mut hoard, Hoarded { length })?;
                Ok::<_, Error>(hoard.id())
            })
            .await?;
        assert_eq!(snapshot_sequence_of::<Hoard>(fixture.engine(), id).await?, snapshot);
        let loaded = store
            .with_readonly_context(async |ctx| {
                Ok::<_, Error>(ctx.load::<Hoard>(id).await?.into_state())
            })
            .await?;
        assert_eq!(loaded.text.len(), length);
    }
    Ok(())
}
