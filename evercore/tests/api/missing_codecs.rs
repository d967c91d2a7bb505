//! A program that was built without a codec, and a log that was written in it.

use evercore::boundary::Tags;
use evercore::engine::{
    AggregateWrite, Commit, EventRow, KeyChange, NewEvent, Precondition, StorageEngine,
};
use evercore::format::Payload;
use evercore::{
    Aggregate, AggregateId, Codec, CommitId, Error, Event, EventStore, FailurePolicy, Position,
    Received, RecordedEvent, Router, Sequence, state_event,
};
use evercore_memory::MemoryEngine;

#[derive(Aggregate, Debug, Default)]
struct Dial {
    value: u8,
}

#[state_event(aggregate = Dial)]
#[derive(Debug)]
struct Turned {
    value: u8,
}

/// Stored formats that this program lacks, with their names and features.
const MISSING: [(i16, &str, &str); 4] = [
    (2, "CBOR", "cbor"),
    (3, "MessagePack", "messagepack"),
    (4, "Protocol Buffers", "protobuf"),
    (101, "zstd", "zstd"),
];

/// Returns a store whose only event was written in this format by another program.
async fn written(format: i16) -> (EventStore, AggregateId) {
    let engine = MemoryEngine::new();
    let id = engine.reserve_ids(1).await.expect("memory has ids").first;
    let recorded_at = chrono::DateTime::UNIX_EPOCH;
    let payload = Payload::from_stored(format, &b"whatever"[..]).expect("a number of ours");
    let row = EventRow::new(
        Position::START,
        id,
        Sequence::FIRST,
        Dial::NAME.into(),
        Turned::NAME.into(),
        payload.clone(),
        recorded_at,
    );
    let event = NewEvent {
        event_type: Turned::NAME,
        version: 1,
        payload,
        meta: RecordedEvent::from(row).meta().clone(),
        metadata_column: None,
        tags: Tags::NONE,
    };
    let write = AggregateWrite {
        id,
        aggregate_type: Dial::NAME,
        precondition: Precondition::New,
        key: KeyChange::Keep,
    };
    let commit = Commit { writes: vec![write], events: vec![event], ..Commit::new(recorded_at) };
    engine.commit(commit).await.expect("memory keeps any bytes");
    (EventStore::builder().open(engine).await.expect("memory opens"), id)
}

fn assert_named(error: &Error, wanted: (&str, &str)) {
    let Error::MissingCodec { event: Some(event), format, feature } = error else {
        panic!("{error:?}")
    };
    assert_eq!((*format, *feature), wanted);
    assert_eq!((event.position.get(), event.sequence), (1, Sequence::FIRST));
    let text = error.to_string();
    assert!(text.contains(&format!("enable the feature `{feature}`")), "{text}");
    assert!(text.starts_with("event `Turned` version 1 at position 1 "), "{text}");
}

#[tokio::test]
async fn loading_names_the_event_the_codec_and_the_feature() {
    for (number, format, feature) in MISSING {
        let (store, id) = written(number).await;
        let in_context = store.with_context(async |ctx| ctx.load::<Dial>(id).await.map(drop)).await;
        assert_named(&in_context.expect_err("it cannot be read"), (format, feature));
        let in_view = store.with_readonly_context(async |ctx| ctx.load::<Dial>(id).await).await;
        assert_named(&in_view.expect_err("it cannot be read"), (format, feature));
    }
}

#[tokio::test]
async fn the_log_is_read_and_the_event_alone_is_an_error() {
    for (number, format, feature) in MISSING {
        let (store, id) = written(number).await;
        let page = store.read_log(Position::START, 10).await.expect("the log can be read");
        assert_eq!(page.events, store.history(id, ..).await.expect("and so can a history").events);
        let event = &page.events[0];
        assert_eq!(event.payload().stored_format(), number);
        let undecoded = event.decode::<Turned>().expect_err("it cannot be read");
        assert_named(&undecoded, (format, feature));
        let unshown = event.to_json(store.registry()).expect_err("it cannot be read");
        assert_named(&unshown, (format, feature));
    }
}

#[tokio::test]
async fn a_subscription_applies_its_failure_policy() {
    let router = || {
        Router::new().on(async |turned: Received<Turned>| {
            Err::<(), _>(format!("it cannot be read, and is {}", turned.value))
        })
    };
    for (number, format, feature) in MISSING {
        let (store, _) = written(number).await;
        let stopped = store.subscription("strict").run(router()).await;
        let Err(Error::HandlerFailed { source, .. }) = stopped else { panic!("{stopped:?}") };
        assert_named(source.downcast_ref().expect("our own error"), (format, feature));

        let lenient = store.subscription("lenient").on_failure(FailurePolicy::park());
        let worker = lenient.spawn(router()).expect("a name");
        store.wait_until_idle("lenient").await.expect("it goes past it");
        worker.shutdown().await.expect("it stops");
        let parked = store.subscriptions().parked("lenient", Position::START, 10).await;
        let reason = parked.expect("memory answers").events[0].reason.clone().expect("it failed");
        assert!(reason.contains(&format!("{format} is not built into this program")), "{reason}");
    }
}

#[tokio::test]
async fn a_store_that_is_to_write_in_it_does_not_open() {
    for (codec, (_, format, feature)) in Codec::ALL.into_iter().skip(1).zip(MISSING) {
        assert!(!codec.is_built());
        let refused = EventStore::builder().codec(codec).open(MemoryEngine::new()).await;
        assert!(
            matches!(refused, Err(Error::MissingCodec { event: None, format: named, feature: on }) if (named, on) == (format, feature)),
            "{refused:?}"
        );
    }
    let refused = EventStore::builder().compress_above(100).open(MemoryEngine::new()).await;
    let error = refused.expect_err("it cannot compress");
    let text =
        "zstd is not built into this program; enable the feature `zstd` of the crate `evercore`";
    assert_eq!(error.to_string(), text);
}
