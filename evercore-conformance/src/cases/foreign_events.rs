//! P12 on reads: an event that this program does not know or cannot decode is an error that names it.

use evercore::engine::{Capability, Precondition};
use evercore::{
    Aggregate, AggregateId, Apply, Error, Event, EventFilter, EventOptions, Expected,
    RecordedEvent, Registry, Result, Stream,
};

use crate::assert::assert_error;
use crate::domain::counter::Added;
use crate::domain::customer::{Client, Deposited, Greeted};
use crate::domain::diary::{self, Burnt, Diary, Jotted, Noted, NotedLater, OldDiary};
use crate::fixture::Fixture;
use crate::journal::{Journal, idle, info};
use crate::raw;

pub(crate) async fn an_event_of_an_unknown_name_is_named(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let id = written_by_another_program(fixture, Burnt).await?;
    assert_unknown(fixture, id, Burnt::NAME, 1).await
}

pub(crate) async fn an_event_of_an_unknown_version_is_named(fixture: &Fixture) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let words = vec!["one".to_owned()];
    let id = written_by_another_program(fixture, NotedLater { words }).await?;
    assert_unknown(fixture, id, Noted::NAME, 2).await
}

async fn assert_unknown(
    fixture: &Fixture,
    id: AggregateId,
    name: &str,
    version: u32,
) -> Result<()> {
    let position = fixture.log().await?[1].position();
    let in_view = diary::read(fixture.store(), id).await.map(drop);
    let in_context =
        fixture.store().with_context(async |ctx| ctx.load::<Diary>(id).await.map(drop)).await;
    for answer in [in_view, in_context] {
        assert_error!(answer, Error::UnknownEvent(place)
            if place.position == position
                && place.aggregate_id == id
                && place.sequence.get() == 2
                && place.aggregate_type == Diary::NAME
                && place.event_type == name
                && place.version == version);
    }
    assert_eq!(
        fixture.store().history(id, ..).await?.events.len(),
        2,
        "the log itself can be read"
    );
    Ok(())
}

pub(crate) async fn an_event_under_its_old_name_is_read(fixture: &Fixture) -> Result<()> {
    let id = written_by_another_program(fixture, Jotted { text: "of old".to_owned() }).await?;
    let diary = diary::read(fixture.store(), id).await?;
    let texts: Vec<_> = diary.entries.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["first", "of old"]);

    let history = fixture.store().history(id, ..).await?.events;
    assert_eq!(history[1].event_type(), Jotted::NAME, "it is stored as it was written");
    assert_eq!(history[1].decode::<Noted>()?.text, "of old");
    assert_error!(history[1].decode::<Added>(), Error::WrongEventType { .. });
    Ok(())
}

pub(crate) async fn an_undecodable_payload_is_named_with_its_field(
    fixture: &Fixture,
) -> Result<()> {
    fixture.needs(Capability::ReadViews)?;
    let (store, engine) = (fixture.store(), fixture.engine());
    let payloads: [(&[u8], &str); 4] =
        [(b"{\"text\":17}", "text"), (b"{\"other\":1}", "."), (b"{", "."), (b"\xFF\x00", ".")];
    for (payload, field) in payloads {
        let id = diary::start(store, "good", EventOptions::new()).await?;
        let writes = vec![raw::write::<Diary>(id, Precondition::Exists)];
        let events = vec![raw::encoded_event::<Noted>(id, 2, payload.to_vec())];
        let committed = engine.commit(raw::commit(writes, events)).await?;
        let position = committed.position().expect("it wrote an event");

        assert_error!(diary::read(store, id).await, Error::Decode(found)
            if found.event.position == position
                && found.event.sequence.get() == 2
                && found.event.event_type == Noted::NAME
                && found.rust_type.ends_with("Noted")
                && found.source.field() == field);
        let history = store.history(id, ..).await?.events;
        assert_eq!(history[1].payload().bytes(), payload, "bytes are kept as they are");
        assert_error!(history[1].decode::<Noted>(), Error::Decode(_));
    }
    Ok(())
}

pub(crate) async fn events_of_another_program_are_followed_by_their_names(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    written_by_another_program(fixture, Burnt).await?;
    let registry = Registry::builder().event::<Deposited>().event::<Greeted>().build()?;
    let older = fixture.store_with(fixture.builder().registry(registry)).await?;
    older
        .with_context(async |ctx| {
            let mut client = ctx.create::<Client>().await?;
            ctx.apply(&mut client, Greeted { name: "Ada".to_owned(), cents: 5 })?;
            ctx.apply(&mut client, Deposited(1))
        })
        .await?;
    let named = [
        (EventFilter::new().event_named(Client::NAME, Deposited::NAME), vec![Deposited::NAME]),
        (EventFilter::new().aggregate_named(Client::NAME), vec![Greeted::NAME, Deposited::NAME]),
        // The aggregate type is linked, and its event is not.
        (EventFilter::new().event_named(Diary::NAME, Burnt::NAME), vec![Burnt::NAME]),
    ];
    for (index, (filter, expected)) in named.into_iter().enumerate() {
        let (name, journal) = (format!("tool {index}"), Journal::default());
        let follow = || store.subscription(name.as_str()).filter(filter.clone().allow_unlinked());
        for _ in 0..2 {
            let worker = follow().spawn(journal.handler())?;
            idle(store, &name, &worker).await?;
            worker.shutdown().await?;
        }
        let events = journal.events();
        let names: Vec<_> = events.iter().map(RecordedEvent::event_type).collect();
        assert_eq!(names, expected, "also when it is run again");
        assert_eq!(info(store, &name).await?.filter, filter);
    }
    Ok(())
}

/// Creates a diary with one entry, followed by an event that only the other program knows.
async fn written_by_another_program<E>(fixture: &Fixture, event: E) -> Result<AggregateId>
where
    E: Event<Aggregate = OldDiary>,
    OldDiary: Apply<E>,
{
    let id = diary::start(fixture.store(), "first", EventOptions::new()).await?;
    let registry =
        Registry::builder().event::<Burnt>().event::<Jotted>().event::<NotedLater>().build()?;
    let other = fixture.store_with(fixture.builder().registry(registry)).await?;
    other.append::<OldDiary, _>(Stream::Id(id), Expected::Any, [event]).await?;
    Ok(id)
}
