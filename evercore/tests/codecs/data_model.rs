//! The whole data model of serde, in every codec: an accepted value comes back unchanged, any other is refused.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use evercore::{
    Aggregate, Apply, Codec, Error, EventMeta, EventStore, Expected, Limits, NaturalKey, Stream,
    event,
};
use evercore_memory::MemoryEngine;
use proptest::collection::{btree_map, hash_map, hash_set, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::{option, prop_oneof, proptest};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::store::{BY_SERDE, in_codec};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Shelf {
    shapes: Vec<Shape>,
}

#[event(aggregate = Shelf)]
#[derive(Clone, Debug, PartialEq)]
struct Shelved {
    shape: Shape,
}

impl Apply<Shelved> for Shelf {
    fn apply(&mut self, event: &Shelved, _: &EventMeta) {
        self.shapes.push(event.shape.clone());
    }
}

/// A float that equals itself, even if it is NaN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Real<T>(T);

impl PartialEq for Real<f32> {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

impl PartialEq for Real<f64> {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits() || self.0.is_nan() && other.0.is_nan()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct UnitStruct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct TupleStruct(u8, Box<Shape>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Box<Shape>);

/// Every kind of value in serde, and every representation that serde's attributes can give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    UnitVariant,
    Bool(bool),
    Small(i8, u8, i16, u16),
    Whole(i32, u32, i64, u64),
    Large(i128, u128),
    Single(Real<f32>),
    Double(Real<f64>),
    Char(char),
    Text(String),
    Raw(Bytes),
    Unit(()),
    UnitStruct(UnitStruct),
    Maybe(Option<Box<Shape>>),
    MaybeMaybe(Option<Option<u8>>),
    MaybeUnit(Option<()>),
    MaybeUnitStruct(Option<UnitStruct>),
    MaybeJson(Option<serde_json::Value>),
    MaybeReal(Option<Real<f64>>),
    Newtype(Newtype),
    Tuple((u8, Box<Shape>)),
    TupleStruct(TupleStruct),
    Array([u8; 3]),
    List(Vec<Shape>),
    Set(HashSet<(u8, String)>),
    Map(BTreeMap<String, Shape>),
    Hashed(HashMap<u16, Option<bool>>),
    CharKeys(BTreeMap<char, ()>),
    BoolKeys(BTreeMap<bool, u8>),
    NamedKeys(BTreeMap<Named, u8>),
    PairKeys(BTreeMap<(u8, u8), u8>),
    Lists(HashSet<Vec<bool>>),
    Flat(Flat),
    Keyed(Keyed),
    AnyKeys(AnyKeys),
    Json(serde_json::Value),
    Result(Result<u8, Box<Shape>>),
    Tagged(Tagged),
    Adjacent(Adjacent),
    Untagged(Untagged),
    Flattened(Flattened),
    Unwritten(Unwritten),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Named {
    One,
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Tagged {
    Empty,
    Filled { shape: Box<Shape>, amounts: BTreeMap<u32, i64>, real: Real<f32> },
    Large { large: i128 },
    Unit { unit: (), maybe: Option<Option<u8>> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "held")]
enum Adjacent {
    Empty,
    One(Box<Shape>),
    Both(u8, Box<Shape>),
    Fields { inner: Box<Shape> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Small(u8),
    Signed(i16),
    Real(Real<f64>),
    Text(String),
    Nothing,
    Pair(u8, String),
    Named { name: String },
    Other { name: String, other: Option<u8> },
    Boxed(Box<Shape>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Flat {
    Whole {
        beside: bool,
        #[serde(flatten)]
        rest: BTreeMap<u32, String>,
    },
    Signed {
        #[serde(flatten)]
        rest: BTreeMap<i64, String>,
    },
    Longest {
        #[serde(flatten)]
        rest: BTreeMap<u64, String>,
    },
    Bool {
        #[serde(flatten)]
        rest: BTreeMap<bool, u8>,
    },
    Char {
        #[serde(flatten)]
        rest: BTreeMap<char, u8>,
    },
    Pairs {
        #[serde(flatten)]
        rest: BTreeMap<(u8, u8), u8>,
    },
}

/// Flattened into a struct without a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keyed {
    beside: Option<u8>,
    #[serde(flatten)]
    rest: BTreeMap<Key, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key(i16);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum AnyKeys {
    Whole(BTreeMap<u64, u8>),
    Bool(BTreeMap<bool, u8>),
    Text(BTreeMap<String, u8>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    #[serde(rename = "the shape")]
    shape: Box<Shape>,
    amounts: BTreeMap<i32, u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    large: Option<u128>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unwritten {
    #[serde(skip_serializing)]
    secret: u8,
    #[serde(skip_serializing, default)]
    forgotten: u8,
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Into::into),
            btree_map(any::<String>(), inner, 0..3)
                .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn real() -> impl Strategy<Value = Real<f64>> {
    use proptest::num::f64;
    (f64::ANY | f64::INFINITE | f64::QUIET_NAN | f64::NEGATIVE).prop_map(Real)
}

fn single() -> impl Strategy<Value = Real<f32>> {
    use proptest::num::f32;
    (f32::ANY | f32::INFINITE | f32::QUIET_NAN | f32::NEGATIVE).prop_map(Real)
}

fn plain() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::UnitVariant),
        any::<bool>().prop_map(Shape::Bool),
        any::<(i8, u8, i16, u16)>().prop_map(|(a, b, c, d)| Shape::Small(a, b, c, d)),
        any::<(i32, u32, i64, u64)>().prop_map(|(a, b, c, d)| Shape::Whole(a, b, c, d)),
        any::<(i128, u128)>().prop_map(|(a, b)| Shape::Large(a, b)),
        single().prop_map(Shape::Single),
        real().prop_map(Shape::Double),
        any::<char>().prop_map(Shape::Char),
        any::<String>().prop_map(Shape::Text),
        any::<Vec<u8>>().prop_map(|raw| Shape::Raw(raw.into())),
        Just(Shape::Unit(())),
        Just(Shape::UnitStruct(UnitStruct)),
        any::<[u8; 3]>().prop_map(Shape::Array),
        json().prop_map(Shape::Json),
    ]
}

fn options() -> impl Strategy<Value = Shape> {
    prop_oneof![
        any::<Option<Option<u8>>>().prop_map(Shape::MaybeMaybe),
        any::<Option<()>>().prop_map(Shape::MaybeUnit),
        option::of(Just(UnitStruct)).prop_map(Shape::MaybeUnitStruct),
        option::of(json()).prop_map(Shape::MaybeJson),
        option::of(real()).prop_map(Shape::MaybeReal),
    ]
}

fn keyed() -> impl Strategy<Value = Shape> {
    let named = prop_oneof![Just(Named::One), Just(Named::Other)];
    prop_oneof![
        hash_set(any::<(u8, String)>(), 0..5).prop_map(Shape::Set),
        hash_map(any::<u16>(), any::<Option<bool>>(), 0..5).prop_map(Shape::Hashed),
        btree_map(any::<char>(), Just(()), 0..3).prop_map(Shape::CharKeys),
        btree_map(any::<bool>(), any::<u8>(), 0..3).prop_map(Shape::BoolKeys),
        btree_map(named, any::<u8>(), 0..3).prop_map(Shape::NamedKeys),
        btree_map(any::<(u8, u8)>(), any::<u8>(), 0..3).prop_map(Shape::PairKeys),
        hash_set(vec(any::<bool>(), 0..3), 0..5).prop_map(Shape::Lists),
        flat().prop_map(Shape::Flat),
        (any::<Option<u8>>(), btree_map(any::<i16>().prop_map(Key), any::<String>(), 0..3))
            .prop_map(|(beside, rest)| Shape::Keyed(Keyed { beside, rest })),
        any_keys().prop_map(Shape::AnyKeys),
    ]
}

fn flat() -> impl Strategy<Value = Flat> {
    prop_oneof![
        (any::<bool>(), btree_map(any::<u32>(), any::<String>(), 0..3))
            .prop_map(|(beside, rest)| Flat::Whole { beside, rest }),
        btree_map(any::<i64>(), any::<String>(), 0..3).prop_map(|rest| Flat::Signed { rest }),
        btree_map(any::<u64>(), any::<String>(), 0..3).prop_map(|rest| Flat::Longest { rest }),
        btree_map(any::<bool>(), any::<u8>(), 0..3).prop_map(|rest| Flat::Bool { rest }),
        btree_map(any::<char>(), any::<u8>(), 0..3).prop_map(|rest| Flat::Char { rest }),
        btree_map(any::<(u8, u8)>(), any::<u8>(), 0..2).prop_map(|rest| Flat::Pairs { rest }),
    ]
}

/// Maps without entries are excluded, because serde cannot tell their variants apart.
fn any_keys() -> impl Strategy<Value = AnyKeys> {
    prop_oneof![
        btree_map(any::<u64>(), any::<u8>(), 1..3).prop_map(AnyKeys::Whole),
        btree_map(any::<bool>(), any::<u8>(), 1..3).prop_map(AnyKeys::Bool),
        btree_map(any::<String>(), any::<u8>(), 1..3).prop_map(AnyKeys::Text),
    ]
}

fn boxed(inner: impl Strategy<Value = Shape> + Clone) -> impl Strategy<Value = Box<Shape>> + Clone {
    inner.prop_map(Box::new)
}

fn attributed(inner: impl Strategy<Value = Shape> + Clone) -> impl Strategy<Value = Shape> {
    let shape = boxed(inner);
    // Numbers that fit in 64 bits, and ones that do not.
    let large = prop_oneof![any::<i64>().prop_map(i128::from), any::<i128>()];
    let tagged = prop_oneof![
        Just(Tagged::Empty),
        (shape.clone(), btree_map(any::<u32>(), any::<i64>(), 0..2), single())
            .prop_map(|(shape, amounts, real)| Tagged::Filled { shape, amounts, real }),
        large.prop_map(|large| Tagged::Large { large }),
        any::<Option<Option<u8>>>().prop_map(|maybe| Tagged::Unit { unit: (), maybe }),
    ];
    let adjacent = prop_oneof![
        Just(Adjacent::Empty),
        shape.clone().prop_map(Adjacent::One),
        (any::<u8>(), shape.clone()).prop_map(|(number, shape)| Adjacent::Both(number, shape)),
        shape.clone().prop_map(|inner| Adjacent::Fields { inner }),
    ];
    let untagged = prop_oneof![
        any::<u8>().prop_map(Untagged::Small),
        any::<i16>().prop_map(Untagged::Signed),
        real().prop_map(Untagged::Real),
        any::<String>().prop_map(Untagged::Text),
        Just(Untagged::Nothing),
        any::<(u8, String)>().prop_map(|(number, text)| Untagged::Pair(number, text)),
        any::<String>().prop_map(|name| Untagged::Named { name }),
        any::<(String, Option<u8>)>().prop_map(|(name, other)| Untagged::Other { name, other }),
        shape.clone().prop_map(Untagged::Boxed),
    ];
    let inner = (shape, btree_map(any::<i32>(), any::<u8>(), 0..2), any::<Option<u128>>());
    let inner = inner.prop_map(|(shape, amounts, large)| Inner { shape, amounts, large });
    let flattened = (inner, btree_map("[a-c]", json(), 0..3));
    let unwritten = (0..2_u8, 0..2_u8);
    prop_oneof![
        tagged.prop_map(Shape::Tagged),
        adjacent.prop_map(Shape::Adjacent),
        untagged.prop_map(Shape::Untagged),
        flattened.prop_map(|(inner, rest)| Shape::Flattened(Flattened { inner, rest })),
        unwritten.prop_map(|(secret, forgotten)| Shape::Unwritten(Unwritten { secret, forgotten })),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![4 => plain(), 2 => options(), 2 => keyed()].prop_recursive(3, 16, 3, |inner| {
        let shape = boxed(inner.clone());
        prop_oneof![
            3 => attributed(inner.clone()),
            1 => option::of(shape.clone()).prop_map(Shape::Maybe),
            1 => shape.clone().prop_map(|inner| Shape::Newtype(Newtype(inner))),
            1 => (any::<u8>(), shape.clone()).prop_map(Shape::Tuple),
            1 => (any::<u8>(), shape.clone())
                .prop_map(|(number, shape)| Shape::TupleStruct(TupleStruct(number, shape))),
            1 => vec(inner.clone(), 0..3).prop_map(Shape::List),
            1 => btree_map(any::<String>(), inner, 0..3).prop_map(Shape::Map),
            1 => shape.prop_map(|shape| Shape::Result(Err(shape))),
        ]
    })
}

/// Returns whether the event was stored. A stored event must be read back unchanged; otherwise nothing may be written.
async fn is_kept(store: &EventStore, event: &Shelved) -> bool {
    let stream = || Stream::Key(NaturalKey::new("shelf").expect("a key"));
    let written = store.append::<Shelf, _>(stream(), Expected::Any, [event.clone()]).await;
    let live = store
        .with_context(async |ctx| {
            let mut shelf = ctx.load_or_create::<Shelf>("other").await?;
            ctx.apply(&mut shelf, event.clone())?;
            Ok::<_, Error>((shelf.id(), shelf.into_state()))
        })
        .await;
    match (written, live) {
        (Ok(appended), Ok((id, live))) => {
            let history = store.history(appended.id, ..).await.expect("memory reads");
            assert_eq!(&history.events[0].decode::<Shelved>().expect("it is read"), event);
            let replayed = store
                .with_readonly_context(async |ctx| ctx.load::<Shelf>(id).await)
                .await
                .expect("it is replayed");
            assert_eq!(replayed.state(), &live);
            true
        }
        (Err(written), Err(live)) => {
            for error in [written, live] {
                assert!(
                    matches!(error, Error::NotRoundTrip { .. } | Error::Encode { .. }),
                    "{error:?}"
                );
            }
            assert_eq!(store.head().await.expect("memory reads").get(), 0, "nothing was written");
            false
        }
        (written, live) => panic!("{written:?} and {live:?}"),
    }
}

proptest! {
    #[test]
    fn accepted_values_round_trip_and_all_others_are_refused(shape in shape()) {
        let event = Shelved { shape };
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for codec in BY_SERDE {
                let mut fates = Vec::new();
                for builder in [in_codec(codec), in_codec(codec).compress_above(0)] {
                    let store = builder.open(MemoryEngine::new()).await.expect("memory opens");
                    fates.push(is_kept(&store, &event).await);
                }
                assert_eq!(fates[0], fates[1], "{codec} compressed");
            }
        });
    }
}

/// The length alone decides, before the value is compared.
#[tokio::test]
async fn payloads_over_the_limit_are_refused_before_they_are_read_back() {
    let limits = Limits::default().max_payload_bytes(100);
    let store = in_codec(Codec::Json).limits(limits).open(MemoryEngine::new()).await;
    let shape = Shape::List(vec![Shape::Double(Real(f64::NAN)); 100]);
    let stream = Stream::Key(NaturalKey::new("shelf").expect("a key"));
    let store = store.expect("memory opens");
    let refused = store.append::<Shelf, _>(stream, Expected::Any, [Shelved { shape }]).await;
    assert!(matches!(refused, Err(Error::PayloadTooLarge { .. })), "{refused:?}");
}

/// Checks one accepted value of each kind, because a check that refuses everything would pass the other tests.
#[tokio::test]
async fn each_codec_keeps_each_form() {
    let shape = || Box::new(Shape::Text("x".to_owned()));
    let keyed = |amounts| Tagged::Filled { shape: shape(), amounts, real: Real(0.5) };
    let inner = Inner { shape: shape(), amounts: BTreeMap::new(), large: None };
    let rest = BTreeMap::from([("rest".to_owned(), serde_json::json!([null, 1.5]))]);
    let shapes = [
        Shape::Large(i128::MIN, u128::MAX),
        Shape::Unit(()),
        Shape::UnitStruct(UnitStruct),
        Shape::Maybe(None),
        Shape::Maybe(Some(shape())),
        Shape::MaybeMaybe(None),
        Shape::MaybeMaybe(Some(Some(1))),
        Shape::Json(serde_json::json!({ "paid": null, "of": [[], {}, null, -1.5] })),
        Shape::Set(HashSet::from([(1, "a".to_owned()), (2, "b".to_owned())])),
        Shape::Lists(HashSet::from([vec![true, false], vec![false, true], vec![]])),
        Shape::Flat(Flat::Char { rest: [('x', 1)].into() }),
        Shape::Hashed(HashMap::from([(1, None), (2, Some(true))])),
        Shape::Raw(Bytes::from_static(b"\0\xFF")),
        Shape::Tagged(Tagged::Empty),
        Shape::Tagged(keyed(BTreeMap::new())),
        Shape::Tagged(Tagged::Unit { unit: (), maybe: None }),
        Shape::Adjacent(Adjacent::Both(1, shape())),
        Shape::Untagged(Untagged::Nothing),
        Shape::Untagged(Untagged::Boxed(Box::new(Shape::Bool(true)))),
        Shape::Flattened(Flattened { inner, rest }),
    ];
    let refused = [
        // The field is skipped when writing and has no default for reading.
        Shape::Unwritten(Unwritten { secret: 0, forgotten: 0 }),
        // Serde buffers tagged content, and its buffer has no numbers of 128 bits.
        Shape::Tagged(Tagged::Large { large: 1 }),
        // Serde cannot use a pair as the name of a field.
        Shape::Flat(Flat::Pairs { rest: [((1, 2), 3)].into() }),
        // The value is read back as the preceding variant.
        Shape::Untagged(Untagged::Signed(1)),
    ];
    for codec in BY_SERDE {
        let store = || async { in_codec(codec).open(MemoryEngine::new()).await.expect("it opens") };
        for shape in &shapes {
            let event = Shelved { shape: shape.clone() };
            assert!(is_kept(&store().await, &event).await, "{codec}: {event:?}");
        }
        for shape in &refused {
            let event = Shelved { shape: shape.clone() };
            assert!(!is_kept(&store().await, &event).await, "{codec}: {event:?}");
        }
        let event = Shelved { shape: Shape::Tagged(keyed([(1, 2)].into())) };
        assert_eq!(is_kept(&store().await, &event).await, codec != Codec::Json);
        let keyed = BTreeMap::from([(Key(0), "x".to_owned()), (Key(-1), "y".to_owned())]);
        for shape in [
            Shape::Flat(Flat::Whole { beside: true, rest: [(0, "x".to_owned())].into() }),
            Shape::Flat(Flat::Longest { rest: [(u64::MAX, "x".to_owned())].into() }),
            Shape::Flat(Flat::Bool { rest: [(true, 1)].into() }),
            Shape::Keyed(Keyed { beside: None, rest: keyed }),
            Shape::AnyKeys(AnyKeys::Whole([(7, 1)].into())),
        ] {
            let event = Shelved { shape };
            assert_eq!(is_kept(&store().await, &event).await, codec != Codec::Json, "{event:?}");
        }
        let event = Shelved { shape: Shape::MaybeMaybe(Some(None)) };
        assert_eq!(is_kept(&store().await, &event).await, codec == Codec::Cbor);
    }
}
