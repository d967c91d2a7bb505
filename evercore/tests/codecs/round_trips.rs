//! An event comes back unchanged in every codec.

use std::collections::BTreeMap;

use bytes::Bytes;
use evercore::format::Encoding;
use evercore::{
    Aggregate, Apply, Codec, Event, EventMeta, EventStore, Expected, NaturalKey, Stream, event,
};
use evercore_memory::MemoryEngine;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::{option, prop_oneof, proptest};
use tokio::runtime::Builder;

use crate::store::{BY_SERDE, in_codec};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Chest {
    things: Vec<Thing>,
}

#[event(aggregate = Chest)]
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    thing: Thing,
    label: Option<Option<String>>,
    note: Option<String>,
    at: (i8, u16, char),
}

impl Apply<Stored> for Chest {
    fn apply(&mut self, event: &Stored, _: &EventMeta) {
        self.things.push(event.thing.clone());
    }
}

/// Values of every kind in serde.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Thing {
    Nothing,
    Flag(bool),
    Number(i64),
    Large(i128, u128),
    Real { single: f32, double: f64 },
    Text(String),
    Raw(Bytes),
    Times(chrono::DateTime<chrono::Utc>, std::time::Duration),
    Tagged(Tagged),
    Either(Result<u64, String>),
    List(Vec<Thing>),
    Map(BTreeMap<String, Option<Thing>>),
    Keyed(BTreeMap<i32, ()>),
    Boxed(Box<Thing>),
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Tagged {
    Empty,
    Filled { amount: u64, share: f64, tags: Vec<String> },
}

/// A message with fields of every kind.
#[derive(Clone, PartialEq, prost::Message)]
struct Sent {
    #[prost(sint64, tag = "1")]
    number: i64,
    #[prost(double, optional, tag = "2")]
    real: Option<f64>,
    #[prost(string, repeated, tag = "3")]
    texts: Vec<String>,
    #[prost(bytes = "vec", tag = "4")]
    raw: Vec<u8>,
    #[prost(btree_map = "string, uint64", tag = "5")]
    counts: BTreeMap<String, u64>,
    #[prost(message, optional, boxed, tag = "6")]
    inner: Option<Box<Sent>>,
}

impl Event for Sent {
    type Aggregate = Chest;
    const NAME: &'static str = "Sent";
    const ENCODING: Encoding<Self> = Encoding::protobuf();
}

impl Apply<Sent> for Chest {
    fn apply(&mut self, _: &Sent, _: &EventMeta) {}
}

evercore::register_event!(Sent);

/// Finite numbers, because JSON has no infinity and NaN does not equal itself.
fn real() -> impl Strategy<Value = (f32, f64)> {
    use proptest::num::{f32, f64};
    let single = f32::NORMAL | f32::SUBNORMAL | f32::ZERO;
    let double = f64::NORMAL | f64::SUBNORMAL | f64::ZERO;
    (single, double)
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        Just(Tagged::Empty),
        (any::<u64>(), real(), vec(any::<String>(), 0..3))
            .prop_map(|(amount, (_, share), tags)| Tagged::Filled { amount, share, tags }),
    ]
}

fn times() -> impl Strategy<Value = Thing> {
    // The years that RFC 3339 allows.
    let seconds = -62_135_596_800..253_402_300_800_i64;
    let times = (seconds, 0..1_000_000_000_u32, any::<std::time::Duration>());
    times.prop_map(|(seconds, nanos, duration)| {
        let time = chrono::DateTime::from_timestamp(seconds, nanos).expect("a time");
        Thing::Times(time, duration)
    })
}

fn thing() -> impl Strategy<Value = Thing> {
    let leaf = prop_oneof![
        Just(Thing::Nothing),
        any::<bool>().prop_map(Thing::Flag),
        any::<i64>().prop_map(Thing::Number),
        any::<(i128, u128)>().prop_map(|(signed, unsigned)| Thing::Large(signed, unsigned)),
        real().prop_map(|(single, double)| Thing::Real { single, double }),
        any::<String>().prop_map(Thing::Text),
        any::<Vec<u8>>().prop_map(|raw| Thing::Raw(raw.into())),
        times(),
        tagged().prop_map(Thing::Tagged),
        any::<Result<u64, String>>().prop_map(Thing::Either),
        btree_map(any::<i32>(), Just(()), 0..4).prop_map(Thing::Keyed),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Thing::List),
            btree_map(any::<String>(), option::of(inner.clone()), 0..4).prop_map(Thing::Map),
            inner.prop_map(|inner| Thing::Boxed(Box::new(inner))),
        ]
    })
}

fn stored() -> impl Strategy<Value = Stored> {
    let label = option::of(option::of(any::<String>()));
    (thing(), label, option::of(any::<String>()), any::<(i8, u16, char)>())
        .prop_map(|(thing, label, note, at)| Stored { thing, label, note, at })
}

fn sent() -> impl Strategy<Value = Sent> {
    let fields = (
        any::<i64>(),
        option::of(any::<f64>().prop_filter("equal to itself", |real| !real.is_nan())),
        vec(any::<String>(), 0..3),
        any::<Vec<u8>>(),
        btree_map(any::<String>(), any::<u64>(), 0..3),
    );
    let leaf = fields.prop_map(|(number, real, texts, raw, counts)| Sent {
        number,
        real,
        texts,
        raw,
        counts,
        inner: None,
    });
    leaf.prop_recursive(3, 8, 1, |inner| {
        (inner.clone(), inner)
            .prop_map(|(outer, inner)| Sent { inner: Some(Box::new(inner)), ..outer })
    })
}

/// Writes an event with and without compression, and returns the events that are read.
fn read_back<E>(codec: Codec, event: &E) -> Vec<E>
where
    E: Event<Aggregate = Chest> + Clone,
    Chest: Apply<E>,
{
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut read = Vec::new();
        for builder in [in_codec(codec), in_codec(codec).compress_above(0)] {
            let store: EventStore = builder.open(MemoryEngine::new()).await.expect("memory opens");
            let stream = Stream::Key(NaturalKey::new("chest").expect("a key"));
            let written = store.append::<Chest, _>(stream, Expected::Any, [event.clone()]).await;
            let id = written.expect("it lands").id;
            let history = store.history(id, ..).await.expect("memory reads").events;
            read.push(history[0].decode::<E>().expect("it decodes"));
        }
        read
    })
}

proptest! {
    #[test]
    fn an_event_comes_back_as_it_was_in_every_codec_of_serde(event in stored()) {
        for codec in BY_SERDE {
            for read in read_back(codec, &event) {
                assert_eq!(read, event, "{codec}");
            }
        }
    }

    #[test]
    fn a_message_comes_back_as_it_was(event in sent()) {
        for read in read_back(Codec::Json, &event) {
            assert_eq!(read, event);
        }
    }
}
