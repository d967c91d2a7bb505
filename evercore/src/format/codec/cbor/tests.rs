use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{MOST_NESTED, decode, encode};

/// Encodes a value, checks that it decodes to the same value, and returns the bytes.
fn written<T>(value: &T) -> Vec<u8>
where
    T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug,
{
    let bytes = encode(value).expect("it is written").bytes;
    assert_eq!(&decode::<T>(&bytes).expect("it is read"), value);
    bytes
}

#[test]
fn a_unit_is_null_and_some_null_is_tagged() {
    assert_eq!(written(&()), [0xF6]);
    assert_eq!(written(&None::<()>), [0xF6]);
    assert_eq!(written(&Some(())), [0xD8, 0x7A, 0xF6]);
    assert_eq!(written(&Some(None::<u8>)), [0xD8, 0x7A, 0xF6]);
    assert_eq!(written(&Some(Some(None::<u8>))), [0xD8, 0x7A, 0xD8, 0x7A, 0xF6]);
    assert_eq!(written(&Some(Some(Some(1)))), [0x01]);
    assert_eq!(written(&Some(vec![None::<u8>])), [0x81, 0xF6]);
    assert_eq!(written(&Some(Value::Null)), [0xD8, 0x7A, 0xF6]);
}

#[test]
fn a_value_of_json_comes_back_as_it_was() {
    let value = json!({ "paid": null, "list": [], "of": [null, 1.0, -1, u64::MAX, "é", true] });
    assert_eq!(written(&json!({ "paid": null }))[6..], [0xF6]);
    written(&value);
}

#[test]
fn whole_numbers_of_128_bits_are_kept() {
    for value in [i128::MIN, i128::from(i64::MIN) - 1, -1, 0, i128::from(u64::MAX) + 1, i128::MAX] {
        written(&value);
    }
    written(&u128::MAX);
}

/// Other encoders write strings in chunks, and lists without a length.
#[test]
fn lengths_may_be_left_open() {
    assert_eq!(decode::<String>(&[0x7F, 0x61, b'a', 0x61, b'b', 0xFF]).expect("a text"), "ab");
    assert_eq!(decode::<Vec<u8>>(&[0x9F, 1, 2, 0xFF]).expect("a list"), [1, 2]);
    let value = decode::<Value>(&[0xBF, 0x61, b'a', 0xF7, 0xFF]).expect("a map");
    assert_eq!(value, json!({ "a": null }));
}

#[test]
fn a_list_is_read_to_its_end() {
    for list in [&[0x83, 1, 2, 3][..], &[0x81, 1], &[0x9F, 1, 2, 3, 0xFF], &[0x9F, 1, 0xFF]] {
        decode::<(u8, u8)>(list).expect_err("they are not two");
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Plain,
    Around(Box<Kind>),
    Tuple(u8, Box<Kind>),
    Fields { inner: Box<Kind> },
}

#[test]
fn variants_are_names_or_maps_of_one() {
    assert_eq!(written(&Kind::Plain), [0x65, b'P', b'l', b'a', b'i', b'n']);
    let fields = Kind::Fields { inner: Box::new(Kind::Plain) };
    written(&Kind::Around(Box::new(Kind::Tuple(1, Box::new(fields)))));
    // A variant without content in place of one that has some, then maps of zero and two entries.
    for bytes in [&[0x66, b'A', b'r', b'o', b'u', b'n', b'd'][..], &[0xA0], &[0xA2, 0, 0, 0, 0]] {
        decode::<Kind>(bytes).expect_err("it is no variant");
    }
}

#[test]
fn values_nested_too_deeply_to_be_read_are_not_written() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Nested(Option<Box<Nested>>);

    type Wrap = fn(Kind) -> Kind;
    let wraps: [(Wrap, u16); 3] = [
        (|inner| Kind::Around(Box::new(inner)), 1),
        (|inner| Kind::Tuple(0, Box::new(inner)), 2),
        (|inner| Kind::Fields { inner: Box::new(inner) }, 2),
    ];
    for (wrap, levels) in wraps {
        let most = MOST_NESTED / levels;
        let nested = (0..most).fold(Kind::Plain, |inner, _| wrap(inner));
        written(&nested);
        assert!(encode(&wrap(nested)).is_err(), "{levels} levels each");
    }
    let nested = (1..MOST_NESTED).fold(Nested(None), |inner, _| Nested(Some(Box::new(inner))));
    let bytes = encode(&nested).expect("it is written").bytes;
    decode::<Nested>(&bytes).expect("it is read");
    let list = (1..MOST_NESTED).fold(json!([]), |inner, _| json!([inner]));
    written(&list);
    assert!(encode(&json!([list])).is_err());
}

#[test]
fn a_length_that_is_not_kept_is_refused() {
    struct Liar;

    impl Serialize for Liar {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            serializer.serialize_seq(Some(3))?.end()
        }
    }

    let Err(error) = encode(&Liar) else { panic!("it was written") };
    assert_eq!(error.to_string(), "its `Serialize` announces 3 elements, but writes 0");
}
