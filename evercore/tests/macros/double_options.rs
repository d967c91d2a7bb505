//! The encoding of an `Option<Option<T>>` in an event: absent is `None`, null is `Some(None)`.

use evercore::{Aggregate, Apply, Error, Event, EventMeta, event, state_event};
use serde::{Deserialize, Deserializer, Serializer};

use crate::store::{recorded, state_after};

#[derive(Aggregate, Clone, Default)]
struct Settings {
    limit: Option<i64>,
    theme: Option<String>,
}

#[state_event(aggregate = Settings)]
#[derive(Debug, Default, PartialEq)]
struct Changed {
    limit: Option<Option<i64>>,
    #[serde(rename = "colours", default)]
    theme: Option<Option<String>>,
}

#[state_event(aggregate = Settings)]
#[derive(Debug, Default, PartialEq)]
struct ChangedInItsOwnWay {
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    limit: Option<Option<i64>>,
}

fn as_text<S: Serializer>(limit: &Option<Option<i64>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{limit:?}"))
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i64>>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((text != "None").then_some(None))
}

/// Writes the event, and checks its text in the log and that it reads back.
async fn is_stored_as(event: Changed, json: &str) {
    let events = recorded::<Settings>(|ctx, settings| {
        let Changed { limit, theme } = &event;
        ctx.apply(settings, Changed { limit: *limit, theme: theme.clone() })
    })
    .await;
    let [stored] = &events[..] else { panic!("one event was written: {events:?}") };
    assert_eq!(stored.payload().bytes(), json.as_bytes());
    assert_eq!(stored.decode::<Changed>().expect("it decodes"), event);
}

#[tokio::test]
async fn none_is_absent() {
    is_stored_as(Changed::default(), "{}").await;
}

#[tokio::test]
async fn some_none_is_null() {
    let event = Changed { limit: Some(None), theme: Some(None) };
    is_stored_as(event, r#"{"limit":null,"colours":null}"#).await;
}

#[tokio::test]
async fn some_some_is_the_value() {
    let event = Changed { limit: Some(Some(5)), theme: Some(Some("dark".to_owned())) };
    is_stored_as(event, r#"{"limit":5,"colours":"dark"}"#).await;
}

#[test]
fn a_field_that_is_written_in_its_own_way_is_left_alone() {
    let event = ChangedInItsOwnWay { limit: Some(None) };
    let json = serde_json::to_string(&event).expect("it encodes");
    assert_eq!(json, r#"{"limit":"Some(None)"}"#);
    assert_eq!(serde_json::from_str::<ChangedInItsOwnWay>(&json).expect("it decodes"), event);
}

/// The values that were applied, which the state's own fields could not tell apart.
#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Heard(Vec<Option<Option<i64>>>);

#[event(aggregate = Heard)]
struct Said {
    value: Option<Option<i64>>,
}

#[event(aggregate = Heard)]
enum SaidInAVariant {
    Named { value: Option<Option<i64>> },
    Whole(Option<i64>),
}

#[event(aggregate = Heard)]
#[serde(transparent)]
struct SaidTransparently {
    value: Option<Option<i64>>,
}

impl Apply<Said> for Heard {
    fn apply(&mut self, event: &Said, _: &EventMeta) {
        self.0.push(event.value);
    }
}

impl Apply<SaidInAVariant> for Heard {
    fn apply(&mut self, event: &SaidInAVariant, _: &EventMeta) {
        self.0.push(match event {
            SaidInAVariant::Named { value } => *value,
            SaidInAVariant::Whole(value) => Some(*value),
        });
    }
}

impl Apply<SaidTransparently> for Heard {
    fn apply(&mut self, event: &SaidTransparently, _: &EventMeta) {
        self.0.push(event.value);
    }
}

const ALL: [Option<Option<i64>>; 3] = [None, Some(None), Some(Some(5))];

async fn is_replayed_as_it_happened<E: Event<Aggregate = Heard>>(
    event: fn(Option<Option<i64>>) -> E,
) where
    Heard: Apply<E>,
{
    let heard = state_after::<Heard>(|ctx, heard| {
        ALL.into_iter().try_for_each(|value| ctx.apply(heard, event(value)))
    })
    .await;
    assert_eq!(heard, Heard(ALL.to_vec()));
}

#[tokio::test]
async fn an_event_with_code_of_its_own_is_replayed_as_it_happened() {
    is_replayed_as_it_happened(|value| Said { value }).await;
}

#[tokio::test]
async fn a_variant_with_named_fields_is_replayed_as_it_happened() {
    is_replayed_as_it_happened(|value| SaidInAVariant::Named { value }).await;
}

#[tokio::test]
async fn a_field_without_a_name_is_written_as_serde_writes_it() {
    let events = recorded::<Heard>(|ctx, heard| {
        ctx.apply(heard, SaidInAVariant::Whole(None))?;
        ctx.apply(heard, SaidTransparently { value: None })?;
        // Null already stands for the other value.
        let refused = ctx.apply(heard, SaidTransparently { value: Some(None) });
        assert!(matches!(refused, Err(Error::NotRoundTrip { .. })), "{refused:?}");
        Ok(())
    })
    .await;
    let texts: Vec<_> = events.iter().map(|event| event.payload().bytes()).collect();
    assert_eq!(texts, [&br#"{"Whole":null}"#[..], b"null"]);
}
