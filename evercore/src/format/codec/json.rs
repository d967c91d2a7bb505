//! Encodes and decodes JSON, by `serde_json`.

use std::cell::Cell;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::{CompactFormatter, Formatter};

use super::{Doubt, Encoded};
use crate::format::error::field_at;
use crate::{BoxError, DecodeError};

/// The deepest nesting that is written, which is the deepest that `serde_json` reads.
const MOST_NESTED: u8 = 127;

pub(crate) fn encode<E: Serialize + ?Sized>(value: &E) -> Result<Encoded, BoxError> {
    let (mut bytes, seen) = (Vec::with_capacity(128), Seen::default());
    let watching = Watching { seen: &seen, is_in_key: false, depth: 0 };
    value
        .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, watching))
        .map_err(|error| explained(value, error))?;
    Ok(Encoded { bytes, doubt: seen.doubt() })
}

/// Adds the place of a map key that JSON cannot represent, which `serde_json` reports as a bare syntax error.
fn explained<E: Serialize + ?Sized>(value: &E, error: serde_json::Error) -> BoxError {
    if !error.is_syntax() {
        return error.into();
    }
    let mut nowhere = serde_json::Serializer::new(io::sink());
    match serde_path_to_error::serialize(value, &mut nowhere) {
        Err(located) => {
            Box::new(UnfitKey { field: field_at(located.path()), source: located.into_inner() })
        }
        Ok(()) => error.into(),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "JSON has no form for a key of the map at `{field}`; write the map as a list of pairs, or encode the event in CBOR"
)]
struct UnfitKey {
    field: String,
    source: serde_json::Error,
}

/// Writes compactly, and records what JSON may lose.
struct Watching<'a> {
    seen: &'a Seen,
    is_in_key: bool,
    depth: u8,
}

#[derive(Default)]
struct Seen {
    /// Whether a null was written: for `None`, for a unit, or for a number that JSON cannot represent.
    null: Cell<bool>,
    /// Whether a map key was written as a string that is not a string.
    key: Cell<bool>,
}

impl Seen {
    fn doubt(&self) -> Option<Doubt> {
        let key = self.key.get().then_some(Doubt::Key);
        key.or_else(|| self.null.get().then_some(Doubt::Null))
    }
}

impl Watching<'_> {
    fn step_in(&mut self) -> io::Result<()> {
        if self.depth == MOST_NESTED {
            let problem = format!(
                "its values are nested deeper than {MOST_NESTED} levels, which cannot be read"
            );
            return Err(io::Error::other(problem));
        }
        self.depth += 1;
        Ok(())
    }
}

/// Defines the methods for values that become strings where they are map keys.
macro_rules! watched {
    ($($method:ident: $type:ty;)*) => {
        $(#[inline]
        fn $method<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            if self.is_in_key {
                self.seen.key.set(true);
            }
            CompactFormatter.$method(writer, value)
        })*
    };
}

impl Formatter for Watching<'_> {
    watched! {
        write_bool: bool;
        write_i8: i8;
        write_i16: i16;
        write_i32: i32;
        write_i64: i64;
        write_i128: i128;
        write_u8: u8;
        write_u16: u16;
        write_u32: u32;
        write_u64: u64;
        write_u128: u128;
        write_f32: f32;
        write_f64: f64;
    }

    fn write_null<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.seen.null.set(true);
        writer.write_all(b"null")
    }

    #[inline]
    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        is_first: bool,
    ) -> io::Result<()> {
        self.is_in_key = true;
        CompactFormatter.begin_object_key(writer, is_first)
    }

    #[inline]
    fn end_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_in_key = false;
        Ok(())
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.step_in()?;
        writer.write_all(b"[")
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.step_in()?;
        writer.write_all(b"{")
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// Decodes a value. Tracking paths costs time, so only input with an error is decoded again to locate it.
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
