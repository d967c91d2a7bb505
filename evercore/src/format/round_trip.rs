//! Refuses to write a value that its codec would not restore.
//!
//! The state after a command was built from the original value, but each replay builds it from the decoded one. If they
//! differed, so would the states. So a value is decoded before it is written, and compared with the original. This
//! costs as much as decoding, and is done only where [`RoundTrips`] asks for it.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::capture::{Captured, Difference, Sets, first_difference, is_same_in_any_order};
use crate::format::codec::{self, Doubt, Encoded};
use crate::report::with_causes;
use crate::{BoxError, Codec};

/// Selects the values that are read back before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundTrips {
    which: Which,
    /// Longer values are not read back: they are refused for their length anyway.
    most_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    None,
    Doubtful,
    All,
}

impl RoundTrips {
    /// Reads back no value: for encodings that are shown or compared, and not stored.
    pub(crate) const TRUSTED: Self = Self { which: Which::None, most_bytes: usize::MAX };
    /// Reads back values for which the codec has written something ambiguous.
    pub(crate) const CHECKED_IF_DOUBTFUL: Self = Self { which: Which::Doubtful, ..Self::TRUSTED };
    /// Reads back all values.
    pub(crate) const CHECKED: Self = Self { which: Which::All, ..Self::TRUSTED };

    /// Excludes values of more than this many bytes.
    pub(crate) const fn up_to(self, most_bytes: usize) -> Self {
        Self { most_bytes, ..self }
    }

    /// Returns whether a message in Protocol Buffers is read back.
    #[cfg(feature = "protobuf")]
    pub(crate) fn check_message(self, bytes: &[u8]) -> bool {
        self.which == Which::All && bytes.len() <= self.most_bytes
    }
}

impl Default for RoundTrips {
    /// Returns the default: all values in a debug build, ambiguous ones in a release build.
    fn default() -> Self {
        if cfg!(debug_assertions) { Self::CHECKED } else { Self::CHECKED_IF_DOUBTFUL }
    }
}

/// The place at which a decoded value differs from the original.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTripMismatch {
    /// The codec.
    pub codec: Codec,
    /// The path of the field, as `address.city` or `lines[3]`; `.` for the whole value.
    pub field: String,
    /// The value that the field holds.
    pub given: String,
    /// The value that the field is decoded as, or an error if it cannot be decoded.
    pub read: String,
}

impl fmt::Display for RoundTripMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, field, given, read } = self;
        match &**field {
            "." => write!(f, "in {codec}, the whole value is {given}, but is read as {read}"),
            _ => write!(f, "in {codec}, `{field}` holds {given}, but is read as {read}"),
        }
    }
}

impl std::error::Error for RoundTripMismatch {}

/// Encodes a value with serde, after the requested checks. The error is a [`RoundTripMismatch`] if the value would not
/// be restored.
pub(crate) fn encode<T: Serialize + DeserializeOwned>(
    value: &T,
    codec: Codec,
    round_trips: RoundTrips,
) -> Result<Vec<u8>, BoxError> {
    let Encoded { bytes, doubt } = codec::encode(value, codec)?;
    let is_checked = match (round_trips.which, doubt) {
        _ if bytes.len() > round_trips.most_bytes => false,
        (Which::None, _) | (Which::Doubtful, None) => false,
        (Which::Doubtful, Some(Doubt::Null)) => {
            Captured::form_of(value, codec.is_human_readable())?
                .holds_written_as_null(codec == Codec::Json)
        }
        (Which::Doubtful, Some(Doubt::Key)) | (Which::All, _) => true,
    };
    if is_checked {
        check(value, codec, &bytes)?;
    }
    Ok(bytes)
}

/// Decodes a value's bytes and compares the result with the value.
fn check<T: Serialize + DeserializeOwned>(
    value: &T,
    codec: Codec,
    bytes: &[u8],
) -> Result<(), BoxError> {
    let given = Captured::of(value, codec.is_human_readable())?;
    let read = match codec::decode::<T>(codec, bytes) {
        Ok(read) => Captured::of(&read, codec.is_human_readable())?,
        Err(error) => {
            let field = error.field().to_owned();
            let given = given.at(&field).unwrap_or(&given).shown();
            let read = format!("an error ({})", with_causes(&error));
            return Err(RoundTripMismatch { codec, field, given, read }.into());
        }
    };
    if given == read || is_same_in_any_order(&given, &read) {
        return Ok(());
    }
    // The values differ; the rest finds out where.
    let mut sets = Sets::default();
    sets.learn(&given, &read);
    match first_difference(&given, &read, &sets) {
        None => Ok(()),
        Some(Difference { path, one, other }) => {
            let shown = |value: &Option<Captured>, beside: &Option<Captured>| match (value, beside)
            {
                (Some(value), Some(beside)) => value.shown_beside(beside),
                (Some(value), None) => value.shown(),
                (None, _) => "nothing".to_owned(),
            };
            let (given, read) = (shown(&one, &other), shown(&other, &one));
            Err(RoundTripMismatch { codec, field: path, given, read }.into())
        }
    }
}

#[cfg(test)]
mod tests;
