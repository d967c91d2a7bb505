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

/// Writes NaN as null, and reads null as NaN.
#[derive(Serialize, Deserialize)]
struct Lenient {
    #[serde(deserialize_with = "nan_if_null")]
    field: f64,
}

fn nan_if_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Option::deserialize(deserializer).map(|field: Option<f64>| field.unwrap_or(f64::NAN))
}

/// The fate of a value that is to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Kept,
    /// In every build.
    Refused,
    /// Where all is checked.
    RefusedIfChecked,
}
use Fate::{Kept, Refused, RefusedIfChecked};

/// Those that serde can write, and that this build has.
fn codecs() -> impl Iterator<Item = (usize, Codec)> {
    let by_serde = [Codec::Json, Codec::Cbor, Codec::MessagePack];
    by_serde.into_iter().enumerate().filter(|(_, codec)| codec.is_built())
}

fn assert_fate<T: Serialize + DeserializeOwned>(what: &str, value: T, fates: [Fate; 3]) {
    let value = Field { field: value };
    for (index, codec) in codecs() {
        let expected = [
            (RoundTrips::Checked, fates[index] != Kept),
            (RoundTrips::CheckedIfDoubtful, fates[index] == Refused),
        ];
        for (round_trips, is_refused) in expected {
            let written = encode(&value, codec, round_trips);
            assert_eq!(written.is_err(), is_refused, "{what} in {codec}, {round_trips:?}");
        }
    }
}

/// In JSON, in CBOR and in MessagePack.
#[test]
fn what_does_not_come_back_is_refused_and_nothing_else() {
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
    assert_fate(
        "whole keys, tagged",
        Tagged::Held { field: keyed() },
        [RefusedIfChecked, Kept, Kept],
    );
    assert_fate(
        "whole keys, flattened",
        Flattened { inner: Field { field: keyed() } },
        [RefusedIfChecked, Kept, Kept],
    );
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

    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    assert_fate("126 levels", nested(126), [Kept; 3]);
    assert_fate("127 levels", nested(127), [Refused, Kept, Kept]);
    assert_fate("255 levels", nested(255), [Refused, Kept, Kept]);
    assert_fate("256 levels", nested(256), [Refused; 3]);
}

fn mismatch<T: Serialize + DeserializeOwned>(value: &T, codec: Codec) -> RoundTripMismatch {
    let refused: BoxError = encode(value, codec, RoundTrips::Checked).expect_err("it is lost");
    *refused.downcast().expect("it says where")
}

#[test]
fn a_mismatch_says_where_and_what() {
    let lines = [Some(Some(1)), Some(None)].map(|field| Field { field });
    let lost = mismatch(&Field { field: lines.to_vec() }, Codec::Json);
    assert_eq!(
        lost.to_string(),
        "in JSON, `field[1].field` is written as Some(None) and read as None"
    );
    let unread = mismatch(&Field { field: Field { field: f64::NEG_INFINITY } }, Codec::Json);
    assert_eq!((&*unread.field, &*unread.given), ("field.field", "-inf"));
    assert!(unread.read.starts_with("an error (the payload does not fit at"), "{}", unread.read);
    let other = mismatch(&Field { field: Untagged::Large(1) }, Codec::Json);
    assert_eq!((&*other.given, &*other.read), ("1 (u16)", "1 (u8)"));
}
