//! Encodes and decodes CBOR (RFC 8949) for serde.
//!
//! The low-level parts come from `cbor4ii`, but not its serde support: `cbor4ii::serde` writes a unit as an empty
//! array, so that the null of a JSON value comes back as `[]`, and `Some(None)` as `None`. Here a unit is null, as in
//! JSON, and a `Some` whose content is null gets a tag.

mod de;
mod ser;

use cbor4ii::core::dec::Read;
use cbor4ii::core::utils::SliceReader;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Encoded;
use crate::{BoxError, DecodeError};
use de::Deserializer;
use ser::Serializer;

/// The deepest nesting that is read, so that damaged bytes do not exhaust the stack. Deeper values are not written
/// either.
const MOST_NESTED: u16 = 256;

/// The tag of the second of two alternatives, as in `draft-bormann-cbor-notable-tags`. It marks a `Some` whose content
/// is null or has this tag itself.
const SOME_TAG: u8 = 122;

/// The bytes of [`SOME_TAG`].
const SOME: [u8; 2] = [0xD8, SOME_TAG];

/// Encodes a value. There is never a doubt: no null is ambiguous, and map keys keep their types.
pub(super) fn encode<E: Serialize>(value: &E) -> Result<Encoded, BoxError> {
    let mut bytes = Vec::with_capacity(128);
    value.serialize(&mut Serializer::new(&mut bytes))?;
    Ok(Encoded { bytes, doubt: None })
}

pub(super) fn decode<E: DeserializeOwned>(bytes: &[u8]) -> Result<E, DecodeError> {
    let mut cbor = reader(bytes);
    let value =
        E::deserialize(&mut cbor).map_err(|error| {
            match serde_path_to_error::deserialize::<_, E>(&mut reader(bytes)) {
                Err(located) => DecodeError::located(located),
                Ok(_) => DecodeError::whole(error),
            }
        })?;
    let mut rest = cbor.into_inner();
    let Ok(byte) = rest.fill(1);
    if byte.as_ref().is_empty() { Ok(value) } else { Err(DecodeError::trailing()) }
}

fn reader(bytes: &[u8]) -> Deserializer<'_> {
    Deserializer::new(SliceReader::new(bytes))
}

#[cfg(test)]
mod tests;
