//! Any event as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use evercore::format::{Encoding, Payload};
use evercore::{Aggregate, Apply, Codec, Error, Event, EventMeta, Registry, event, state_event};
use serde_json::json;
use uuid::Uuid;

use crate::store::{BY_SERDE, in_codec, recorded};

#[derive(Aggregate, Clone, Default)]
struct Sample {
    seen: Seen,
}

#[state_event(aggregate = Sample)]
struct SampleTaken {
    seen: Seen,
}

/// A payload with values for which JSON has no form of its own.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Seen {
    text: String,
    counts: BTreeMap<i16, Option<u64>>,
    flags: BTreeMap<bool, char>,
    bytes: Bytes,
    large: Option<u128>,
    negative: i64,
    ratio: f32,
    infinite: Option<f64>,
    kind: Kind,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
enum Kind {
    #[default]
    None,
    One(u8),
    Both {
        left: (),
        right: Vec<Kind>,
    },
}

fn seen() -> Seen {
    Seen {
        text: "Zoë\0\u{10FFFF}".to_owned(),
        counts: [(-1, Some(u64::MAX)), (2, None)].into(),
        flags: [(true, 'é')].into(),
        bytes: Bytes::from_static(&[0, 255]),
        large: None,
        negative: i64::MIN,
        ratio: 0.5,
        infinite: None,
        kind: Kind::Both { left: (), right: vec![Kind::None, Kind::One(3)] },
    }
}

fn as_json() -> serde_json::Value {
    json!({"seen": {
        "text": "Zoë\0\u{10FFFF}",
        "counts": {"-1": u64::MAX, "2": null},
        "flags": {"true": "é"},
        "bytes": [0, 255],
        "large": null,
        "negative": i64::MIN,
        "ratio": 0.5,
        "infinite": null,
        "kind": {"Both": {"left": null, "right": ["None", {"One": 3}]}},
    }})
}

fn nothing() -> Registry {
    Registry::builder().build().expect("nothing")
}

#[tokio::test]
async fn a_known_event_is_shown_as_its_type_would_write_it() {
    let registry = Registry::linked().expect("the names are distinct");
    for codec in BY_SERDE {
        let event = recorded(in_codec(codec).compress_above(0), SampleTaken { seen: seen() }).await;
        assert_eq!(event.to_json(&registry).expect("it is known"), as_json(), "{codec}");
    }
}

#[tokio::test]
async fn an_unknown_event_is_shown_by_what_its_bytes_say() {
    for codec in BY_SERDE {
        let event = recorded(in_codec(codec), SampleTaken { seen: seen() }).await;
        let mut shown = event.to_json(&nothing()).expect("it says what it is");
        // The codecs write `None` in different ways.
        shown["seen"]["kind"]["Both"]["left"] = json!(null);
        assert_eq!(shown, as_json(), "{codec}");
    }
}

#[tokio::test]
async fn numbers_that_json_lacks_are_shown_as_serde_json_shows_them() {
    for codec in [Codec::Cbor, Codec::MessagePack] {
        let seen = Seen { infinite: Some(f64::INFINITY), ..Seen::default() };
        let event = recorded(in_codec(codec), SampleTaken { seen }).await;
        let shown = event.to_json(&nothing()).expect("it says what it is");
        assert_eq!(shown["seen"]["infinite"], json!(null), "{codec}");
    }
    let seen = Seen { large: Some(u128::MAX), ..Seen::default() };
    let shown = recorded(in_codec(Codec::Cbor), SampleTaken { seen }).await.to_json(&nothing());
    assert_eq!(shown.expect("it says what it is")["seen"]["large"], json!(2.0_f64.powi(128)));
}

/// Tools have to show what is wrong with the event.
#[tokio::test]
async fn an_event_that_does_not_fit_its_type_is_shown_by_what_its_bytes_say() {
    #[event(aggregate = Sample)]
    struct Before {
        seen: u8,
    }

    impl Apply<Before> for Sample {
        fn apply(&mut self, _: &Before, _: &EventMeta) {}
    }

    #[derive(Default)]
    struct LaterSample;

    impl Aggregate for LaterSample {
        const NAME: &'static str = Sample::NAME;
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct After {
        seen: String,
    }

    impl Event for After {
        type Aggregate = LaterSample;
        const NAME: &'static str = Before::NAME;
        const ENCODING: Encoding<Self> = Encoding::serde();
    }

    impl Apply<After> for LaterSample {
        fn apply(&mut self, _: &After, _: &EventMeta) {}
    }

    let after = Registry::builder().event::<After>().build().expect("one type");
    let event = recorded(in_codec(Codec::Cbor), Before { seen: 7 }).await;
    assert!(matches!(event.decode::<After>(), Err(Error::Decode(_))));
    assert_eq!(event.to_json(&after).expect("it says what it is"), json!({"seen": 7}));
}

#[tokio::test]
async fn a_type_that_writes_itself_in_two_ways_is_read_in_both() {
    #[derive(Aggregate, Clone, Default)]
    struct Link {
        id: Uuid,
    }

    #[state_event(aggregate = Link)]
    struct Linked {
        id: Uuid,
    }

    let id = Uuid::from_u128(7);
    let registry = Registry::linked().expect("the names are distinct");
    for codec in BY_SERDE {
        let event = recorded(in_codec(codec), Linked { id }).await;
        assert_eq!(event.decode::<Linked>().expect("it decodes").id, id);
        let shown = event.to_json(&registry).expect("it is known");
        assert_eq!(shown, json!({"id": id.to_string()}), "{codec}");
    }
}

#[test]
fn a_key_that_json_cannot_have_is_an_error() {
    // `{[]: 1}`
    for (codec, bytes) in
        [(Codec::Cbor, [0xA1, 0x80, 0x01]), (Codec::MessagePack, [0x81, 0x90, 0x01])]
    {
        let payload = Payload::from_encoded(codec, bytes.to_vec());
        payload.to_json().expect_err("a list is no key");
    }
}
