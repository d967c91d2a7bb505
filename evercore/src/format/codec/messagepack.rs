//! Encodes and decodes MessagePack, by `rmp-serde`.

use rmp_serde::decode::ReadReader;
use rmp_serde::{Deserializer, Serializer};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::{Doubt, Encoded};
use crate::{BoxError, DecodeError};

/// The byte for nil. It cannot occur in a string, since it is not valid in UTF-8.
const NIL: u8 = 0xC0;

/// The deepest nesting that is read and written: the same as in CBOR, so that damaged bytes do not exhaust the stack.
const MOST_NESTED: usize = 256;

/// Encodes a value with field names: so an event may gain or lose fields, and an absent field differs from null.
pub(super) fn encode<E: Serialize>(value: &E) -> Result<Encoded, BoxError> {
    let mut bytes = Vec::with_capacity(128);
    value.serialize(&mut Serializer::new(&mut bytes).with_struct_map())?;
    check_depth(&bytes)?;
    let doubt = bytes.contains(&NIL).then_some(Doubt::Null);
    Ok(Encoded { bytes, doubt })
}

pub(super) fn decode<E: DeserializeOwned>(bytes: &[u8]) -> Result<E, DecodeError> {
    check_depth(bytes).map_err(DecodeError::whole)?;
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

/// Refuses values that are nested too deeply. `rmp_serde` does not count levels when it writes, and does not count enum
/// variants when it reads. Bytes are only scanned if they could contain that many arrays and maps.
fn check_depth(bytes: &[u8]) -> Result<(), TooDeep> {
    let begins_one = |byte: &&u8| matches!(byte, 0x80..=0x9F | 0xDC..=0xDF);
    if bytes.len() <= MOST_NESTED || bytes.iter().filter(begins_one).count() <= MOST_NESTED {
        return Ok(());
    }
    match IgnoredAny::deserialize(&mut reader(bytes)) {
        Err(rmp_serde::decode::Error::DepthLimitExceeded) => Err(TooDeep),
        // Other damage is reported when the type is decoded.
        _ => Ok(()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("its values are nested deeper than {MOST_NESTED} levels, which cannot be read")]
struct TooDeep;

/// Uses the one reader of `rmp_serde` that reveals the bytes left over.
fn reader(bytes: &[u8]) -> Deserializer<ReadReader<&[u8]>> {
    let mut messagepack = Deserializer::new(bytes);
    // `rmp_serde` refuses the last level that it counts.
    messagepack.set_max_depth(MOST_NESTED + 1);
    messagepack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Nested {
        End,
        Around(Box<Nested>),
        Beside(u8, Box<Nested>),
    }

    fn nested(levels: usize, wrap: fn(Nested) -> Nested) -> Nested {
        (0..levels).fold(Nested::End, |inner, _| wrap(inner))
    }

    #[test]
    fn values_nested_too_deeply_to_be_read_are_not_written() {
        let around = |inner| Nested::Around(Box::new(inner));
        let beside = |inner| Nested::Beside(0, Box::new(inner));
        for (most, wrap) in [(MOST_NESTED, around as fn(_) -> _), (MOST_NESTED / 2, beside)] {
            let deepest = nested(most, wrap);
            let bytes = encode(&deepest).expect("it is written").bytes;
            assert_eq!(decode::<Nested>(&bytes).expect("it is read"), deepest);
            assert!(encode(&nested(most + 1, wrap)).is_err());
        }
    }

    /// The nesting would exhaust the stack if it were not checked.
    #[test]
    fn a_variant_in_a_variant_in_a_variant_is_an_error() {
        let around = [&[0x81, 0xA6][..], b"Around"].concat();
        decode::<Nested>(&around.repeat(100_000)).expect_err("it is too deep");
        decode::<Nested>(&[0x91].repeat(100_000)).expect_err("it is too deep");
    }

    /// Bytes of strings and numbers may look like the start of a list.
    #[test]
    fn many_values_beside_each_other_are_fine() {
        let many: Vec<(u8, Vec<u32>)> = (0..1_000).map(|number| (0x91, vec![number])).collect();
        let bytes = encode(&many).expect("it is written").bytes;
        assert_eq!(decode::<Vec<(u8, Vec<u32>)>>(&bytes).expect("it is read"), many);
    }
}
