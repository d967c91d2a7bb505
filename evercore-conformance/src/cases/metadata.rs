//! The times, references and metadata of events come back as they were given.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use evercore::limits::{MAX_LABEL_BYTES, MAX_METADATA_BYTES};
use evercore::{
    AggregateId, AsOf, Error, EventDraft, EventMeta, EventOptions, Expected, ManualClock, Metadata,
    RecordedEvent, Result, Stream, with_metadata,
};

use crate::domain::counter::{self, Added, Counter};
use crate::domain::diary::{self, Diary, noted};
use crate::fixture::Fixture;

/// The time, reference and metadata of an event.
#[derive(Clone, Debug, Default)]
struct Said {
    time: Option<DateTime<Utc>>,
    reference: Option<String>,
    metadata: Metadata,
}

impl Said {
    fn options(&self) -> EventOptions {
        let mut options = EventOptions::new().metadata(self.metadata.clone());
        if let Some(time) = self.time {
            options = options.at(time);
        }
        match &self.reference {
            Some(reference) => options.reference(reference.as_str()),
            None => options,
        }
    }

    fn is_all_of(&self, meta: &EventMeta) -> bool {
        self.time.is_none_or(|time| time == meta.event_time())
            && self.reference.as_deref() == meta.reference()
            && self.metadata == *meta.metadata()
    }
}

pub(crate) async fn every_option_of_an_event_comes_back_unchanged(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let times = [
        "0001-01-01T00:00:00Z",
        "1969-07-20T20:17:40.123456Z",
        "1970-01-01T00:00:00Z",
        "2024-02-29T12:00:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ];
    let longest = format!("{}!", "é".repeat(MAX_LABEL_BYTES / 2));
    assert_eq!(longest.len(), MAX_LABEL_BYTES);
    let references = ["order 17".to_owned(), longest.clone()];
    let metadata = [
        Metadata::new().correlation("c"),
        Metadata::new().causation("🦀 causation"),
        Metadata::new().principal("Ada 'Countess' \"Lovelace\" \\"),
        Metadata::new().correlation(&*longest).causation(&*longest).principal(&*longest),
        // `{"f":""}` is 8 bytes long.
        Metadata::new().with("f", "x".repeat(MAX_METADATA_BYTES - 8)),
        full_metadata(),
    ];
    let mut all = vec![Said::default()];
    all.extend(times.map(|text| Said { time: Some(time(text)), ..Said::default() }));
    all.extend(references.map(|text| Said { reference: Some(text), ..Said::default() }));
    all.extend(metadata.map(|metadata| Said { metadata, ..Said::default() }));
    for said in all {
        let id = diary::start(store, "first", said.options()).await?;
        let applied = store
            .with_context(async |ctx| {
                let mut diary = ctx.load::<Diary>(id).await?;
                ctx.apply_with(&mut diary, noted("second"), said.options())?;
                Ok::<_, Error>(diary.into_state())
            })
            .await?;
        assert_eq!(diary::read(store, id).await?, applied, "at replay as when it was applied");
        let history = store.history(id, ..).await?.events;
        assert!(fixture.log().await?.ends_with(&history), "history and log tell the same");
        for (event, (_, meta)) in history.iter().zip(&applied.entries) {
            assert_eq!(event.meta(), meta);
            assert!(said.is_all_of(meta), "said {said:?}, kept {meta:?}");
        }
    }
    Ok(())
}

pub(crate) async fn every_part_of_the_metadata_is_kept(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let options = EventOptions::new()
        .at(time("2024-02-29T12:00:00.123456Z"))
        .reference("order 17")
        .metadata(full_metadata());
    let id = diary::start(store, "entry", options).await?;
    let event = only_event(fixture, id).await?;
    assert_eq!(event.event_time(), time("2024-02-29T12:00:00.123456Z"));
    assert_eq!(event.reference(), Some("order 17"));
    assert_eq!(event.metadata(), &full_metadata());
    assert_eq!(event.metadata().correlation_id(), Some("correlation"));
    assert_eq!(event.metadata().causation_id(), Some("causation"));
    assert_eq!(event.metadata().principal_id(), Some("ada"));
    assert_eq!(event.metadata().get("nested"), full_metadata().get("nested"));
    Ok(())
}

pub(crate) async fn options_that_were_not_given_stay_empty(fixture: &Fixture) -> Result<()> {
    let id = diary::start(fixture.store(), "entry", EventOptions::new()).await?;
    let event = only_event(fixture, id).await?;
    assert_eq!(event.reference(), None);
    assert!(event.metadata().is_empty());
    Ok(())
}

pub(crate) async fn times_are_kept_to_the_microsecond(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let precise = time("2024-02-29T12:00:00.123456789Z");
    let options = EventOptions::new().at(precise);
    let id = store
        .with_context(async |ctx| {
            let mut diary = ctx.create::<Diary>().await?;
            ctx.apply_with(&mut diary, noted("entry"), options.clone())?;
            assert_eq!(diary.state().entries[0].1.event_time(), precise.trunc_subsecs(6));
            Ok::<_, Error>(diary.id())
        })
        .await?;
    assert_eq!(only_event(fixture, id).await?.event_time(), precise.trunc_subsecs(6));
    Ok(())
}

/// Databases do not count leap seconds, so a replay could not restore one.
pub(crate) async fn a_leap_second_is_the_second_after_it_from_the_beginning(
    fixture: &Fixture,
) -> Result<()> {
    let leap = time("2016-12-31T23:59:60.123456789Z");
    let after = time("2017-01-01T00:00:00.123456Z");
    let clock = Arc::new(ManualClock::new(leap));
    let store = fixture.store_with(fixture.builder().clock(clock)).await?;
    for options in [EventOptions::new(), EventOptions::new().at(leap)] {
        let (id, live) = store
            .with_context(async |ctx| {
                let mut diary = ctx.create::<Diary>().await?;
                ctx.apply_with(&mut diary, noted("entry"), options.clone())?;
                Ok::<_, Error>((diary.id(), diary.into_state()))
            })
            .await?;
        assert_eq!(live.entries[0].1.event_time(), after);
        assert_eq!(diary::read(&store, id).await?, live);
        let event = only_event(fixture, id).await?;
        assert_eq!((event.event_time(), event.recorded_at()), (after, after));
        let as_of = store
            .with_readonly_context(async |ctx| {
                ctx.load_as_of::<Diary>(id, AsOf::Time(leap)).await.map(|found| found.into_state())
            })
            .await?;
        assert_eq!(as_of, live, "the moment is the same, whatever it is called");
    }
    Ok(())
}

pub(crate) async fn time_is_taken_from_the_stores_clock(fixture: &Fixture) -> Result<()> {
    let clock = Arc::new(ManualClock::new(time("2001-02-03T04:05:06.789012Z")));
    let store = fixture.store_with(fixture.builder().clock(clock.clone())).await?;
    let own_time = time("1999-01-01T00:00:00Z");
    let id = diary::start(&store, "first", EventOptions::new()).await?;
    clock.advance(TimeDelta::hours(1));
    let draft = EventDraft::from(noted("second")).with(EventOptions::new().at(own_time));
    store.append::<Diary, _>(Stream::Id(id), Expected::Any, [draft]).await?;
    clock.set(time("1990-01-01T00:00:00.5Z"));
    store.append::<Diary, _>(Stream::Id(id), Expected::Any, [noted("third")]).await?;

    let times: Vec<_> = store
        .history(id, ..)
        .await?
        .events
        .iter()
        .map(|event| (event.event_time(), event.recorded_at()))
        .collect();
    let (start, past) = (time("2001-02-03T04:05:06.789012Z"), time("1990-01-01T00:00:00.5Z"));
    let expected = [(start, start), (own_time, start + TimeDelta::hours(1)), (past, past)];
    assert_eq!(times, expected, "event time and recorded time");
    Ok(())
}

pub(crate) async fn an_event_has_its_own_metadata_then_the_contexts_then_the_tasks(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let context = Metadata::new().correlation("context").with("from", "context");
    let own = Metadata::new().principal("own").with("from", "event");
    let write = async || {
        store
            .with_context(async |ctx| {
                let mut counter = ctx.create::<Counter>().await?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                ctx.set_metadata(context.clone())?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                let options = EventOptions::new().metadata(own.clone());
                ctx.apply_with(&mut counter, Added { by: 1 }, options)?;
                ctx.set_metadata(Metadata::new())?;
                ctx.apply(&mut counter, Added { by: 1 })?;
                Ok::<_, Error>(counter.id())
            })
            .await
    };
    let read = async |id| {
        let history = store.history(id, ..).await?.events;
        Ok::<Vec<_>, Error>(history.iter().map(|event| event.metadata().clone()).collect())
    };
    let none = Metadata::new();
    let both = own.clone().correlation("context");
    let alone = [none.clone(), context.clone(), both.clone(), none];
    assert_eq!(read(write().await?).await?, alone);

    let task = Metadata::new().correlation("task").causation("cause").with("task", 1);
    let id = with_metadata(task.clone(), write()).await?;
    let add = |metadata: Metadata| metadata.causation("cause").with("task", 1);
    assert_eq!(read(id).await?, [task.clone(), add(context), add(both), task]);

    let outer = Metadata::new().correlation("outer").principal("ada");
    let inner = with_metadata(Metadata::new().correlation("inner"), counter::add(store, id, 1));
    with_metadata(outer, inner).await?;
    counter::add(store, id, 1).await?;
    let last = &read(id).await?[4..];
    assert_eq!(last, [Metadata::new().correlation("inner").principal("ada"), Metadata::new()]);
    Ok(())
}

pub(crate) async fn payloads_come_back_as_they_were(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let texts =
        ["", "plain", "é e\u{301} ﬁ 漢字 🦀", "\0\u{1}\u{7f}", "line\r\nline", "'\"\\;--", "null"];
    let id = diary::start(store, "first", EventOptions::new()).await?;
    store.append::<Diary, _>(Stream::Id(id), Expected::Any, texts.map(noted)).await?;
    let diary = diary::read(store, id).await?;
    let read: Vec<_> = diary.entries.iter().skip(1).map(|(text, _)| text.as_str()).collect();
    assert_eq!(read, texts);
    for (event, text) in store.history(id, ..).await?.events[1..].iter().zip(texts) {
        let json = serde_json::to_vec(&noted(text)).expect("plain data");
        assert_eq!(event.payload().bytes(), json, "byte for byte");
    }
    Ok(())
}

fn full_metadata() -> Metadata {
    Metadata::new()
        .correlation("correlation")
        .causation("causation")
        .principal("ada")
        .with("ünïcode 🦀", "wert\u{1}")
        .with("number", 9_007_199_254_740_993_i64)
        .with("tenth", 0.1)
        .with("nothing", serde_json::Value::Null)
        .with("nested", serde_json::json!({ "list": [1, "two", { "three": 3.5 }], "": true }))
}

async fn only_event(fixture: &Fixture, id: AggregateId) -> Result<RecordedEvent> {
    let mut history = fixture.store().history(id, ..).await?.events;
    assert_eq!(history.len(), 1);
    Ok(history.remove(0))
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("the suite's own times are well-formed")
}
