//! Payloads with damaged or unexpected bytes.

use evercore::format::Payload;
use evercore::{Aggregate, Codec, Error, state_event};
use proptest::prelude::{Strategy, any};
use proptest::proptest;
use proptest::sample::select;

use crate::store::{BY_SERDE, in_codec, recorded};

#[derive(Aggregate, Clone, Default)]
struct Order {
    address: Address,
}

#[state_event(aggregate = Order)]
#[derive(Clone)]
struct Addressed {
    address: Address,
}

/// An event with another shape.
#[state_event(aggregate = Parcel)]
struct Labelled {
    address: Label,
}

#[derive(Aggregate, Clone, Default)]
struct Parcel {
    address: Label,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Address {
    city: String,
}

#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Label {
    city: u32,
}

async fn payload(codec: Codec) -> Payload {
    let event = Labelled { address: Label { city: 17 } };
    recorded(in_codec(codec), event).await.payload().clone()
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_named_by_its_path() {
    for codec in BY_SERDE {
        let error = payload(codec).await.decode::<Addressed>().map(|event| event.address);
        assert_eq!(error.expect_err("a number is no text").field(), "address.city", "{codec}");
    }
}

#[tokio::test]
async fn bytes_that_are_missing_or_too_many_are_errors() {
    for codec in BY_SERDE {
        let whole = payload(codec).await;
        whole.decode::<Labelled>().map(drop).expect("it is whole");
        for end in 0..whole.bytes().len() {
            let cut = Payload::from_encoded(codec, whole.bytes()[..end].to_vec());
            cut.decode::<Labelled>().map(drop).expect_err("it is cut");
            cut.to_json().expect_err("it is cut");
        }
        let twice = Payload::from_encoded(codec, whole.bytes().repeat(2));
        twice.decode::<Labelled>().map(drop).expect_err("it is two");
        twice.to_json().expect_err("it is two");
    }
}

/// The field's name is empty, the type has no such field, and its value is cut off or invalid.
#[test]
fn a_misfit_in_a_field_without_a_name_is_one_of_the_whole() {
    let bytes: [(Codec, &[u8]); 3] = [
        (Codec::Json, b"{\"\":tru}"),
        (Codec::Cbor, &[0xA1, 0x60, 0xFF]),
        (Codec::MessagePack, &[0x81, 0xA0, 0xC1]),
    ];
    for (codec, bytes) in bytes {
        let error = Payload::from_encoded(codec, bytes).decode::<Addressed>().map(drop);
        assert_eq!(error.expect_err("it is no value").field(), ".", "{codec}");
    }
}

/// A few bytes that claim to be a long list, and a deeply nested list.
#[test]
fn huge_declared_lengths_and_deep_nesting_are_errors() {
    let claims = [
        (Codec::Cbor, vec![0x9B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        (Codec::Cbor, vec![0x5B, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        (Codec::MessagePack, vec![0xDD, 0x7F, 0xFF, 0xFF, 0xFF]),
        (Codec::MessagePack, vec![0xC6, 0x7F, 0xFF, 0xFF, 0xFF]),
        (Codec::Json, vec![b'['; 1_000_000]),
        (Codec::Cbor, vec![0x81; 1_000_000]),
        (Codec::MessagePack, vec![0x91; 1_000_000]),
    ];
    for (codec, bytes) in claims {
        let payload = Payload::from_encoded(codec, bytes);
        payload.to_json().expect_err("it is not what it claims");
        payload.decode::<Labelled>().map(drop).expect_err("it is not what it claims");
    }
}

proptest! {
    /// Decoding must not panic, overflow the stack or exhaust the memory either.
    #[test]
    fn any_bytes_are_an_event_or_an_error(format in formats(), bytes in any::<Vec<u8>>()) {
        let payload = Payload::from_stored(format, bytes).expect("a number of ours");
        let read = payload.decode::<Addressed>();
        if let (Ok(_), Err(error)) = (&read, payload.to_json()) {
            panic!("{payload:?} is an event and no JSON: {error:?}");
        }
    }
}

fn formats() -> impl Strategy<Value = i16> {
    select(vec![1, 2, 3, 101, 102, 103])
}

#[test]
fn a_number_that_no_payload_has_is_damage() {
    for number in [i16::MIN, -1, 0, 5, 99, 100, 105, 201, i16::MAX] {
        let refused = Payload::from_stored(number, "{}");
        assert!(matches!(refused, Err(Error::Corrupt { what: "codec", .. })), "{refused:?}");
    }
    for number in [1, 2, 3, 4, 101, 102, 103, 104] {
        let payload = Payload::from_stored(number, "").expect("a number of ours");
        assert_eq!(payload.stored_format(), number);
    }
}
