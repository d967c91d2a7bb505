//! Compressed payloads.

use evercore::format::{Compression, Payload};
use evercore::limits::MAX_INFLATED_BYTES;
use evercore::{Aggregate, Codec, Error, EventStore, Limits, state_event};
use evercore_memory::MemoryEngine;

use crate::store::{BY_SERDE, apply, in_codec, open, recorded, state};

#[derive(Aggregate, Clone, Debug, Default, PartialEq)]
struct Page {
    text: String,
}

#[state_event(aggregate = Page)]
#[derive(Clone, Debug, PartialEq)]
struct Written {
    text: String,
}

/// The number of bytes that JSON adds to the text: `{"text":""}`.
const FRAME_BYTES: usize = 11;

fn written(bytes: usize) -> Written {
    Written { text: "x".repeat(bytes - FRAME_BYTES) }
}

#[tokio::test]
async fn only_payloads_above_the_threshold_are_compressed() {
    for (bytes, expected) in [(1_000, Compression::None), (1_001, Compression::Zstd)] {
        let builder = EventStore::builder().compress_above(1_000);
        let event = recorded(builder, written(bytes)).await;
        let payload = event.payload();
        assert_eq!((payload.codec(), payload.compression()), (Codec::Json, expected), "{bytes}");
        assert_eq!(payload.encoded().expect("it inflates").len(), bytes);
        assert_eq!(event.decode::<Written>().expect("it decodes"), written(bytes));
    }
}

#[tokio::test]
async fn all_codecs_are_compressed_and_read_by_stores_that_do_not_compress() {
    for codec in BY_SERDE {
        let engine = MemoryEngine::new();
        let small = open(in_codec(codec).compress_above(0), &engine).await;
        let id = apply(&small, "page", written(5_000)).await.expect("it lands");
        let plain = open(EventStore::builder(), &engine).await;
        assert_eq!(state::<Page>(&plain, id).await.expect("it loads").text, written(5_000).text);
        let payload = plain.history(id, ..).await.expect("it reads").events[0].payload().clone();
        assert_eq!(payload.compression(), Compression::Zstd);
        assert!(payload.bytes().len() < 100, "{} bytes", payload.bytes().len());
    }
}

#[tokio::test]
async fn payloads_that_do_not_shrink_are_stored_uncompressed() {
    let event = recorded(EventStore::builder().compress_above(0), written(12)).await;
    assert_eq!(event.payload().compression(), Compression::None);
}

#[tokio::test]
async fn the_limit_of_a_payload_counts_before_compression_in_all_codecs() {
    for codec in BY_SERDE {
        let text = |bytes: usize| Written { text: "x".repeat(bytes) };
        let whole = recorded(in_codec(codec), text(500)).await.payload().bytes().len();
        let limits = Limits::default().max_payload_bytes(whole);
        let builder = in_codec(codec).compress_above(0).limits(limits);
        let store = open(builder, &MemoryEngine::new()).await;
        apply(&store, "page", text(500)).await.expect("it is at the limit");
        let refused = apply(&store, "page", text(501)).await;
        assert!(
            matches!(refused, Err(Error::PayloadTooLarge { bytes, limit, .. }) if bytes == whole + 1 && limit == whole),
            "{codec}: {refused:?}"
        );
    }
}

/// The stored payload is small, and little memory is used before it is refused.
#[test]
fn a_payload_that_would_inflate_past_the_limit_is_an_error() {
    let bomb = zstd::bulk::compress(&vec![b' '; MAX_INFLATED_BYTES + 1], 1).expect("it deflates");
    assert!(bomb.len() < 10_000);
    let payload = Payload::from_stored(101, bomb).expect("a number of ours");
    let refused = payload.encoded().expect_err("it is too large");
    let cause = std::error::Error::source(&refused).expect("it says why").to_string();
    assert!(cause.contains("at most 67108864 bytes"), "{cause}");
    payload.decode::<Written>().expect_err("it is too large");
    payload.to_json().expect_err("it is too large");
}

#[test]
fn a_payload_that_is_no_frame_of_zstd_is_an_error() {
    for bytes in [&b""[..], b"{\"text\":\"x\"}", &[0x28, 0xB5, 0x2F, 0xFD, 0xFF]] {
        let payload = Payload::from_stored(101, bytes).expect("a number of ours");
        let error = payload.decode::<Written>().expect_err("it is no frame");
        assert_eq!(error.field(), ".", "{bytes:?}");
    }
}
