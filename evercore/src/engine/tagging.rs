//! Defines how a store keeps the tags that programs declare for event types, and adds them to older events. For authors
//! of engines.

use std::sync::Arc;

use async_trait::async_trait;

use super::boundary::StoredEvent;
use crate::{Position, Result, Tags};

#[expect(unused_imports, reason = "the docs link to it")]
use crate::Error;

/// Keeps the tags that programs declare for event types, with a version that every commit names, and adds them to older
/// events. Only called if the engine declares [`Capability::Tags`](super::Capability::Tags).
///
/// An engine refuses each commit whose [`declared`](super::Commit::declared) is not the version that is stored, with
/// [`Error::TagsChanged`]. Without this, a program that does not know of a tag could store events without it after the
/// events of the type have been given their tags.
#[async_trait]
pub trait TagStorage {
    /// Returns the version and all declared tags, as of one moment.
    async fn declared_tags(&self) -> Result<DeclaredTags>;

    /// Stores declarations, and a new version, in one step. A declaration that is stored already stays as it is, except
    /// that [`TagDeclaration::Retired`] makes it [`TagState::Retired`].
    ///
    /// The tag of a type that was not stored before, not even under its name, is [`TagState::Complete`] at once: no
    /// commit can have events of the type, until a program knows its number, and then the commit names an older version
    /// than the one that is stored with the type. For any other type, the tag is [`TagState::Declared`].
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()>;

    /// Makes tags [`TagState::Incomplete`] that are [`TagState::Declared`] and stores a new version, in one step, and then
    /// waits until every commit that has named an older version has ended. Returns the position of the last visible
    /// event then: each later one is of a commit that named the new version.
    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position>;

    /// Adds tags to events and records how far that has come, in one step. Returns `false`, and does nothing, if the
    /// tags of an event are no longer those that the batch expects.
    async fn add_tags(&self, batch: &TagBatch) -> Result<bool>;
}

/// A tag of an event type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredTag {
    /// The stored names of the type.
    pub event: StoredEvent,
    /// The name of the tag.
    pub name: Arc<str>,
}

/// The tags that programs have declared, as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeclaredTags {
    /// The version, which is another one after each change that makes programs read the declarations again.
    pub version: i64,
    /// The tags, in no particular order, each once.
    pub tags: Vec<(StoredTag, TagState)>,
}

/// What the events of a type have of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagState {
    /// Older events lack it, and programs that do not know of it still write others without it.
    Declared,
    /// Events up to this position have it, and later ones may lack it. No commit adds another one without it.
    Incomplete(Position),
    /// All events have it, now and from now on.
    Complete,
    /// It is no longer given to new events.
    Retired,
}

/// What a program declares about a tag of an event type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagDeclaration {
    /// Its events have the tag.
    Given,
    /// Its events had the tag, and new ones do not get it.
    Retired,
}

/// The tags that are added to some of the events of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagBatch {
    /// The events that lack tags, in position order.
    pub events: Vec<RetaggedEvent>,
    /// The incomplete tags that all events of their types have up to `up_to`, once this batch is stored.
    pub of: Vec<StoredTag>,
    /// The position up to which the events of the types were looked at.
    pub up_to: Position,
    /// Whether the tags are complete with this batch.
    pub is_last: bool,
}

/// An event that gets tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetaggedEvent {
    /// The position of the event.
    pub position: Position,
    /// The tags that it is expected to have.
    pub before: Tags,
    /// The tags that it gets: these and others.
    pub after: Tags,
}

impl DeclaredTags {
    /// Makes the declarations of a version.
    #[must_use]
    pub const fn new(version: i64, tags: Vec<(StoredTag, TagState)>) -> Self {
        Self { version, tags }
    }
}

impl RetaggedEvent {
    /// Returns the [numbers](crate::boundary::Tag::index) of the tags that the event did not have before, each once.
    #[must_use]
    pub fn added(&self) -> Vec<i64> {
        let before: Vec<_> = self.before.iter().collect();
        let is_new = |tag: &&str| !before.contains(tag);
        let mut added: Vec<_> = self.after.iter().filter(is_new).map(Tags::index_of).collect();
        added.sort_unstable();
        added.dedup();
        added
    }
}
