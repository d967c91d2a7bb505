//! How the events of a type become bytes, and bytes become events.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::json;
use crate::{BoxError, Codec, DecodeError};

/// How the events of a type become bytes, and bytes become events. `#[event]` and `#[state_event]` choose it; a
/// hand-written [`Event`](crate::Event) names one.
pub struct Encoding<E> {
    encode: fn(&E, Codec) -> Result<Vec<u8>, BoxError>,
    decode: fn(Codec, &[u8]) -> Result<E, DecodeError>,
}

impl<E: Serialize + DeserializeOwned> Encoding<E> {
    /// By serde, in the store's codec.
    #[must_use]
    pub const fn serde() -> Self {
        Self {
            encode: |event, codec| match codec {
                Codec::Json => json::encode(event),
            },
            decode: |codec, bytes| codec.decode(bytes),
        }
    }
}

impl<E> Encoding<E> {
    pub(crate) fn encode(&self, event: &E, codec: Codec) -> Result<Vec<u8>, BoxError> {
        (self.encode)(event, codec)
    }

    pub(crate) fn decode(&self, codec: Codec, bytes: &[u8]) -> Result<E, DecodeError> {
        (self.decode)(codec, bytes)
    }
}

impl<E> Clone for Encoding<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Encoding<E> {}

impl<E> fmt::Debug for Encoding<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoding").finish_non_exhaustive()
    }
}
