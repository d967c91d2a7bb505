//! The codecs: in which formats payloads are written.

#[cfg(feature = "cbor")]
mod cbor;
pub(crate) mod json;
#[cfg(feature = "messagepack")]
mod messagepack;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::error::MissingFeature;
use crate::{BoxError, DecodeError};

/// The format of a payload. A store has one for what it writes, an event type may have its own, and every row keeps the
/// one that it was written in: a log may hold several.
///
/// All but JSON are features of the crate `evercore`. A program without the feature still reads the log; the event
/// itself is [`Error::MissingCodec`](crate::Error::MissingCodec) when it is decoded.
///
/// # Example
/// ```
/// use evercore::Codec;
///
/// assert_eq!(Codec::default(), Codec::Json);
/// assert_eq!(Codec::MessagePack.to_string(), "MessagePack");
/// assert!(Codec::Json.is_built());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON text (RFC 8259), UTF-8. What is no number in JSON, as infinity, is refused.
    #[default]
    Json,
    /// CBOR (RFC 8949), with the names of fields. Feature `cbor`.
    Cbor,
    /// MessagePack, with the names of fields. Feature `messagepack`.
    MessagePack,
    /// Protocol Buffers, for messages made with [prost](https://docs.rs/prost). Feature `protobuf`.
    Protobuf,
}

impl Codec {
    /// All of them, whether they are built in or not.
    pub const ALL: [Self; 4] = [Self::Json, Self::Cbor, Self::MessagePack, Self::Protobuf];

    /// Whether this program can write and read it.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Json => true,
            Self::Cbor => cfg!(feature = "cbor"),
            Self::MessagePack => cfg!(feature = "messagepack"),
            Self::Protobuf => cfg!(feature = "protobuf"),
        }
    }

    /// Whether types that have two forms write the one for people.
    pub(crate) const fn is_human_readable(self) -> bool {
        matches!(self, Self::Json)
    }

    /// How it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Cbor => "CBOR",
            Self::MessagePack => "MessagePack",
            Self::Protobuf => "Protocol Buffers",
        }
    }

    /// What is to be said where it is wanted and not built in.
    pub(crate) const fn missing(self) -> MissingFeature {
        let feature = match self {
            Self::Json => panic!("BUG: JSON is built in"),
            Self::Cbor => "cbor",
            Self::MessagePack => "messagepack",
            Self::Protobuf => "protobuf",
        };
        MissingFeature { format: self.name(), feature }
    }

    /// The number that is stored for it.
    pub(crate) const fn number(self) -> i16 {
        match self {
            Self::Json => 1,
            Self::Cbor => 2,
            Self::MessagePack => 3,
            Self::Protobuf => 4,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value in a codec.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) doubt: Option<Doubt>,
}

/// Something in what was written that depends on the value, and may not be read as it was.
pub(crate) enum Doubt {
    /// A null of which the codec may not know what it was.
    Null,
    /// A key of a map that is no text and was written as one. Serde keeps the text where a map is read under
    /// `#[serde(flatten)]`, `tag` or `untagged`.
    Key,
}

/// Writes what serde knows.
pub(crate) fn encode<E: Serialize>(value: &E, codec: Codec) -> Result<Encoded, BoxError> {
    match codec {
        Codec::Json => json::encode(value),
        #[cfg(feature = "cbor")]
        Codec::Cbor => cbor::encode(value),
        #[cfg(feature = "messagepack")]
        Codec::MessagePack => messagepack::encode(value),
        Codec::Protobuf => Err("it is no message of Protocol Buffers".into()),
        #[cfg(not(all(feature = "cbor", feature = "messagepack")))]
        missing => Err(missing.missing().to_string().into()),
    }
}

/// Reads what serde knows.
pub(crate) fn decode<E: DeserializeOwned>(codec: Codec, bytes: &[u8]) -> Result<E, DecodeError> {
    match codec {
        Codec::Json => json::decode(bytes),
        #[cfg(feature = "cbor")]
        Codec::Cbor => cbor::decode(bytes),
        #[cfg(feature = "messagepack")]
        Codec::MessagePack => messagepack::decode(bytes),
        codec if codec.is_built() => {
            Err(DecodeError::whole("the type is no message of Protocol Buffers"))
        }
        missing => Err(DecodeError::missing(missing.missing())),
    }
}
