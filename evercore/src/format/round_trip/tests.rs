use std::collections::{BTreeMap, HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RoundTripMismatch, RoundTrips, encode};
use crate::{BoxError, Codec};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Field<T> {
    field: T,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged<T> {
    Held { field: T },
}

#[derive(Serialize, Deserialize)]
struct Flattened<T> {
    #[serde(flatten)]
    inner: Field<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Small(u8),
    Large(u16),
}

/// Map keys that serde buffers: beside a field, in a tagged enum and in an untagged enum.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "K: Deserialize<'de> + Ord"))]
struct FlatKeys<K> {
    beside: u8,
    #[serde(flatten)]
    rest: BTreeMap<K, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", bound(deserialize = "K: Deserialize<'de> + Ord"))]
enum TaggedKeys<K> {
    Map(BTreeMap<K, String>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, bound(deserialize = "K: Deserialize<'de> + Ord"))]
enum UntaggedKeys<K> {
    Map(BTreeMap<K, String>),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Number(u8);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Texts {
    Texts(BTreeMap<String, bool>),
    Numbers(BTreeMap<u32, bool>),
}

/// Serializes each element as often as it occurs.
struct Bag(HashMap<u8, usize>);

impl Serialize for Bag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let elements =
            self.0.iter().flat_map(|(element, times)| std::iter::repeat_n(element, *times));
        serializer.collect_seq(elements)
    }
}

impl<'de> Deserialize<'de> for Bag {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut bag = HashMap::new();
        for element in Vec::<u8>::deserialize(deserializer)? {
            *bag.entry(element).or_default() += 1;
        }
        Ok(Self(bag))
    }
}

#[derive(Serialize, Deserialize)]
#[expect(dead_code, reason = "serde does not write it, which is the point")]
struct Unwritten {
    #[serde(skip_serializing)]
    field: u8,
}

#[derive(Serialize, Deserialize)]
#[expect(dead_code, reason = "serde does not write them, which is the point")]
struct Defaulted {
    #[serde(skip_serializing, default)]
    field: u8,
    #[serde(skip)]
    other: u8,
}

#[derive(Serialize, Deserialize)]
struct Unread {
    #[serde(skip_deserializing)]
    field: u8,
}

/// Serializes NaN as null, and deserializes null as NaN.
#[derive(Serialize, Deserialize)]
struct Lenient {
    #[serde(deserialize_with = "nan_if_null")]
    field: f64,
}

fn nan_if_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::deserialize(deserializer).map(|field: Option<f64>| field.unwrap_or(f64::NAN))
}

/// The outcome of encoding a value.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    /// Refused in every build.
    Refused,
    /// Refused only where all values are checked.
    RefusedIfChecked,
}
use Fate::{Kept, Refused, RefusedIfChecked};

/// Returns the serde codecs that this build supports.
fn codecs() -> impl Iterator<Item = (usize, Codec)> {
    let by_serde = [Codec::Json, Codec::Cbor, Codec::MessagePack];
    by_serde.into_iter().enumerate().filter(|(_, codec)| codec.is_built())
}

fn assert_fate<T: Serialize + DeserializeOwned>(what: &str, value: T, fates: [Fate; 3]) {
    let value = Field { field: value };
    for (index, codec) in codecs() {
        let expected = [
            (RoundTrips::CHECKED, fates[index] != Kept),
            (RoundTrips::CHECKED_IF_DOUBTFUL, fates[index] == Refused),
        ];
        for (round_trips, is_refused) in expected {
            let written = encode(&value, codec, round_trips);
            assert_eq!(written.is_err(), is_refused, "{what} in {codec}, {round_trips:?}");
        }
    }
}

fn assert_keys_fate<K>(keys: [K; 2], fates: [Fate; 3])
where
    K: Serialize + DeserializeOwned + Ord + Clone,
{
    let rest = || keys.iter().map(|key| (key.clone(), "x".to_owned())).collect::<BTreeMap<_, _>>();
    let what = std::any::type_name::<K>();
    assert_fate(what, rest(), [Kept; 3]);
    assert_fate(what, FlatKeys { beside: 1, rest: rest() }, fates);
    assert_fate(what, TaggedKeys::Map(rest()), fates);
    assert_fate(what, UntaggedKeys::Map(rest()), fates);
}

/// The expected outcomes are for JSON, CBOR and MessagePack, in this order.
#[test]
fn only_values_that_do_not_round_trip_are_refused() {
    assert_fate("None", None::<u8>, [Kept; 3]);
    assert_fate("Some(1)", Some(1), [Kept; 3]);
    assert_fate("Some(None)", Some(None::<u8>), [Refused, Kept, Refused]);
    assert_fate("Some(())", Some(()), [Refused, Kept, Refused]);
    assert_fate("Some(null)", Some(Value::Null), [Refused, Kept, Refused]);
    assert_fate("Some(NaN)", Some(f64::NAN), [Refused, Kept, Kept]);
    assert_fate("()", (), [Kept; 3]);
    assert_fate("null", json!({ "paid": null, "list": [null, []] }), [Kept; 3]);
    assert_fate("finite", (-0.0_f64, f64::MIN_POSITIVE, f32::MAX), [Kept; 3]);
    assert_fate("NaN", f64::NAN, [Refused, Kept, Kept]);
    assert_fate("infinity", [f64::INFINITY, f64::NEG_INFINITY], [Refused, Kept, Kept]);
    assert_fate("infinity of 32 bits", f32::INFINITY, [Refused, Kept, Kept]);
    assert_fate("NaN that is read again", Lenient { field: f64::NAN }, [Kept; 3]);
    assert_fate("128 bits", (i128::MIN, u128::MAX), [Kept; 3]);

    let keyed = || BTreeMap::from([(1_u32, true), (2, false)]);
    assert_fate("whole keys", keyed(), [Kept; 3]);
    assert_fate("whole keys, tagged", Tagged::Held { field: keyed() }, [Refused, Kept, Kept]);
    assert_fate(
        "whole keys, flattened",
        Flattened { inner: Field { field: keyed() } },
        [Refused, Kept, Kept],
    );
    assert_keys_fate([0_u32, 7], [Refused, Kept, Kept]);
    assert_keys_fate([i64::MIN, 7], [Refused, Kept, Kept]);
    assert_keys_fate([7, u64::MAX], [Refused, Kept, Kept]);
    assert_keys_fate([true, false], [Refused, Kept, Kept]);
    assert_keys_fate(['a', 'b'], [Kept; 3]);
    assert_keys_fate([Number(1), Number(2)], [Refused, Kept, Kept]);
    assert_keys_fate(["a", "b"].map(str::to_owned), [Kept; 3]);
    assert_fate("whole keys that are texts, too", Texts::Numbers(keyed()), [Refused, Kept, Kept]);
    assert_fate("128 bits of few, tagged", Tagged::Held { field: 1_i128 }, [RefusedIfChecked; 3]);
    let large = || u128::from(u64::MAX) + 1;
    assert_fate("128 bits, tagged", Tagged::Held { field: large() }, [RefusedIfChecked; 3]);
    assert_fate(
        "128 bits, flattened",
        Flattened { inner: Field { field: large() } },
        [RefusedIfChecked; 3],
    );
    assert_fate(
        "Some(None), tagged",
        Tagged::Held { field: Some(None::<u8>) },
        [Refused, Kept, Refused],
    );
    assert_fate(
        "Some(()), flattened",
        Flattened { inner: Field { field: Some(()) } },
        [Refused, Kept, Refused],
    );
    assert_fate("unit, tagged", Tagged::Held { field: () }, [Kept; 3]);

    assert_fate("a field that is not written", Unwritten { field: 1 }, [RefusedIfChecked; 3]);
    assert_fate("a field with a default", Defaulted { field: 1, other: 2 }, [Kept; 3]);
    assert_fate("a field that is not read", Unread { field: 1 }, [RefusedIfChecked; 3]);
    assert_fate("the first that fits", Untagged::Small(1), [Kept; 3]);
    assert_fate("another that fits", Untagged::Large(1), [RefusedIfChecked; 3]);
    assert_fate("none before it fits", Untagged::Large(256), [Kept; 3]);

    let map: HashMap<String, Vec<u8>> = (0..9).map(|key| (key.to_string(), vec![key])).collect();
    assert_fate("a map in any order", map, [Kept; 3]);
    let set: HashSet<(u8, String)> = (0..9).map(|key| (key, key.to_string())).collect();
    assert_fate("a set in any order", set, [Kept; 3]);
    for _ in 0..10 {
        let lists = HashSet::from([vec![1, 2], vec![2, 1], vec![3], vec![4]]);
        assert_fate("a set of lists of the same", lists, [Kept; 3]);
        let bag = Bag(HashMap::from([(1, 2), (2, 1), (3, 3)]));
        assert_fate("a bag", bag, [Kept; 3]);
    }

    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_fate("126 levels", nested(126), [Kept; 3]);
    assert_fate("127 levels", nested(127), [Refused, Kept, Kept]);
    assert_fate("255 levels", nested(255), [Refused, Kept, Kept]);
    assert_fate("256 levels", nested(256), [Refused; 3]);
}

fn mismatch<T: Serialize + DeserializeOwned>(value: &T, codec: Codec) -> RoundTripMismatch {
    let refused: BoxError = encode(value, codec, RoundTrips::CHECKED).expect_err("it is lost");
    *refused.downcast().expect("it says where")
}

#[test]
fn a_mismatch_says_where_and_what() {
    let lines = [Some(Some(1)), Some(None)].map(|field| Field { field });
    let lost = mismatch(&Field { field: lines.to_vec() }, Codec::Json);
    assert_eq!(lost.to_string(), "in JSON, `field[1].field` holds Some(None), but is read as None");
    let whole = mismatch(&f64::NAN, Codec::Json).to_string();
    assert!(
        whole.starts_with("in JSON, the whole value is NaN, but is read as an error"),
        "{whole}"
    );
    let unread = mismatch(&Field { field: Field { field: f64::NEG_INFINITY } }, Codec::Json);
    assert_eq!((&*unread.field, &*unread.given), ("field.field", "-inf"));
    assert!(unread.read.starts_with("an error (the payload does not fit at"), "{}", unread.read);
    let other = mismatch(&Field { field: Untagged::Large(1) }, Codec::Json);
    assert_eq!((&*other.given, &*other.read), ("1 (u16)", "1 (u8)"));
}

/// A payload over the limit is refused for its length anyway, so it is not read back.
#[test]
fn encoded_values_over_the_limit_are_not_read_back() {
    let lost = vec![f64::NAN; 100];
    for round_trips in [RoundTrips::CHECKED, RoundTrips::CHECKED_IF_DOUBTFUL] {
        let length =
            encode(&lost, Codec::Json, round_trips.up_to(10)).expect("it is not read").len();
        assert!(encode(&lost, Codec::Json, round_trips.up_to(length - 1)).is_ok());
        assert!(encode(&lost, Codec::Json, round_trips.up_to(length)).is_err());
    }
}

#[test]
fn a_map_whose_keys_json_has_no_form_for_is_named() {
    let cells = Field { field: Field { field: HashMap::from([((1, 2), 3)]) } };
    let refused = encode(&cells, Codec::Json, RoundTrips::default()).expect_err("no text");
    assert_eq!(
        crate::Report::new(&*refused).to_string(),
        "JSON has no form for a key of the map at `field.field`; write the map as a list of pairs, or encode the event in CBOR: key must be a string"
    );
}
