//! Decodes any event as JSON, without its type.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::format::codec;
use crate::{Codec, DecodeError};

/// Decodes bytes as JSON, if their codec is self-describing.
pub(crate) fn decode(codec: Codec, bytes: &[u8]) -> Result<Value, DecodeError> {
    match codec {
        Codec::Json => codec::json::decode(bytes),
        Codec::Cbor | Codec::MessagePack => {
            codec::decode::<Json>(codec, bytes).map(|Json(value)| value)
        }
        Codec::Protobuf => {
            Err(DecodeError::whole("Protocol Buffers cannot be read without the type"))
        }
    }
}

/// A value of any self-describing codec, in the form that serde_json gives it.
struct Json(Value);

/// The key of a map, as a JSON string.
struct Key(String);

struct JsonVisitor;

struct KeyVisitor;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor).map(Self)
    }
}

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        large(&value)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        large(&value)
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Json::deserialize(inner).map(|Json(value)| value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        Json::deserialize(inner).map(|Json(value)| value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((Key(key), Json(value))) = entries.next_entry()? {
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

impl Visitor<'_> for KeyVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is a text, a number or a truth value")
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u64<E>(self, key: u64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i128<E>(self, key: i128) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u128<E>(self, key: u128) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }
}

/// Converts a number of up to 128 bits as serde_json reads it: as a floating-point number if it exceeds 64 bits.
fn large<E: Error>(number: &impl fmt::Display) -> Result<Value, E> {
    serde_json::from_str(&number.to_string()).map_err(E::custom)
}
