use std::sync::Arc;

use evercore::engine::EventRow;
use evercore::format::Payload;
use evercore::{
    Aggregate, AggregateId, BoxError, Codec, Position, Registry, Sequence, each, state_event,
};

use super::*;

#[derive(Aggregate, Default)]
struct Lamp {
    is_on: bool,
}

#[state_event(aggregate = Lamp)]
struct Switched {
    is_on: bool,
}

/// An event with this `traceparent`.
fn recorded(traceparent: &str) -> RecordedEvent {
    let mut row = EventRow::new(
        Position::START,
        AggregateId::new(1).expect("an id"),
        Sequence::FIRST,
        "Lamp".into(),
        "Switched".into(),
        Payload::from_encoded(Codec::Json, "{}"),
        std::time::UNIX_EPOCH.into(),
    );
    row.metadata = Some(Box::new(Metadata::new().with(TRACEPARENT, traceparent)));
    row.into()
}

#[test]
fn a_traceparent_is_read_as_the_standard_says() {
    let context =
        span_context(&recorded("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
            .expect("the example of the standard");
    assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
    assert!(context.is_sampled() && context.is_remote());
}

#[test]
fn an_invalid_traceparent_gives_no_span() {
    for bad in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
        "00-zaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-xx",
    ] {
        assert_eq!(span_context(&recorded(bad)), None, "{bad:?}");
    }
}

#[test]
fn outside_of_a_trace_the_metadata_is_empty() {
    assert!(trace_metadata().is_empty());
}

#[tokio::test]
async fn a_failure_is_that_of_the_event_that_failed() -> Result<(), BoxError> {
    let events = [recorded("a"), recorded("b"), recorded("c")];
    let mut handler = traced(each(async |event: RecordedEvent| {
        let is_bad = event.metadata().get(TRACEPARENT).is_some_and(|text| text == "b");
        if is_bad { Err(std::io::Error::other("bad")) } else { Ok(()) }
    }));
    let batch = Batch::new(&events, &Arc::new(Registry::linked()?));
    let error = handler.handle(batch).await.expect_err("the second is bad");
    assert_eq!(error.failed_at(), Some(1));
    assert_eq!(error.to_string(), "bad");

    let mut handler = traced(async |batch: Batch| {
        assert_ne!(batch[0].metadata().get(TRACEPARENT), Some(&"c".into()), "a spider");
        Ok::<_, BoxError>(())
    });
    let batch = Batch::new(&events, &Arc::new(Registry::linked()?));
    let error = handler.handle(batch).await.expect_err("it panics at the third");
    assert_eq!(error.failed_at(), Some(2));
    assert!(
        error.to_string().contains("the handler panicked: ")
            && error.to_string().contains("a spider")
    );
    Ok(())
}
