//! Defines what programs declare about the data of a store. For authors of engines.

use super::tagging::{StoredTag, TagState};
use super::unique::StoredUnique;

/// The declarations of all programs, as they are stored.
///
/// An engine refuses each commit whose [`declared`](super::Commit::declared) is not the version that is stored, with
/// [`Error::DeclarationsChanged`](crate::Error::DeclarationsChanged). Without this, a program that does not know of a
/// tag could store events without it after the events of the type have been given their tags, and one that does not know
/// of a unique value could change aggregates without claiming it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Declarations {
    /// The version, which is another one after each change that makes programs read the declarations again.
    pub version: i64,
    /// The tags of event types, in no particular order, each once.
    pub tags: Vec<(StoredTag, TagState)>,
    /// The names of unique values, in no particular order, each once.
    pub unique: Vec<StoredUnique>,
}

impl Declarations {
    /// Makes the declarations of a version.
    #[must_use]
    pub const fn new(
        version: i64,
        tags: Vec<(StoredTag, TagState)>,
        unique: Vec<StoredUnique>,
    ) -> Self {
        Self { version, tags, unique }
    }
}
