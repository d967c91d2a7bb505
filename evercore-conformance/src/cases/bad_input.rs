//! P12: input that cannot be stored or does not exist is a typed error that names it, before anything is written.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use evercore::engine::{Capability, LoadRequest, LoadTarget};
use evercore::limits::{
    MAX_LABEL_BYTES, MAX_METADATA_BYTES, MAX_NATURAL_KEY_BYTES, MIN_EVENT_TIME,
};
use evercore::{
    Aggregate, AggregateId, Batch, Context, Error, EventDraft, EventOptions, Expected, ManualClock,
    Metadata, NaturalKey, Position, Registry, Result, Sequence, Start, Stream,
};

use crate::assert::{Witness, assert_error};
use crate::domain::account::{Account, Deposited};
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{self, Diary, noted};
use crate::fixture::Fixture;
use crate::raw;

pub(crate) async fn a_key_that_is_empty_too_long_or_holds_a_nul_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let store = fixture.store();
    let id = counter::create_with_key(store, "own", 1).await?;
    let before = Witness::take(fixture.engine(), Counter::NAME, &["own"]).await?;
    let too_long = "é".repeat(MAX_NATURAL_KEY_BYTES / 2 + 1);
    for bad in ["", &too_long, "\0", "a\0b", "a\0"] {
        let answer = counter::create_with_key(store, bad, 1).await;
        assert_error!(answer, Error::InvalidKey { .. });
        let answer = counter::find_by_key(store, bad).await;
        assert_error!(answer, Error::InvalidKey { .. });
        let answer = store
            .with_context(async |ctx| {
                let mut counter = ctx.load::<Counter>(id).await?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                ctx.change_key(&mut counter, bad)
            })
            .await;
        assert_error!(answer, Error::InvalidKey { .. });
        let answer = store
            .with_context(async |ctx| ctx.load_or_create::<Counter>(bad).await.map(drop))
            .await;
        assert_error!(answer, Error::InvalidKey { .. });
    }
    assert_eq!(Witness::take(fixture.engine(), Counter::NAME, &["own"]).await?, before);
    Ok(())
}

pub(crate) async fn a_key_of_the_longest_length_is_fine(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let ascii = "k".repeat(MAX_NATURAL_KEY_BYTES);
    let wide = format!("{}k", "é".repeat(MAX_NATURAL_KEY_BYTES / 2));
    for key in [ascii, wide] {
        assert_eq!(key.len(), MAX_NATURAL_KEY_BYTES);
        let id = counter::create_with_key(store, &key, 1).await?;
        assert_eq!(counter::find_by_key(store, &key).await?, Some(id));
    }
    Ok(())
}

pub(crate) async fn an_unknown_id_or_key_is_named(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let store = fixture.store();
    counter::create_with_key(store, "known", 1).await?;
    let before = fixture.log().await?;
    for unknown in [AggregateId::new(987_654_321)?, AggregateId::new(i64::MAX)?] {
        let answer = store.with_context(async |ctx| load(ctx, unknown).await).await;
        assert_error!(answer, Error::UnknownId { id, aggregate }
            if id == unknown && aggregate == Counter::NAME);
        assert_error!(
            counter::value(store, unknown).await,
            Error::UnknownId { id, .. } if id == unknown
        );
        for expected in [Expected::Any, Expected::NoStream, Expected::Exactly(Sequence::ZERO)] {
            let events = [Added { by: 1 }];
            let answer = store.append::<Counter, _>(Stream::Id(unknown), expected, events).await;
            assert_error!(answer, Error::UnknownId { id, .. } if id == unknown);
        }
        assert_eq!(store.history(unknown, ..).await?.events, []);
    }
    let answer =
        store.with_context(async |ctx| ctx.load_by_key::<Counter>("unknown").await.map(drop)).await;
    assert_error!(answer, Error::UnknownKey { key, aggregate }
        if key == "unknown" && aggregate == Counter::NAME);
    let stream = Stream::Key(NaturalKey::new("unknown")?);
    let first = Expected::Exactly(Sequence::FIRST);
    let answer = store.append::<Counter, _>(stream, first, [Added { by: 1 }]).await;
    assert_error!(answer, Error::UnknownKey { .. });
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

async fn load(ctx: &mut Context, id: AggregateId) -> Result<()> {
    assert!(ctx.find::<Counter>(id).await?.is_none());
    ctx.load::<Counter>(id).await.map(drop)
}

pub(crate) async fn an_aggregate_of_another_type_is_named(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let before = fixture.log().await?;
    let is_named = |error: &Error| {
        matches!(error, Error::WrongAggregateType { id: wrong, expected, found }
            if *wrong == id && expected == Account::NAME && found == Counter::NAME)
    };
    let in_context = store.with_context(async |ctx| ctx.load::<Account>(id).await.map(drop)).await;
    let in_view =
        store.with_readonly_context(async |ctx| ctx.find::<Account>(id).await.map(drop)).await;
    let known_here = store
        .with_context(async |ctx| {
            ctx.load::<Counter>(id).await?;
            ctx.load::<Account>(id).await.map(drop)
        })
        .await;
    let events = [Deposited { amount: 1 }];
    let appended =
        store.append::<Account, _>(Stream::Id(id), Expected::Any, events).await.map(drop);
    for answer in [in_context, in_view, known_here, appended] {
        assert_error!(answer, ref error if is_named(error));
    }
    assert_eq!(fixture.log().await?, before);

    let request = LoadRequest {
        aggregate_type: Account::NAME,
        target: LoadTarget::Id(id),
        snapshot: None,
        up_to: None,
        limit: 10,
    };
    let loaded = fixture.engine().load(request).await?.expect("it was created");
    assert_eq!((loaded.id, &*loaded.aggregate_type), (id, Counter::NAME));
    assert!(loaded.events.is_empty() && loaded.snapshot.is_none());
    Ok(())
}

pub(crate) async fn a_type_that_is_not_registered_is_refused(fixture: &Fixture) -> Result<()> {
    let id = counter::create(fixture.store(), 1).await?;
    let before = fixture.log().await?;
    let registry = Registry::builder().aggregate::<Counter>().build()?;
    let store = fixture.store_with(fixture.builder().registry(registry)).await?;
    let answer = store.with_context(async |ctx| ctx.create::<Account>().await.map(drop)).await;
    assert_error!(answer, Error::Unregistered { rust_type } if rust_type.ends_with("Account"));
    let answer = store.with_context(async |ctx| ctx.load::<Account>(id).await.map(drop)).await;
    assert_error!(answer, Error::Unregistered { .. });
    let answer = store
        .with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply(&mut counter, Added { by: 1 })
        })
        .await;
    assert_error!(answer, Error::Unregistered { rust_type } if rust_type.ends_with("Added"));
    let answer = store.append::<Counter, _>(Stream::Id(id), Expected::Any, [Added { by: 1 }]).await;
    assert_error!(answer, Error::Unregistered { .. });
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn an_append_without_an_event_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let before = Witness::take(fixture.engine(), Counter::NAME, &["new"]).await?;
    for stream in [Stream::Id(id), Stream::Key(NaturalKey::new("new")?)] {
        let nothing: [Added; 0] = [];
        let answer = store.append::<Counter, _>(stream, Expected::Any, nothing).await;
        assert_error!(answer, Error::EmptyAppend { aggregate } if aggregate == Counter::NAME);
    }
    assert_eq!(Witness::take(fixture.engine(), Counter::NAME, &["new"]).await?, before);
    Ok(())
}

pub(crate) async fn metadata_over_its_limits_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let long = "x".repeat(MAX_LABEL_BYTES + 1);
    let bad_labels = ["", "a\0b", &long];
    let mut bad: Vec<EventOptions> = bad_labels
        .into_iter()
        .flat_map(|label| {
            let said = |metadata| EventOptions::new().metadata(metadata);
            [
                EventOptions::new().reference(label),
                said(Metadata::new().correlation(label)),
                said(Metadata::new().causation(label)),
                said(Metadata::new().principal(label)),
                said(Metadata::new().with(label, 1)),
            ]
        })
        .collect();
    // `{"huge":""}` is 11 bytes long.
    let huge = "x".repeat(MAX_METADATA_BYTES - 10);
    bad.push(EventOptions::new().metadata(Metadata::new().with("huge", huge)));
    bad.push(EventOptions::new().metadata(Metadata::new().with("principal", "ada")));

    let id = diary::start(store, "first", EventOptions::new()).await?;
    let before = fixture.log().await?;
    for options in bad {
        let answer = store
            .with_context(async |ctx| {
                let mut diary = ctx.load::<Diary>(id).await?;
                ctx.apply(&mut diary, noted("good"))?;
                ctx.apply_with(&mut diary, noted("bad"), options.clone())
            })
            .await;
        assert_error!(answer, Error::InvalidMetadata { .. });
    }
    let answer =
        store.with_context(async |ctx| ctx.set_metadata(Metadata::new().correlation(&*long))).await;
    assert_error!(answer, Error::InvalidMetadata { .. });
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn a_time_that_not_every_engine_can_store_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let at = |time| EventOptions::new().at(time);
    let (first, last) = (MIN_EVENT_TIME, DateTime::<Utc>::MAX_UTC.trunc_subsecs(6));
    let id = store
        .with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply_with(&mut counter, Added { by: 1 }, at(first))?;
            ctx.apply_with(&mut counter, Added { by: 1 }, at(last))?;
            Ok::<_, Error>(counter.id())
        })
        .await?;
    let times: Vec<_> =
        store.history(id, ..).await?.events.iter().map(|event| event.event_time()).collect();
    assert_eq!(times, [first, last]);

    let before = fixture.log().await?;
    for early in [first - TimeDelta::microseconds(1), DateTime::<Utc>::MIN_UTC] {
        let answer = store
            .with_context(async |ctx| {
                let mut counter = ctx.load::<Counter>(id).await?;
                let refused = ctx.apply_with(&mut counter, Added { by: 1 }, at(early));
                assert_error!(refused, Error::TimeOutOfRange { what: "event time", .. });
                assert_eq!(counter.state().value, 2);
                Ok::<_, Error>(())
            })
            .await;
        answer?;
        let draft = EventDraft::<Counter>::from(Added { by: 1 }).with(at(early));
        let answer = store.append::<Counter, _>(Stream::Id(id), Expected::Any, [draft]).await;
        assert_error!(answer, Error::TimeOutOfRange { what: "event time", .. });

        let start = Start::From(early);
        let answer =
            store.subscription("early").start(start).run(async |_: Batch| Ok::<_, Error>(())).await;
        assert_error!(answer, Error::TimeOutOfRange { what: "start", .. });
        let answer = store.ephemeral().start(start).run(async |_: Batch| Ok::<_, Error>(())).await;
        assert_error!(answer, Error::TimeOutOfRange { what: "start", .. });
        let answer = store.subscriptions().reset("early", start).await;
        assert_error!(answer, Error::TimeOutOfRange { what: "start", .. });
    }

    let clock = Arc::new(ManualClock::new(DateTime::<Utc>::MIN_UTC));
    let early = fixture.store_with(fixture.builder().clock(clock)).await?;
    let dated = early
        .with_context(async |ctx| {
            let mut counter = ctx.create::<Counter>().await?;
            ctx.apply_with(&mut counter, Added { by: 1 }, at(first))
        })
        .await;
    assert_error!(dated, Error::TimeOutOfRange { what: "time of the store's clock", .. });
    let draft = EventDraft::<Counter>::from(Added { by: 1 }).with(at(first));
    let answer = early.append::<Counter, _>(Stream::Id(id), Expected::Any, [draft]).await;
    assert_error!(answer, Error::TimeOutOfRange { what: "time of the store's clock", .. });

    assert_eq!(fixture.log().await?, before);
    assert!(store.subscriptions().list().await?.is_empty());
    Ok(())
}

pub(crate) async fn metadata_that_could_not_be_read_again_are_refused(
    fixture: &Fixture,
) -> Result<()> {
    /// The fields are nested in an object, and JSON is read to a depth of 127.
    const DEEPEST: usize = 126;
    let store = fixture.store();
    let nested = |depth| {
        let value = (0..depth).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        Metadata::new().with("nested", value)
    };
    let append = async |metadata: &Metadata| {
        store
            .with_context(async |ctx| {
                let mut counter = ctx.create::<Counter>().await?;
                let options = EventOptions::new().metadata(metadata.clone());
                ctx.apply_with(&mut counter, Added { by: 1 }, options)?;
                Ok::<_, Error>(counter.id())
            })
            .await
    };
    let deepest = nested(DEEPEST);
    let id = append(&deepest).await?;
    assert_eq!(*store.history(id, ..).await?.events[0].metadata(), deepest);
    let before = fixture.log().await?;
    for depth in [DEEPEST + 1, 500] {
        assert_error!(append(&nested(depth)).await, Error::InvalidMetadata { .. });
    }
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn a_page_of_no_events_is_refused(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let store = fixture.store();
    counter::create(store, 1).await?;
    let answer = store.read_log(Position::START, 0).await;
    assert_error!(answer, Error::InvalidNumber { value: 0, least: 1, .. });
    let answer =
        store.with_readonly_context(async |ctx| ctx.read_log(Position::START, 0).await).await;
    assert_error!(answer, Error::InvalidNumber { value: 0, least: 1, .. });
    Ok(())
}

pub(crate) async fn a_handle_of_another_context_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    let before = fixture.log().await?;
    let ended = store.with_context(async |ctx| ctx.load::<Counter>(id).await).await?;
    let viewed = store.with_readonly_context(async |ctx| ctx.load::<Counter>(id).await).await?;
    let other_store = fixture.store_with(fixture.builder()).await?;
    let elsewhere = other_store.with_context(async |ctx| ctx.load::<Counter>(id).await).await?;

    for mut handle in [ended, viewed, elsewhere] {
        let answer = store
            .with_context_once(async |ctx| {
                ctx.load::<Counter>(id).await?;
                assert_error!(ctx.guard(&handle), Error::ForeignAggregate { .. });
                assert_error!(ctx.clear_key(&mut handle), Error::ForeignAggregate { .. });
                ctx.apply(&mut handle, Added { by: 1 })
            })
            .await;
        assert_error!(answer, Error::ForeignAggregate { id: foreign, aggregate }
            if foreign == id && aggregate == Counter::NAME);
    }
    assert_eq!(fixture.log().await?, before);
    Ok(())
}

pub(crate) async fn a_handle_that_another_has_overtaken_is_refused(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let id = counter::create(store, 1).await?;
    store
        .with_context(async |ctx| {
            let mut first = ctx.load::<Counter>(id).await?;
            let mut second = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut first, Added { by: 1 })?;
            let answer = ctx.apply(&mut second, Added { by: 1 });
            assert_error!(answer, Error::StaleHandle { handle, current, .. }
                if handle.get() == 1 && current.get() == 2);
            assert_eq!(second.state().value, 1, "it stays as it was");
            ctx.apply(&mut first, Added { by: 1 })
        })
        .await?;
    assert_eq!(counter::value(store, id).await?, 3, "the context goes on");
    Ok(())
}

/// Such an id passes the core's checks, so the engine's own tables have to answer.
pub(crate) async fn an_id_that_was_never_given_can_be_asked_for(fixture: &Fixture) -> Result<()> {
    let id = raw::fresh_id(fixture.engine()).await?;
    let found =
        fixture.store().with_readonly_context(async |ctx| ctx.find::<Counter>(id).await).await?;
    assert!(found.is_none(), "an id that was reserved is no aggregate yet");
    Ok(())
}
