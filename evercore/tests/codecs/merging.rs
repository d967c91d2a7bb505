//! A state event means the same in all codecs: absent, null and a value are three different things.

use evercore::{Aggregate, Codec, state_event};

use crate::store::{BY_SERDE, apply, in_codec, open, recorded, state};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Profile {
    name: String,
    limit: Option<i64>,
    nick: Option<String>,
    nested: Option<Option<i64>>,
}

#[state_event(aggregate = Profile)]
#[derive(Clone, Debug, Default, PartialEq)]
struct Edited {
    name: Option<String>,
    limit: Option<Option<i64>>,
    nick: Option<Option<String>>,
    nested: Option<Option<i64>>,
}

fn edits() -> [(Edited, Profile); 4] {
    let whole = Profile {
        name: "Ada".to_owned(),
        limit: Some(5),
        nick: Some("Countess".to_owned()),
        nested: Some(Some(1)),
    };
    let set = Edited {
        name: Some("Ada".to_owned()),
        limit: Some(Some(5)),
        nick: Some(Some("Countess".to_owned())),
        nested: Some(Some(1)),
    };
    let cleared = Profile { limit: None, ..whole.clone() };
    let all_cleared = Profile { nick: None, nested: Some(None), ..cleared.clone() };
    [
        (set, whole.clone()),
        (Edited::default(), whole),
        (Edited { limit: Some(None), ..Edited::default() }, cleared),
        (Edited { nick: Some(None), nested: Some(None), ..Edited::default() }, all_cleared),
    ]
}

#[tokio::test]
async fn absent_null_and_a_value_are_told_apart() {
    for codec in BY_SERDE {
        for limit in [None, Some(None), Some(Some(5))] {
            let event = Edited { limit, ..Edited::default() };
            let read = recorded(in_codec(codec), event.clone()).await.decode::<Edited>();
            assert_eq!(read.expect("it decodes"), event, "{codec}");
        }
    }
}

#[tokio::test]
async fn a_state_is_merged_the_same_when_it_happens_and_when_it_is_replayed() {
    for codec in BY_SERDE {
        let store = open(in_codec(codec), &evercore_memory::MemoryEngine::new()).await;
        for (edit, expected) in edits() {
            let id = apply(&store, "ada", edit).await.expect("it lands");
            assert_eq!(state::<Profile>(&store, id).await.expect("it loads"), expected, "{codec}");
        }
    }
}

/// An event may gain or lose fields without a new version, so field names are written.
#[tokio::test]
async fn fields_are_found_by_their_names() {
    #[state_event(aggregate = Profile, name = "Edited", version = 2)]
    struct EditedLater {
        nick: Option<Option<String>>,
        name: Option<String>,
    }

    for codec in [Codec::Cbor, Codec::MessagePack] {
        let (edit, _) = edits()[0].clone();
        let payload = recorded(in_codec(codec), edit.clone()).await.payload().clone();
        let later: EditedLater = payload.decode().expect("what it has, it finds");
        assert_eq!((later.nick, later.name), (edit.nick, edit.name), "{codec}");
    }
}
