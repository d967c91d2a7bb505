//! MessagePack, by `rmp-serde`.

use rmp_serde::decode::ReadReader;
use rmp_serde::{Deserializer, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BoxError, DecodeError};

/// How deep values may stand in each other: as deep as in CBOR, so that damaged bytes do not exhaust the stack. More is
/// refused when it is written.
const MOST_NESTED: usize = 256;

/// With the names of fields: an event may lose a field or gain one, and the absent is not null.
pub(super) fn encode<E: Serialize>(value: &E) -> Result<Vec<u8>, BoxError> {
    let mut bytes = Vec::new();
    let mut messagepack = Serializer::new(&mut bytes).with_struct_map();
    messagepack.unstable_set_max_depth(MOST_NESTED);
    value.serialize(&mut messagepack)?;
    Ok(bytes)
}

pub(super) fn decode<E: DeserializeOwned>(bytes: &[u8]) -> Result<E, DecodeError> {
    let mut messagepack = reader(bytes);
    let value =
        E::deserialize(&mut messagepack).map_err(
            |error| match serde_path_to_error::deserialize::<_, E>(&mut reader(bytes)) {
                Err(located) => DecodeError::located(located),
                Ok(_) => DecodeError::whole(error),
            },
        )?;
    if messagepack.get_ref().is_empty() { Ok(value) } else { Err(DecodeError::trailing()) }
}

/// Of the readers there are, the one that tells what it has left.
fn reader(bytes: &[u8]) -> Deserializer<ReadReader<&[u8]>> {
    let mut messagepack = Deserializer::new(bytes);
    messagepack.set_max_depth(MOST_NESTED);
    messagepack
}
