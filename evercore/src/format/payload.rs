//! The bytes of an event.

use std::borrow::Cow;

use bytes::Bytes;

use crate::format::compression::{self, Compression};
use crate::format::link::{LINK_BYTES, Link};
use crate::format::to_json;
use crate::{Codec, DecodeError, Error, Event, Result};

/// What a compressed payload adds to the number of its codec.
const COMPRESSED: i16 = 100;

/// What a payload with a hash at its end adds to the number of its codec.
const LINKED: i16 = 1_000;

/// The bytes of an event, and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    compression: Compression,
    /// Whether the last bytes are the event's hash.
    is_linked: bool,
    stored: Bytes,
}

impl Payload {
    /// Bytes that are encoded already. They are taken as they are.
    #[must_use]
    pub fn from_encoded(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        Self { codec, compression: Compression::None, is_linked: false, stored: bytes.into() }
    }

    /// For engines: a payload as it is stored.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a number that no payload has, or without room for the hash that it speaks of. One that this build cannot read is no error until it is
    /// decoded.
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
            let problem = format!("{format} is none that this version of evercore knows");
            Error::corrupt("codec", problem)
        })?;
        let stored = bytes.into();
        if is_linked && stored.len() < LINK_BYTES {
            let problem = format!("of {} bytes has no room for its hash", stored.len());
            return Err(Error::corrupt("payload", problem));
        }
        Ok(Self { codec, compression, is_linked, stored })
    }

    /// For engines: the number that is stored for what [`stored_bytes`](Self::stored_bytes) are. 1 is JSON, 2 CBOR, 3
    /// MessagePack and 4 Protocol Buffers; 100 more is the same, compressed by Zstandard; 1000 more is the same with the
    /// event's [hash](crate::EventStoreBuilder::chain_events) of 32 bytes at its end.
    #[must_use]
    pub const fn stored_format(&self) -> i16 {
        if self.is_linked { self.encoding_format() + LINKED } else { self.encoding_format() }
    }

    /// For engines: the bytes that are stored.
    #[must_use]
    pub const fn stored_bytes(&self) -> &Bytes {
        &self.stored
    }

    /// The number without what it says of a hash.
    pub(crate) const fn encoding_format(&self) -> i16 {
        match self.compression {
            Compression::None => self.codec.number(),
            Compression::Zstd => self.codec.number() + COMPRESSED,
        }
    }

    /// Compresses the bytes if there are more than `limit` of them, and if it makes them fewer.
    pub(crate) fn compressed_above(self, limit: Option<usize>) -> Self {
        let is_long = limit.is_some_and(|limit| self.stored.len() > limit);
        match is_long.then(|| compression::deflate(&self.stored)).flatten() {
            Some(bytes) => Self { compression: Compression::Zstd, stored: bytes.into(), ..self },
            None => self,
        }
    }

    /// How the event is encoded.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Whether the encoded event is compressed.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// The bytes of the event: compressed, if [`compression`](Self::compression) says so.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let length = self.stored.len();
        if self.is_linked { &self.stored[..length - LINK_BYTES] } else { &self.stored }
    }

    /// The event's hash.
    pub(crate) fn link(&self) -> Option<Link> {
        let length = self.stored.len();
        self.is_linked.then(|| Link::from_bytes(&self.stored[length - LINK_BYTES..])).flatten()
    }

    /// Adds the event's hash.
    pub(crate) fn add_link(&mut self, link: Link) {
        self.stored = [self.bytes(), link.as_bytes()].concat().into();
        self.is_linked = true;
    }

    /// The encoded event: the bytes, inflated if they are compressed.
    ///
    /// # Errors
    /// [`DecodeError`] if they cannot be inflated, or to more than [`MAX_INFLATED_BYTES`](crate::MAX_INFLATED_BYTES).
    pub fn encoded(&self) -> Result<Cow<'_, [u8]>, DecodeError> {
        match self.compression {
            Compression::None => Ok(Cow::Borrowed(self.bytes())),
            Compression::Zstd => compression::inflate(self.bytes()).map(Cow::Owned),
        }
    }

    /// Decodes the event, as the type's [`Encoding`](crate::Encoding) says. Whether it is an `E` at all is for the
    /// caller to know; [`RecordedEvent::decode`](crate::RecordedEvent::decode) looks.
    ///
    /// # Errors
    /// [`DecodeError`] with the path of the field where reading stopped.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        E::ENCODING.decode(self.codec, &self.encoded()?)
    }

    /// The event as JSON, by what its bytes say alone: for types that this program does not know. What JSON has no form
    /// for is written as serde_json would: bytes as an array of numbers, keys as texts, infinity as null, and whole
    /// numbers of more than 64 bits as floating-point ones. Fields whose
    /// types write themselves differently in binary codecs, as UUIDs and IP addresses do, come out as they stand there.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not what their codec has them be, and for Protocol Buffers, which do not say
    /// what they are: [`RecordedEvent::to_json`](crate::RecordedEvent::to_json) goes by the type.
    pub fn to_json(&self) -> Result<serde_json::Value, DecodeError> {
        to_json::decode(self.codec, &self.encoded()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every payload that there can be, of the same bytes.
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
