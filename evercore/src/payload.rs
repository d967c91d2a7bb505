//! How an event becomes bytes and bytes become an event.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{Error, Result};

/// How a payload is encoded. Every row keeps its own, so a log may hold several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// JSON text (RFC 8259), UTF-8.
    #[default]
    Json,
}

/// The bytes of an event, and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

/// Why bytes did not become the wanted type.
#[derive(Debug, thiserror::Error)]
#[error("the payload does not fit at `{field}`")]
pub struct DecodeError {
    field: String,
    source: serde_json::Error,
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
    /// [`Error::Corrupt`] for a number that this build does not know.
    pub fn from_id(id: i16) -> Result<Self> {
        match id {
            1 => Ok(Self::Json),
            _ => Err(Error::corrupt("codec", format!("{id} is none that this build knows"))),
        }
    }
}

impl Payload {
    /// Bytes that are encoded already. They are taken as they are.
    #[must_use]
    pub fn from_encoded(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        Self { codec, bytes: bytes.into() }
    }

    /// Encodes a value as JSON.
    pub(crate) fn json<E: Serialize>(value: &E) -> Result<Self, serde_json::Error> {
        Ok(Self { codec: Codec::Json, bytes: serde_json::to_vec(value)?.into() })
    }

    /// How the bytes are encoded.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Decodes the bytes.
    ///
    /// # Errors
    /// [`DecodeError`] with the path of the field where reading stopped.
    pub fn decode<E: DeserializeOwned>(&self) -> Result<E, DecodeError> {
        match self.codec {
            Codec::Json => decode_json(&self.bytes),
        }
    }
}

impl DecodeError {
    /// The path of the field where reading stopped, as `address.city`; `.` for the whole payload.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// Paths cost time, so they are looked for only once it is known that there is an error to place.
pub(crate) fn decode_json<E: DeserializeOwned>(bytes: &[u8]) -> Result<E, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, E>(&mut json) {
            Err(located) => {
                DecodeError { field: field_at(located.path()), source: located.into_inner() }
            }
            Ok(_) => DecodeError { field: ".".to_owned(), source: error },
        }
    })
}

/// A text that breaks off between two fields is misplaced in the struct around them.
fn field_at(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    match path.iter().next_back() {
        Some(Segment::Unknown) => match text.trim_end_matches('?').trim_end_matches('.') {
            "" => ".".to_owned(),
            known => known.to_owned(),
        },
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Order {
        address: Address,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read into")]
    struct Address {
        city: String,
    }

    #[test]
    fn a_field_is_named_by_its_path() {
        let cases = [
            (r#"{"address":{"city":17}}"#, "address.city"),
            (r#"{"address":{"#, "address"),
            (r#"{"address":{}}"#, "address"),
            (r#"{"#, "."),
            ("", "."),
            ("[]", "."),
        ];
        for (json, field) in cases {
            let error = decode_json::<Order>(json.as_bytes()).expect_err("it does not fit");
            assert_eq!(error.field(), field, "in {json:?}");
        }
    }
}
