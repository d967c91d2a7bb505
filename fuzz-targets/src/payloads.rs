//! Target for payloads in each codec, compressed or not.

use evercore::engine::EventRow;
use evercore::format::Payload;
use evercore::limits::MAX_INFLATED_BYTES;
use evercore::{Apply, Codec, Event, EventDraft, EventStore, Position};

use crate::domain::{Account, Moved, Noted, Opened};
use crate::fields::{Fields, Seed};

pub(crate) fn run(bytes: &[u8]) {
    let mut fields = Fields::new(bytes);
    let number = fields.number();
    let Ok(format) = i16::try_from(number) else { return };
    let Ok(payload) = Payload::from_stored(format, fields.rest().to_vec()) else { return };
    assert_eq!(payload.stored_format(), format, "a format is stored as it was read");
    match payload.encoded().map(|encoded| encoded.len()) {
        Ok(inflated) => assert!(inflated <= MAX_INFLATED_BYTES.max(payload.bytes().len())),
        // The payload cannot be decoded either.
        Err(_) => return assert!(payload.decode::<Opened>().is_err()),
    }
    if let Ok(json) = payload.to_json() {
        json.to_string();
    }
    check::<Opened>(&payload);
    check::<Noted>(&payload);
    check::<Moved>(&payload);
}

/// An event that can be decoded can be encoded, and decodes to the same event again.
pub(crate) fn check<E>(payload: &Payload)
where
    E: Event + Clone,
    E::Aggregate: Apply<E>,
{
    match payload.decode::<E>() {
        Ok(event) => {
            let written = row(event);
            let again = written.payload.decode::<E>().expect("what was written can be read");
            assert_eq!(row(again).payload, written.payload, "{payload:?}");
        }
        Err(error) => assert!(!error.field().is_empty(), "{error:?}"),
    }
}

fn row<E>(event: E) -> EventRow
where
    E: Event,
    E::Aggregate: Apply<E>,
{
    let draft: EventDraft<E::Aggregate> = event.into();
    draft.into_row(Default::default()).expect("what was read can be written")
}

/// Returns a filled event of each type in each codec, as a store writes it, uncompressed and compressed.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut seeds: Vec<_> = runtime.block_on(recorded()).iter().map(seed).collect();
    // A few bytes that expand to many, and to more than is allowed.
    seeds.extend([1024 * 1024, MAX_INFLATED_BYTES + 1].map(bomb));
    seeds
}

fn seed(payload: &Payload) -> Vec<u8> {
    Seed::default().number(payload.stored_format().into()).rest(payload.bytes())
}

fn bomb(length: usize) -> Vec<u8> {
    Seed::default().number(101).rest(zstd_of_zeros(length))
}

async fn recorded() -> Vec<Payload> {
    let mut payloads = Vec::new();
    for codec in [Codec::Json, Codec::Cbor, Codec::MessagePack] {
        for compress in [false, true] {
            let builder = EventStore::builder().codec(codec);
            let builder = if compress { builder.compress_above(0) } else { builder };
            let store = builder.connect("sqlite::memory:").await.expect("it opens");
            let owner = "Ada ".repeat(10);
            let done: evercore::Result<()> = store
                .with_context(async |ctx| {
                    let mut account = ctx.create::<Account>().await?;
                    let limit = Some(None);
                    ctx.apply(&mut account, Opened { owner: owner.clone(), limit })?;
                    ctx.apply(&mut account, Noted::filled())?;
                    ctx.apply(&mut account, Moved::filled())
                })
                .await;
            done.expect("it lands");
            let page = store.read_log(Position::START, 10).await.expect("it reads");
            payloads.extend(page.events.iter().map(|event| event.payload().clone()));
        }
    }
    payloads
}

/// Builds a Zstandard frame by hand (RFC 8878, 3.1) of blocks that repeat one byte, each at most 128 KiB.
fn zstd_of_zeros(length: usize) -> Vec<u8> {
    const BLOCK: usize = 128 * 1024;
    const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
    /// No checksum and no content size; a window of 128 KiB.
    const HEADER: [u8; 2] = [0x00, 0x38];
    const RLE: usize = 1;
    let mut frame = [&MAGIC[..], &HEADER].concat();
    let mut left = length;
    loop {
        let size = left.min(BLOCK);
        left -= size;
        let is_last = usize::from(left == 0);
        let header = (size << 3 | RLE << 1 | is_last).to_le_bytes();
        frame.extend(&header[..3]);
        frame.push(0);
        if is_last == 1 {
            return frame;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A corpus of only refused inputs would find nothing.
    #[test]
    fn the_seeds_are_read() {
        let seeds = seeds();
        assert_eq!(seeds.len(), 20);
        let payload = |seed: &[u8]| {
            let mut fields = Fields::new(seed);
            let format = i16::try_from(fields.number()).expect("a format");
            Payload::from_stored(format, fields.rest().to_vec()).expect("a format")
        };
        for seed in &seeds[..18] {
            let payload = payload(seed);
            let is_read = payload.decode::<Opened>().is_ok()
                || payload.decode::<Noted>().is_ok_and(|event| event == Noted::filled())
                || payload.decode::<Moved>().is_ok_and(|event| event == Moved::filled());
            assert!(is_read, "{payload:?}");
        }
        let largest = payload(&bomb(MAX_INFLATED_BYTES));
        assert_eq!(largest.encoded().expect("it is at the limit").len(), MAX_INFLATED_BYTES);
        payload(&seeds[19]).encoded().expect_err("it is past the limit");
    }
}
