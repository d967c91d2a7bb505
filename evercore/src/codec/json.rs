//! Writes and reads JSON, by `serde_json`.

use std::cell::Cell;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::ser::Formatter;

use super::Encoded;
use crate::{BoxError, DecodeError};

/// The most levels of values inside each other: as many as `serde_json` reads. More are not written.
const MOST_NESTED: u8 = 127;

pub(crate) fn encode<E: Serialize + ?Sized>(value: &E) -> Result<Encoded, BoxError> {
    let (mut bytes, may_lose) = (Vec::with_capacity(128), Cell::new(false));
    let watching = Watching { has_null: &may_lose, depth: 0 };
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, watching))?;
    Ok(Encoded { bytes, may_lose: may_lose.get() })
}

/// Writes compactly, and takes note of what JSON may lose.
struct Watching<'a> {
    /// Whether null was written: for `None`, for a unit, for what is no number in JSON.
    has_null: &'a Cell<bool>,
    depth: u8,
}

impl Watching<'_> {
    fn step_in(&mut self) -> io::Result<()> {
        if self.depth == MOST_NESTED {
            let problem = format!(
                "it has values inside each other deeper than {MOST_NESTED} levels, which cannot be read"
            );
            return Err(io::Error::other(problem));
        }
        self.depth += 1;
        Ok(())
    }
}

impl Formatter for Watching<'_> {
    fn write_null<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.has_null.set(true);
        writer.write_all(b"null")
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
