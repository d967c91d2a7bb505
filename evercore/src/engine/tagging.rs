//! Defines how a store keeps the tags that programs declare for event types, and adds them to older events. For authors
//! of engines.

use std::sync::Arc;

use async_trait::async_trait;

use super::boundary::StoredEvent;
use crate::{Position, Result, Tags};

/// Keeps the tags that programs declare for event types, and adds them to older events. Only called if the engine
/// declares [`Capability::Tags`](super::Capability::Tags).
#[async_trait]
pub trait TagStorage {
    /// Stores declarations, and a new [version](super::Declarations::version), in one step. A declaration that is stored
    /// already stays as it is, except that [`TagDeclaration::Retired`] makes it [`TagState::Retired`].
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
