//! Why bytes cannot be read.

use serde_path_to_error::Segment;

use crate::BoxError;

/// The reason why a payload could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DecodeError(#[from] Undecodable);

#[derive(Debug, thiserror::Error)]
enum Undecodable {
    #[error("the payload does not fit at `{field}`")]
    Misfit { field: String, source: BoxError },
    #[error(transparent)]
    Missing(#[from] MissingFeature),
}

/// A format that this build does not support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build lacks {format}; enable the feature `{feature}` of the crate `evercore`")]
pub(crate) struct MissingFeature {
    pub(crate) format: &'static str,
    pub(crate) feature: &'static str,
}

impl DecodeError {
    /// Creates an error without a field path: the payload as a whole could not be decoded.
    pub(crate) fn whole(source: impl Into<BoxError>) -> Self {
        Undecodable::Misfit { field: ".".to_owned(), source: source.into() }.into()
    }

    /// Creates an error with the path of the field.
    pub(crate) fn located<E>(error: serde_path_to_error::Error<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Undecodable::Misfit { field: field_at(error.path()), source: error.into_inner().into() }
            .into()
    }

    /// Creates an error for bytes after the end of the event.
    #[cfg(any(feature = "cbor", feature = "messagepack"))]
    pub(crate) fn trailing() -> Self {
        Self::whole("there are bytes after the end of the value")
    }

    /// Creates an error for a format that this build does not support.
    pub(crate) fn missing(feature: MissingFeature) -> Self {
        Undecodable::Missing(feature).into()
    }

    /// Returns the feature that this build would need to decode the payload.
    pub(crate) const fn missing_feature(&self) -> Option<MissingFeature> {
        match self.0 {
            Undecodable::Missing(feature) => Some(feature),
            Undecodable::Misfit { .. } => None,
        }
    }

    /// Returns the path of the field at which decoding failed, such as `address.city`; `.` for the whole payload.
    #[must_use]
    pub fn field(&self) -> &str {
        match &self.0 {
            Undecodable::Misfit { field, .. } => field,
            Undecodable::Missing(_) => ".",
        }
    }
}

/// Formats the path of a field. A path that ends in an unknown segment (input that breaks off between two fields) is
/// reported as the enclosing struct.
pub(crate) fn field_at(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    match path.iter().next_back() {
        Some(Segment::Unknown) => match text.trim_end_matches('?').trim_end_matches('.') {
            "" => ".".to_owned(),
            known => known.to_owned(),
        },
        // The field's name is empty.
        _ if text.is_empty() => ".".to_owned(),
        _ => text,
    }
}
