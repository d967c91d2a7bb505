//! Chains the events of an aggregate by hashes, so that changes to stored events can be detected.
//!
//! Each hash covers everything that is stored of an event, except for the values that are only known when it is
//! committed (its position and its recording time), and the hash of the event before it. The hash is stored at the end
//! of the payload's bytes, and at the end of a snapshot for the last event that it contains.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::engine::{NewEvent, NewSnapshot};
use crate::format::link::{LINK_BYTES, Link};
use crate::{Error, EventMeta, Payload, Position, RecordedEvent, Result};

/// The prefixes of the hashed bytes. Another way of hashing would have another number.
const EVENT: &[u8] = b"evercore event 1";
const DIGEST: &[u8] = b"evercore digest 1";

/// The end of a snapshot's bytes if a hash precedes it. JSON never contains a NUL, so no other state ends like this.
const SNAPSHOT_END: &[u8] = b"\0link\0";

/// A digest of all chained events up to a position. Keep it where those who can write to the database cannot reach it,
/// and pass it to [`expect_digest`](crate::verify::Verify::expect_digest) later: changed or removed events up to that
/// position are detected.
///
/// As text, it is the position and 64 hexadecimal digits, as in `42:9f86d0…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDigest {
    position: Position,
    hash: Link,
}

/// Computes a [`LogDigest`].
#[derive(Clone, Debug)]
pub(crate) struct Digesting {
    position: Position,
    hash: Sha256,
    is_empty: bool,
}

/// Hashes fields with their lengths, so that no two different lists of fields produce the same input.
struct Fields(Sha256);

impl Link {
    /// Computes the hash of a stored event that follows an event with the hash `previous`.
    pub(crate) fn of_recorded(previous: Option<Self>, event: &RecordedEvent) -> Result<Self> {
        let column = event.metadata().to_column()?;
        let kind = (event.aggregate_type(), event.event_type(), event.version());
        Ok(Self::of(previous, kind, event.payload(), event.meta(), column.as_deref()))
    }

    /// Computes the hash of a new event that follows an event with the hash `previous`.
    pub(crate) fn of_new(previous: Option<Self>, aggregate_type: &str, event: &NewEvent) -> Self {
        let kind = (aggregate_type, event.event_type, event.version);
        Self::of(previous, kind, &event.payload, &event.meta, event.metadata_column.as_deref())
    }

    fn of(
        previous: Option<Self>,
        (aggregate_type, event_type, version): (&str, &str, u32),
        payload: &Payload,
        meta: &EventMeta,
        metadata: Option<&str>,
    ) -> Self {
        let mut fields = Fields(Sha256::new_with_prefix(EVENT));
        fields.optional(previous.as_ref().map(|previous| &previous.as_bytes()[..]));
        fields.bytes(aggregate_type.as_bytes());
        fields.number(meta.aggregate_id().get());
        fields.number(meta.sequence().get());
        fields.bytes(event_type.as_bytes());
        fields.number(version.into());
        fields.number(payload.encoding_format().into());
        fields.bytes(payload.bytes());
        fields.number(meta.event_time().timestamp_micros());
        fields.optional(meta.reference().map(str::as_bytes));
        fields.optional(meta.metadata().correlation_id().map(str::as_bytes));
        fields.optional(meta.metadata().causation_id().map(str::as_bytes));
        fields.optional(metadata.map(str::as_bytes));
        fields.finish()
    }
}

impl Fields {
    fn number(&mut self, number: i64) {
        self.0.update(number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.0.update([u8::from(bytes.is_some())]);
        if let Some(bytes) = bytes {
            self.bytes(bytes);
        }
    }

    fn finish(self) -> Link {
        Link::new(self.0.finalize().into())
    }
}

/// Appends the hash of its last event to a snapshot.
pub(crate) fn add_to_snapshot(snapshot: &mut NewSnapshot, link: Link) {
    snapshot.state = [&*snapshot.state, link.as_bytes(), SNAPSHOT_END].concat().into();
}

/// Splits a stored snapshot into the encoded state and the hash of its last event, if it has one.
pub(crate) fn split_snapshot(stored: &Bytes) -> (Bytes, Option<Link>) {
    let parts = stored.strip_suffix(SNAPSHOT_END).and_then(<[u8]>::split_last_chunk);
    match parts {
        Some((state, link)) => (stored.slice(..state.len()), Some(Link::new(*link))),
        None => (stored.clone(), None),
    }
}

impl Digesting {
    /// Starts a digest of the events up to a position.
    pub(crate) fn up_to(position: Position) -> Self {
        Self { position, hash: Sha256::new_with_prefix(DIGEST), is_empty: true }
    }

    pub(crate) const fn position(&self) -> Position {
        self.position
    }

    /// Adds an aggregate and the hash of its last event up to the position. Aggregates are added in the order of their
    /// ids.
    pub(crate) fn add(&mut self, aggregate_id: i64, sequence: i64, link: Link) {
        self.is_empty = false;
        for number in [aggregate_id, sequence] {
            self.hash.update(number.to_le_bytes());
        }
        self.hash.update(link.as_bytes());
    }

    /// Returns the digest; `None` if no event is chained.
    pub(crate) fn finish(self) -> Option<LogDigest> {
        let Self { position, hash, is_empty } = self;
        (!is_empty).then(|| LogDigest { position, hash: Link::new(hash.finalize().into()) })
    }
}

impl LogDigest {
    /// Returns the last position that the digest covers.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }
}

impl fmt::Display for LogDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.hash)
    }
}

impl FromStr for LogDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (position, digits) = text.split_once(':')?;
            let position = Position::new(position.parse().ok()?).ok()?;
            let is_hex = digits.len() == 2 * LINK_BYTES
                && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            let mut hash = [0; LINK_BYTES];
            for (index, byte) in hash.iter_mut().enumerate().take_while(|_| is_hex) {
                *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
            }
            is_hex.then_some(Self { position, hash: Link::new(hash) })
        };
        parse().ok_or_else(|| Error::InvalidDigest { text: crate::key::shorten(text) })
    }
}

#[cfg(test)]
mod tests;
