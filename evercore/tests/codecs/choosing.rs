//! The choice of an event's codec.

use std::convert::Infallible;

use evercore::format::Encoding;
use evercore::{
    Aggregate, Apply, Codec, CommandError, Decide, Decision, Error, Event, EventDraft, EventMeta,
    EventStore, Expected, NaturalKey, Registry, Stream, event, state_event,
};
use evercore_memory::MemoryEngine;
use serde::{Deserialize, Serialize};

use crate::store::{BY_SERDE, apply, in_codec, open, state};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Lamp {
    level: u8,
    colour: String,
}

#[state_event(aggregate = Lamp)]
#[derive(Clone)]
struct Dimmed {
    level: u8,
}

#[state_event(aggregate = Lamp, codec = messagepack)]
#[derive(Clone)]
struct Coloured {
    colour: String,
}

#[event(aggregate = Lamp, codec = json)]
#[derive(Clone)]
struct Flickered;

impl Apply<Flickered> for Lamp {
    fn apply(&mut self, _: &Flickered, _: &EventMeta) {}
}

/// Implemented by hand.
#[derive(Clone, Serialize, Deserialize)]
struct Broken;

impl Event for Broken {
    type Aggregate = Lamp;
    const NAME: &'static str = "Broken";
    const ENCODING: Encoding<Self> = Encoding::serde().codec(Codec::Cbor);
}

impl Apply<Broken> for Lamp {
    fn apply(&mut self, _: &Broken, _: &EventMeta) {}
}

evercore::register_event!(Broken);

#[tokio::test]
async fn a_log_of_all_codecs_is_one_log() {
    let engine = MemoryEngine::new();
    for (level, codec) in (1..).zip(BY_SERDE) {
        apply(&open(in_codec(codec), &engine).await, "lamp", Dimmed { level }).await.expect("fine");
    }
    let store = open(EventStore::builder(), &engine).await;
    let id = apply(&store, "lamp", Dimmed { level: 4 }).await.expect("it loads and goes on");
    assert_eq!(state::<Lamp>(&store, id).await.expect("it loads").level, 4);
    let history = store.history(id, ..).await.expect("it reads").events;
    let codecs: Vec<_> = history.iter().map(|event| event.payload().codec()).collect();
    assert_eq!(codecs, [Codec::Json, Codec::Cbor, Codec::MessagePack, Codec::Json]);
    for (level, event) in (1..).zip(&history) {
        assert_eq!(event.decode::<Dimmed>().expect("it decodes").level, level);
    }
}

#[tokio::test]
async fn the_codec_of_an_event_type_wins_over_the_stores() {
    let engine = MemoryEngine::new();
    let store = open(in_codec(Codec::Cbor), &engine).await;
    let id = apply(&store, "lamp", Dimmed { level: 1 }).await.expect("it lands");
    apply(&store, "lamp", Coloured { colour: "red".to_owned() }).await.expect("it lands");
    apply(&store, "lamp", Flickered).await.expect("it lands");
    apply(&open(EventStore::builder(), &engine).await, "lamp", Broken).await.expect("it lands");
    let history = store.history(id, ..).await.expect("it reads").events;
    let codecs: Vec<_> = history.iter().map(|event| event.payload().codec()).collect();
    assert_eq!(codecs, [Codec::Cbor, Codec::MessagePack, Codec::Json, Codec::Cbor]);
    let lamp = Lamp { level: 1, colour: "red".to_owned() };
    assert_eq!(state::<Lamp>(&store, id).await.expect("it loads"), lamp);
}

/// Emits both events in one decision.
struct Set(u8, String);

impl Decide<Set> for Lamp {
    type Error = Infallible;

    fn decide(lamp: &mut Decision<'_, Self>, Set(level, colour): &Set) -> Result<(), Infallible> {
        lamp.emit(Dimmed { level: *level });
        lamp.emit(Coloured { colour: colour.clone() });
        Ok(())
    }
}

#[tokio::test]
async fn decisions_and_appends_write_in_the_same_codecs() {
    let engine = MemoryEngine::new();
    let store = open(in_codec(Codec::Cbor), &engine).await;
    let key = || NaturalKey::new("lamp").expect("a key");
    store
        .with_context(async |ctx| {
            let mut lamp = ctx.create_with_key::<Lamp>(key()).await?;
            ctx.decide(&mut lamp, &Set(3, "red".to_owned()))?;
            Ok::<_, CommandError<Infallible>>(())
        })
        .await
        .expect("it lands");
    let events =
        [EventDraft::from(Dimmed { level: 4 }), Coloured { colour: "blue".to_owned() }.into()];
    let appended = store.append::<Lamp, _>(Stream::Key(key()), Expected::Any, events).await;
    let id = appended.expect("it lands").id;
    let history = store.history(id, ..).await.expect("it reads").events;
    let codecs: Vec<_> = history.iter().map(|event| event.payload().codec()).collect();
    let both = [Codec::Cbor, Codec::MessagePack];
    assert_eq!(codecs, [both, both].concat());
    let lamp = Lamp { level: 4, colour: "blue".to_owned() };
    assert_eq!(state::<Lamp>(&store, id).await.expect("it loads"), lamp);
}

#[tokio::test]
async fn a_store_of_messages_refuses_what_is_none() {
    let registry = || Registry::builder().event::<Dimmed>().build().expect("one type");
    let refused = in_codec(Codec::Protobuf).registry(registry()).open(MemoryEngine::new()).await;
    let Err(Error::InvalidDeclaration { rust_type, problem }) = refused else {
        panic!("{refused:?}")
    };
    assert!(rust_type.ends_with("Dimmed"));
    assert!(problem.starts_with("the store writes in Protocol Buffers, "), "{problem}");

    // If the event has its own codec, the store's codec does not matter.
    let registry = Registry::builder().event::<Coloured>().build().expect("one type");
    in_codec(Codec::Protobuf).registry(registry).open(MemoryEngine::new()).await.expect("it opens");
}
