//! CBOR, by `cbor4ii`.

use cbor4ii::core::dec::Read;
use cbor4ii::core::utils::SliceReader;
use cbor4ii::serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BoxError, DecodeError};

pub(super) fn encode<E: Serialize>(value: &E) -> Result<Vec<u8>, BoxError> {
    Ok(cbor4ii::serde::to_vec(Vec::new(), value)?)
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

fn reader(bytes: &[u8]) -> Deserializer<SliceReader<'_>> {
    Deserializer::new(SliceReader::new(bytes))
}
