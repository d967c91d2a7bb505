//! Why bytes cannot be read.

use serde_path_to_error::Segment;

use crate::BoxError;

/// Why bytes did not become the wanted type.
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

/// What this program was built without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this build lacks {format}; switch on the feature `{feature}` of the crate `evercore`")]
pub(crate) struct MissingFeature {
    pub(crate) format: &'static str,
    pub(crate) feature: &'static str,
}

impl DecodeError {
    /// What is wrong is wrong with the payload as a whole.
    pub(crate) fn whole(source: impl Into<BoxError>) -> Self {
        Undecodable::Misfit { field: ".".to_owned(), source: source.into() }.into()
    }

    /// What is wrong has a place.
    pub(crate) fn located<E>(error: serde_path_to_error::Error<E>) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Undecodable::Misfit { field: field_at(error.path()), source: error.into_inner().into() }
            .into()
    }

    /// There is more than one event.
    #[cfg(any(feature = "cbor", feature = "messagepack"))]
    pub(crate) fn trailing() -> Self {
        Self::whole("there are bytes after its end")
    }

    /// The program was built without what it takes to read it.
    pub(crate) fn missing(feature: MissingFeature) -> Self {
        Undecodable::Missing(feature).into()
    }

    /// What the program would have to be built with.
    pub(crate) const fn missing_feature(&self) -> Option<MissingFeature> {
        match self.0 {
            Undecodable::Missing(feature) => Some(feature),
            Undecodable::Misfit { .. } => None,
        }
    }

    /// The path of the field where reading stopped, as `address.city`; `.` for the whole payload.
    #[must_use]
    pub fn field(&self) -> &str {
        match &self.0 {
            Undecodable::Misfit { field, .. } => field,
            Undecodable::Missing(_) => ".",
        }
    }
}

/// A text that breaks off between two fields is misplaced in the struct around them.
pub(crate) fn field_at(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    match path.iter().next_back() {
        Some(Segment::Unknown) => match text.trim_end_matches('?').trim_end_matches('.') {
            "" => ".".to_owned(),
            known => known.to_owned(),
        },
        // A field whose name is empty.
        _ if text.is_empty() => ".".to_owned(),
        _ => text,
    }
}
