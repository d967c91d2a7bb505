//! The serde implementations and attributes of events.

use evercore::{Aggregate, Apply, EventMeta, event};
use serde::{Deserialize, Serialize};

use crate::store::recorded;

#[derive(Aggregate, Clone, Default)]
struct Parcel;

#[event(aggregate = Parcel)]
#[derive(Debug, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
struct Weighed {
    weight_in_grams: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<String>,
}

#[event(aggregate = Parcel)]
#[derive(Serialize, Debug, PartialEq)]
#[serde(tag = "how")]
enum Left {
    #[serde(rename = "lorry")]
    ByLorry {
        plate: String,
    },
    OnFoot,
}

#[event(aggregate = Parcel)]
#[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
#[serde(transparent)]
struct Signed(String);

#[event(aggregate = Parcel)]
#[derive(Debug, Deserialize, PartialEq)]
struct Lost;

impl Apply<Weighed> for Parcel {
    fn apply(&mut self, _: &Weighed, _: &EventMeta) {}
}

impl Apply<Left> for Parcel {
    fn apply(&mut self, _: &Left, _: &EventMeta) {}
}

impl Apply<Signed> for Parcel {
    fn apply(&mut self, _: &Signed, _: &EventMeta) {}
}

impl Apply<Lost> for Parcel {
    fn apply(&mut self, _: &Lost, _: &EventMeta) {}
}

#[tokio::test]
async fn events_are_written_as_their_serde_attributes_say_and_read_back() {
    let left = || Left::ByLorry { plate: "B-EV 1".to_owned() };
    let events = recorded::<Parcel>(|ctx, parcel| {
        ctx.apply(parcel, Weighed { weight_in_grams: 12, scale: None })?;
        ctx.apply(parcel, left())?;
        ctx.apply(parcel, Left::OnFoot)?;
        ctx.apply(parcel, Signed("Ada".to_owned()))?;
        ctx.apply(parcel, Lost)
    })
    .await;
    let texts: Vec<&str> = events
        .iter()
        .map(|event| std::str::from_utf8(event.payload().bytes()).expect("JSON is text"))
        .collect();
    assert_eq!(
        texts,
        [
            r#"{"WEIGHT_IN_GRAMS":12}"#,
            r#"{"how":"lorry","plate":"B-EV 1"}"#,
            r#"{"how":"OnFoot"}"#,
            r#""Ada""#,
            "null",
        ]
    );

    let [weighed, lorry, foot, signed, lost] = &events[..] else {
        panic!("five events were written: {events:?}")
    };
    let expected = Weighed { weight_in_grams: 12, scale: None };
    assert_eq!(weighed.decode::<Weighed>().expect("it decodes"), expected);
    assert_eq!(lorry.decode::<Left>().expect("it decodes"), left());
    assert_eq!(foot.decode::<Left>().expect("it decodes"), Left::OnFoot);
    assert_eq!(signed.decode::<Signed>().expect("it decodes"), Signed("Ada".to_owned()));
    assert_eq!(lost.decode::<Lost>().expect("it decodes"), Lost);
}
