//! Payloads of all formats: an engine returns the bytes and the format number that it was given.

use std::collections::BTreeSet;

use evercore::engine::Precondition;
use evercore::format::{Compression, Payload};
use evercore::{Codec, Error, Event, EventOptions, EventStore, Expected, Result, Stream};

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{self, Diary, Noted, noted};
use crate::domain::gauge::{self, Gauge, Read};
use crate::fixture::Fixture;
use crate::raw;

/// Returns the serde codecs that this build has.
fn by_serde() -> impl Iterator<Item = Codec> {
    Codec::ALL.into_iter().filter(|codec| *codec != Codec::Protobuf && codec.is_built())
}

/// Returns all formats that can be stored, whether or not this build can read them.
fn formats() -> impl Iterator<Item = i16> {
    (1..=4).chain(101..=104)
}

/// The bytes are arbitrary, because no engine looks into them.
pub(crate) async fn payloads_of_every_format_come_back_as_they_were(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let texts = [all_bytes.clone(), Vec::new(), b"\0\0".to_vec(), all_bytes.repeat(40)];
    let id = raw::fresh_id(engine).await?;
    let mut expected = Vec::new();
    let mut events = Vec::new();
    for (format, bytes) in formats().flat_map(|format| texts.iter().map(move |text| (format, text)))
    {
        let payload = Payload::from_stored(format, bytes.clone())?;
        expected.push(payload.clone());
        let sequence = i64::try_from(expected.len()).expect("few");
        let mut event = raw::encoded_event::<Noted>(id, sequence, "");
        event.payload = payload;
        events.push(event);
    }
    let write = raw::write::<Diary>(id, Precondition::New);
    engine.commit(raw::commit(vec![write], events)).await?;

    let history = store.history(id, ..).await?.events;
    let log = fixture.log().await?;
    for events in [&history, &log] {
        let read: Vec<_> = events.iter().map(|event| event.payload().clone()).collect();
        assert!(read == expected, "a payload is not as it was");
    }
    Ok(())
}

/// The writers act like successive programs with different codecs.
pub(crate) async fn a_log_of_several_codecs_is_read_as_one(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let id = diary::start(store, "first", EventOptions::new()).await?;
    let mut expected = vec!["first".to_owned()];
    for codec in by_serde().chain(by_serde()) {
        let writer = fixture.store_with(fixture.builder().codec(codec)).await?;
        let text = format!("é in {codec}");
        write(&writer, id, &text).await?;
        expected.push(text);
        for reader in [&writer, store] {
            let entries = diary::read(reader, id).await?.entries;
            let texts: Vec<_> = entries.into_iter().map(|(text, _)| text).collect();
            assert_eq!(texts, expected);
        }
    }
    let history = store.history(id, ..).await?.events;
    let written: Vec<_> = history.iter().map(|event| event.payload().codec()).collect();
    let codecs: Vec<_> = [Codec::Json].into_iter().chain(by_serde()).chain(by_serde()).collect();
    assert_eq!(written, codecs);
    for (event, text) in history.iter().zip(&expected) {
        assert_eq!(&event.decode::<Noted>()?.text, text);
        assert_eq!(event.to_json(store.registry())?["text"], **text);
    }
    Ok(())
}

/// Covers several events in one commit, and several aggregates.
pub(crate) async fn a_compressed_payload_is_read_as_any_other(fixture: &Fixture) -> Result<()> {
    let builder = || fixture.builder().compress_above(100);
    let Ok(writer) = fixture.store_with(builder()).await else {
        // This build cannot compress; the consequences do not depend on the engine.
        return Ok(());
    };
    let store = fixture.store();
    let id = diary::start(store, "first", EventOptions::new()).await?;
    let long = "compress me ".repeat(1_000);
    let texts = ["short", &long, "short again", &long[..2_000]];
    writer.append::<Diary, _>(Stream::Id(id), Expected::Any, texts.map(noted)).await?;
    let other = counter::create(&writer, 1).await?;

    let entries = diary::read(store, id).await?.entries;
    let read: Vec<_> = entries.iter().skip(1).map(|(text, _)| text.as_str()).collect();
    assert!(read == texts, "a text is not as it was");
    assert_eq!(counter::value(store, other).await?, 1);
    let history = store.history(id, ..).await?.events;
    let compressed: BTreeSet<_> = history
        .iter()
        .filter(|event| event.payload().compression() == Compression::Zstd)
        .map(|event| event.sequence().get())
        .collect();
    assert_eq!(compressed, BTreeSet::from([3, 5]));
    assert!(history[2].payload().bytes().len() < 1_000, "it is stored as it was compressed");
    Ok(())
}

/// A single row that this build cannot read must not affect its neighbors.
pub(crate) async fn an_unreadable_payload_leaves_the_others_readable(
    fixture: &Fixture,
) -> Result<()> {
    let (store, engine) = (fixture.store(), fixture.engine());
    let good = counter::create(store, 1).await?;
    for format in formats().skip(1) {
        let id = raw::fresh_id(engine).await?;
        let mut event = raw::encoded_event::<Added>(id, 1, "");
        event.payload = Payload::from_stored(format, vec![0xC1])?;
        let write = raw::write::<Counter>(id, Precondition::New);
        engine.commit(raw::commit(vec![write], vec![event])).await?;
        assert!(counter::value(store, id).await.is_err(), "nothing is written like that");
        assert_eq!(fixture.log().await?.last().map(|event| event.aggregate_id()), Some(id));
        assert!(store.history(id, ..).await?.events[0].decode::<Added>().is_err());
    }
    counter::add(store, good, 1).await?;
    assert_eq!(counter::value(store, good).await?, 2);
    Ok(())
}

/// JSON cannot represent NaN, so the event is refused before `Apply` sees it.
pub(crate) async fn an_event_that_would_not_come_back_leaves_all_as_it_was(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let lost = Read { precision: f64::NAN, ..gauge::read(Some(3)) };
    let (id, live) = store
        .with_context(async |ctx| {
            let mut gauge = ctx.create::<Gauge>().await?;
            ctx.apply(&mut gauge, gauge::read(Some(1)))?;
            let before = (gauge.sequence(), gauge.state().clone());
            assert_error!(
                ctx.apply(&mut gauge, lost),
                Error::NotRoundTrip { name, mismatch }
                    if name == Read::NAME && mismatch.field == "precision" && mismatch.given == "NaN"
            );
            assert_eq!((gauge.sequence(), gauge.state().clone()), before);
            ctx.apply(&mut gauge, gauge::read(Some(2)))?;
            Ok::<_, Error>((gauge.id(), gauge.into_state()))
        })
        .await?;
    assert_eq!(gauge::state(store, id).await?, live);
    let before = fixture.log().await?;
    assert_eq!(before.len(), 2);

    // As one of several events.
    for lost in [[lost, gauge::read(None)], [gauge::read(None), lost]] {
        let refused = store.append::<Gauge, _>(Stream::Id(id), Expected::Any, lost).await;
        assert_error!(refused, Error::NotRoundTrip { .. });
    }
    let refused = store
        .with_context(async |ctx| {
            let mut gauge = ctx.load::<Gauge>(id).await?;
            ctx.apply(&mut gauge, gauge::read(None))?;
            ctx.apply(&mut gauge, lost)
        })
        .await;
    assert_error!(refused, Error::NotRoundTrip { .. });
    assert_eq!(fixture.log().await?, before);
    assert_eq!(gauge::state(store, id).await?, live);
    Ok(())
}

async fn write(store: &EventStore, id: evercore::AggregateId, text: &str) -> Result<()> {
    store
        .with_context(async |ctx| {
            let mut diary = ctx.load::<Diary>(id).await?;
            ctx.apply(&mut diary, noted(text))
        })
        .await
}
