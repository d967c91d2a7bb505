//! Protocol Buffers messages as events.

use evercore::{Aggregate, Apply, Codec, Error, EventMeta, EventStore, event, state_event};
use evercore_memory::MemoryEngine;
use prost::Message;

use crate::store::{BY_SERDE, apply, in_codec, open, recorded, state};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Account {
    owner: String,
    balance: i64,
}

/// Implements prost's traits only.
#[event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, Message)]
struct MoneyMoved {
    #[prost(int64, tag = "1")]
    amount: i64,
    #[prost(message, optional, tag = "2")]
    to: Option<Party>,
    #[prost(enumeration = "Reason", tag = "3")]
    reason: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Party {
    #[prost(string, repeated, tag = "1")]
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Reason {
    Unknown = 0,
    Rent = 1,
}

/// Implements the traits of prost and of serde.
#[state_event(aggregate = Account, codec = protobuf)]
#[derive(Clone, PartialEq, Message, serde::Serialize, serde::Deserialize)]
struct OwnerChanged {
    #[prost(string, tag = "1")]
    owner: String,
    #[prost(int64, optional, tag = "2")]
    balance: Option<i64>,
}

impl Apply<MoneyMoved> for Account {
    fn apply(&mut self, event: &MoneyMoved, _: &EventMeta) {
        self.balance += event.amount;
    }
}

fn moved() -> MoneyMoved {
    let to = Party { names: vec!["Ada".to_owned(), "Zoë".to_owned()] };
    MoneyMoved { amount: -7, to: Some(to), reason: Reason::Rent.into() }
}

fn changed(balance: Option<i64>) -> OwnerChanged {
    OwnerChanged { owner: "Ada".to_owned(), balance }
}

#[tokio::test]
async fn a_message_is_written_as_prost_writes_it_whatever_the_stores_codec() {
    for codec in BY_SERDE {
        let event = recorded(in_codec(codec), moved()).await;
        assert_eq!(event.payload().codec(), Codec::Protobuf);
        assert_eq!(event.payload().bytes(), &moved().encode_to_vec());
        assert_eq!(event.decode::<MoneyMoved>().expect("it decodes"), moved());
    }
}

#[tokio::test]
async fn messages_and_others_make_one_state() {
    let engine = MemoryEngine::new();
    let store = open(EventStore::builder().compress_above(10), &engine).await;
    let id = apply(&store, "account", changed(Some(100))).await.expect("it lands");
    apply(&store, "account", moved()).await.expect("it lands");
    apply(&store, "account", changed(None)).await.expect("it lands");
    let expected = Account { owner: "Ada".to_owned(), balance: 93 };
    assert_eq!(state::<Account>(&store, id).await.expect("it loads"), expected);
}

#[tokio::test]
async fn a_message_that_serde_knows_is_shown_as_json() {
    let registry = evercore::Registry::linked().expect("the names are distinct");
    let json = recorded(EventStore::builder(), changed(Some(1))).await.to_json(&registry);
    assert_eq!(json.expect("serde knows it"), serde_json::json!({"owner": "Ada", "balance": 1}));

    let shown = recorded(EventStore::builder(), moved()).await.to_json(&registry);
    assert!(matches!(shown, Err(Error::Decode(_))), "{shown:?}");

    let nothing = evercore::Registry::builder().build().expect("nothing");
    let shown = recorded(EventStore::builder(), changed(None)).await.to_json(&nothing);
    assert!(matches!(shown, Err(Error::UnknownEvent(_))), "{shown:?}");
}

/// A type may have been written in JSON before it became a message.
#[test]
fn a_message_that_serde_knows_is_read_from_all_codecs() {
    let json =
        evercore::format::Payload::from_encoded(Codec::Json, r#"{"owner":"Ada","balance":5}"#);
    assert_eq!(json.decode::<OwnerChanged>().expect("it decodes"), changed(Some(5)));
    let error = json.decode::<MoneyMoved>().expect_err("serde does not know it");
    let cause = std::error::Error::source(&error).expect("it says why").to_string();
    assert!(cause.contains("without serde support"), "{cause}");
}

#[test]
fn damaged_messages_are_errors() {
    for bytes in [&[0xFF][..], &[0x0A, 0x05, b'A'], &[0x0A, 0x01, 0xFF]] {
        let payload = evercore::format::Payload::from_encoded(Codec::Protobuf, bytes);
        payload.decode::<OwnerChanged>().expect_err("it is damaged");
    }
}
