//! JSON, by `serde_json`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{BoxError, DecodeError};

pub(crate) fn encode<E: Serialize>(value: &E) -> Result<Vec<u8>, BoxError> {
    Ok(serde_json::to_vec(value)?)
}

/// Paths cost time, so they are looked for only once it is known that there is an error to place.
pub(crate) fn decode<E: DeserializeOwned>(bytes: &[u8]) -> Result<E, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, E>(&mut json) {
            Err(located) => DecodeError::located(located),
            Ok(_) => DecodeError::whole(error),
        }
    })
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
            let error = decode::<Order>(json.as_bytes()).expect_err("it does not fit");
            assert_eq!(error.field(), field, "in {json:?}");
        }
    }
}
