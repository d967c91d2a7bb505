//! Refuses to write what its codec does not give back as it was.
//!
//! The state that a command leaves has seen the value that was given, and each replay sees the one that is read: were they
//! two, there would be two states. So a value is read back before it is written, and compared with what it was. That costs
//! as much as reading it, and is done where [`RoundTrips`] says so.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::format::capture::{Captured, Difference, Sets, first_difference, is_same_in_any_order};
use crate::format::codec::{self, Doubt, Encoded};
use crate::report::with_causes;
use crate::{BoxError, Codec};

/// Which values are read back before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RoundTrips {
    which: Which,
    /// Those that are longer are refused for it, which needs no look at what they would be read as.
    most_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    None,
    Doubtful,
    All,
}

impl RoundTrips {
    /// None: what is written is only shown.
    pub(crate) const TRUSTED: Self = Self { which: Which::None, most_bytes: usize::MAX };
    /// Those of which the codec has written something that it may not tell from something else.
    pub(crate) const CHECKED_IF_DOUBTFUL: Self = Self { which: Which::Doubtful, ..Self::TRUSTED };
    /// All.
    pub(crate) const CHECKED: Self = Self { which: Which::All, ..Self::TRUSTED };

    /// The same, but for values that take more bytes.
    pub(crate) const fn up_to(self, most_bytes: usize) -> Self {
        Self { most_bytes, ..self }
    }

    /// Whether a message of Protocol Buffers is read back.
    #[cfg(feature = "protobuf")]
    pub(crate) fn check_message(self, bytes: &[u8]) -> bool {
        self.which == Which::All && bytes.len() <= self.most_bytes
    }
}

impl Default for RoundTrips {
    /// In a debug build, all.
    fn default() -> Self {
        if cfg!(debug_assertions) { Self::CHECKED } else { Self::CHECKED_IF_DOUBTFUL }
    }
}

/// Where a value is another one after it was written and read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundTripMismatch {
    /// The codec.
    pub codec: Codec,
    /// The path of the field, as `address.city` or `lines[3]`; `.` for the whole value.
    pub field: String,
    /// The value that the field holds.
    pub given: String,
    /// The value that the field is read as, or an error that says why it cannot be read.
    pub read: String,
}

impl fmt::Display for RoundTripMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, field, given, read } = self;
        match &**field {
            "." => write!(f, "in {codec}, the whole value is {given}, which is read as {read}"),
            _ => write!(f, "in {codec}, `{field}` holds {given}, which is read as {read}"),
        }
    }
}

impl std::error::Error for RoundTripMismatch {}

/// Writes what serde knows, after the checks that are asked for. An error that is a [`RoundTripMismatch`] says that it
/// would not come back.
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

/// Reads a value's bytes and compares what they say with the value.
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
    // From here on, only where it differs is open.
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
