//! The bytes of an event.

use bytes::Bytes;
use serde_path_to_error::Segment;

use crate::{BoxError, Codec, Event};

/// The bytes of an event, and how to read them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    codec: Codec,
    bytes: Bytes,
}

/// Why bytes did not become the wanted type.
#[derive(Debug, thiserror::Error)]
#[error("the payload does not fit at `{field}`")]
pub struct DecodeError {
    field: String,
    source: BoxError,
}

impl Payload {
    /// Bytes that are encoded already. They are taken as they are.
    #[must_use]
    pub fn from_encoded(codec: Codec, bytes: impl Into<Bytes>) -> Self {
        Self { codec, bytes: bytes.into() }
    }

    /// How the bytes are encoded.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Decodes the bytes, as the type's [`Encoding`](crate::Encoding) says. Whether the event is an `E` at all is for
    /// the caller to know; [`RecordedEvent::decode`](crate::RecordedEvent::decode) looks.
    ///
    /// # Errors
    /// [`DecodeError`] with the path of the field where reading stopped.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        E::ENCODING.decode(self.codec, &self.bytes)
    }
}

impl DecodeError {
    /// What is wrong is wrong with the payload as a whole.
    pub(crate) fn whole(source: impl Into<BoxError>) -> Self {
        Self { field: ".".to_owned(), source: source.into() }
    }

    /// What is wrong has a place.
    pub(crate) fn located<E>(error: serde_path_to_error::Error<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self { field: field_at(error.path()), source: error.into_inner().into() }
    }

    /// The path of the field where reading stopped, as `address.city`; `.` for the whole payload.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

/// A text that breaks off between two fields is misplaced in the struct around them.
fn field_at(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    match path.iter().next_back() {
        Some(Segment::Unknown) => match text.trim_end_matches('?').trim_end_matches('.') {
            "" => ".".to_owned(),
            known => known.to_owned(),
        },
        _ => text,
    }
}
