//! The codecs: in which formats payloads are written.

pub(crate) mod json;

use serde::de::DeserializeOwned;

use crate::{DecodeError, Error, Result};

/// The format of a payload. Every row keeps its own, so a log may hold several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON text (RFC 8259), UTF-8.
    #[default]
    Json,
}

impl Codec {
    /// The number that engines store.
    #[must_use]
    pub const fn id(self) -> i16 {
        match self {
            Self::Json => 1,
        }
    }

    /// The codec of a stored number.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a number that no codec has.
    pub fn from_id(id: i16) -> Result<Self> {
        match id {
            1 => Ok(Self::Json),
            _ => Err(Error::corrupt("codec", format!("{id} is none that this build knows"))),
        }
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Json => json::decode(bytes),
        }
    }
}
