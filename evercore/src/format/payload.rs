//! Defines the encoded form of an event.

use std::borrow::Cow;

use bytes::Bytes;

use crate::format::compression::{self, Compression};
use crate::format::link::{LINK_BYTES, Link};
use crate::format::to_json;
use crate::{Codec, DecodeError, Error, Event, Result};

/// Added to the codec's number if the payload is compressed.
const COMPRESSED: i16 = 100;

/// Added to the codec's number if the payload ends with a hash.
const LINKED: i16 = 1_000;

/// An encoded event: its bytes, and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    compression: Compression,
    /// Whether the last bytes are the event's hash.
    is_linked: bool,
    stored: Bytes,
}

impl Payload {
    /// Wraps bytes that are already encoded. They are not checked.
    #[must_use]
    pub fn from_encoded(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        Self { codec, compression: Compression::None, is_linked: false, stored: bytes.into() }
    }

    /// Creates a payload from its stored form. For engines.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a format number that does not exist, or if the bytes are too short for the hash that the
    /// number announces. A format that this build lacks is not an error until the payload is decoded.
    pub fn from_stored(format: i16, bytes: impl Into<Bytes>) -> Result<Self> {
        let is_linked = format > LINKED;
        let encoding = if is_linked { format - LINKED } else { format };
        let (number, compression) = if encoding > COMPRESSED {
            (encoding - COMPRESSED, Compression::Zstd)
        } else {
            (encoding, Compression::None)
        };
        let codec = Codec::ALL.into_iter().find(|codec| codec.number() == number);
        let codec = codec.ok_or_else(|| {
            let problem = format!("this version of evercore does not know the number {format}");
            Error::corrupt("codec", problem)
        })?;
        let stored = bytes.into();
        if is_linked && stored.len() < LINK_BYTES {
            let problem = format!("its {} bytes have no room for the hash", stored.len());
            return Err(Error::corrupt("payload", problem));
        }
        Ok(Self { codec, compression, is_linked, stored })
    }

    /// Returns the format number to store with [`stored_bytes`](Self::stored_bytes): 1 for JSON, 2 for CBOR, 3 for
    /// MessagePack and 4 for Protocol Buffers; plus 100 if compressed by Zstandard; plus 1000 if the event's
    /// [hash](crate::EventStoreBuilder::chain_events) of 32 bytes is at the end. For engines.
    #[must_use]
    pub const fn stored_format(&self) -> i16 {
        if self.is_linked { self.encoding_format() + LINKED } else { self.encoding_format() }
    }

    /// Returns the bytes to store. For engines.
    #[must_use]
    pub const fn stored_bytes(&self) -> &Bytes {
        &self.stored
    }

    /// Returns the format number without the hash flag.
    pub(crate) const fn encoding_format(&self) -> i16 {
        match self.compression {
            Compression::None => self.codec.number(),
            Compression::Zstd => self.codec.number() + COMPRESSED,
        }
    }

    /// Compresses the bytes if there are more than `limit` of them, and if that makes them fewer.
    pub(crate) fn compressed_above(self, limit: Option<usize>) -> Self {
        let is_long = limit.is_some_and(|limit| self.stored.len() > limit);
        match is_long.then(|| compression::deflate(&self.stored)).flatten() {
            Some(bytes) => Self { compression: Compression::Zstd, stored: bytes.into(), ..self },
            None => self,
        }
    }

    /// Returns the codec of the event.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Returns whether the encoded event is compressed.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// Returns the bytes of the event, without its hash; compressed if [`compression`](Self::compression) says so.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let length = self.stored.len();
        if self.is_linked { &self.stored[..length - LINK_BYTES] } else { &self.stored }
    }

    /// Returns the event's hash.
    pub(crate) fn link(&self) -> Option<Link> {
        let length = self.stored.len();
        self.is_linked.then(|| Link::from_bytes(&self.stored[length - LINK_BYTES..])).flatten()
    }

    /// Adds the event's hash.
    pub(crate) fn add_link(&mut self, link: Link) {
        self.stored = [self.bytes(), link.as_bytes()].concat().into();
        self.is_linked = true;
    }

    /// Returns the encoded event: the bytes, decompressed if necessary.
    ///
    /// # Errors
    /// [`DecodeError`] if they cannot be decompressed to at most
    /// [`MAX_INFLATED_BYTES`](crate::limits::MAX_INFLATED_BYTES).
    pub fn encoded(&self) -> Result<Cow<'_, [u8]>, DecodeError> {
        match self.compression {
            Compression::None => Ok(Cow::Borrowed(self.bytes())),
            Compression::Zstd => compression::inflate(self.bytes()).map(Cow::Owned),
        }
    }

    /// Decodes the event with the type's [`Encoding`](crate::format::Encoding). The caller has to know that it is an
    /// `E`; [`RecordedEvent::decode`](crate::RecordedEvent::decode) checks that.
    ///
    /// # Errors
    /// [`DecodeError`] with the path of the field at which decoding failed.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        E::ENCODING.decode(self.codec, &self.encoded()?)
    }

    /// Returns the event as JSON, judged by its bytes alone: for types that this program does not know. Values that
    /// JSON cannot represent are written as serde_json does: bytes as an array of numbers, keys as strings, infinity as
    /// null, and integers of more than 64 bits as floating-point numbers. Types that serialize differently in binary
    /// codecs, such as UUIDs and IP addresses, appear in their binary form.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not valid in their codec, and for Protocol Buffers, which are not
    /// self-describing: [`RecordedEvent::to_json`](crate::RecordedEvent::to_json) uses the type.
    pub fn to_json(&self) -> Result<serde_json::Value, DecodeError> {
        to_json::decode(self.codec, &self.encoded()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a payload of each possible format, all with the same bytes.
    fn all() -> impl Iterator<Item = Payload> {
        let compressions = [Compression::None, Compression::Zstd];
        Codec::ALL.into_iter().flat_map(move |codec| {
            compressions.into_iter().flat_map(move |compression| {
                [false, true].map(|is_linked| {
                    let stored = Bytes::from_static(&[7; LINK_BYTES]);
                    Payload { codec, compression, is_linked, stored }
                })
            })
        })
    }

    #[test]
    fn a_payload_is_read_as_it_was_stored() {
        for payload in all() {
            let stored = payload.stored_bytes().clone();
            let read = Payload::from_stored(payload.stored_format(), stored);
            assert!(read.is_ok_and(|read| read == payload), "{payload:?}");
        }
    }

    #[test]
    fn a_number_that_no_payload_has_is_corrupt() {
        let known: Vec<_> = all().map(|payload| payload.stored_format()).collect();
        for format in (-10..1_300).chain([i16::MIN, i16::MAX]) {
            let read = Payload::from_stored(format, Bytes::from_static(&[7; LINK_BYTES]));
            assert_eq!(read.is_ok(), known.contains(&format), "{format}");
        }
    }

    #[test]
    fn a_hash_has_to_have_room() {
        for length in [0, LINK_BYTES - 1, LINK_BYTES] {
            let read = Payload::from_stored(1_001, vec![7; length]);
            assert_eq!(read.is_ok(), length == LINK_BYTES, "{length} bytes");
        }
    }
}
