//! Keeps the tags that programs declare, and gives tags to older events.

use std::collections::BTreeMap;

use async_trait::async_trait;
use evercore::engine::{RetaggedEvent, StoredTag, TagBatch, TagDeclaration, TagState, TagStorage};
use evercore::{Position, RecordedEvent, Result};

use crate::engine::MemoryEngine;
use crate::log::{Log, index};

/// The tags that programs have declared.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// The version of all declarations, which each commit has to name.
    pub(crate) version: i64,
    tags: BTreeMap<StoredTag, TagState>,
}

impl Declared {
    /// Returns the tags.
    pub(crate) fn tags(&self) -> Vec<(StoredTag, TagState)> {
        self.tags.iter().map(|(tag, state)| (tag.clone(), *state)).collect()
    }
}

impl Log {
    fn declare(&mut self, declarations: &[(StoredTag, TagDeclaration)]) {
        self.declared.version += 1;
        for (tag, declaration) in declarations {
            let is_stored = self.has_events_of(tag);
            self.aggregate_type(&tag.event.aggregate);
            let Declared { tags, .. } = &mut self.declared;
            match declaration {
                TagDeclaration::Given => {
                    let state = if is_stored { TagState::Declared } else { TagState::Complete };
                    tags.entry(tag.clone()).or_insert(state);
                }
                TagDeclaration::Retired => drop(tags.insert(tag.clone(), TagState::Retired)),
            }
        }
    }

    fn has_events_of(&self, tag: &StoredTag) -> bool {
        let (aggregate, name) = (&*tag.event.aggregate, &*tag.event.event);
        let is_of = |event: &RecordedEvent| {
            event.event_type() == name && event.aggregate_type() == aggregate
        };
        self.event_types.contains(name) && self.events.iter().any(is_of)
    }

    fn add_tags(&mut self, batch: &TagBatch) -> bool {
        let TagBatch { events, of, up_to, is_last } = batch;
        let is_as_expected =
            |retagged: &RetaggedEvent| *self.event(retagged.position).tags() == retagged.before;
        if !events.iter().all(is_as_expected) {
            return false;
        }
        for RetaggedEvent { position, before, after } in events {
            let event = &mut self.events[index(*position)];
            *event = event.clone().with_tags(after.clone());
            let is_new = |tag: &&str| before.iter().all(|own| own != *tag);
            after.iter().filter(is_new).for_each(|tag| self.tags.add_tag(tag, *position));
        }
        for tag in of {
            match self.declared.tags.get_mut(tag) {
                Some(state @ TagState::Incomplete(_)) if *is_last => *state = TagState::Complete,
                Some(TagState::Incomplete(done)) => *done = (*done).max(*up_to),
                _ => {}
            }
        }
        true
    }
}

#[async_trait]
impl TagStorage for MemoryEngine {
    async fn declare_tags(&self, declarations: &[(StoredTag, TagDeclaration)]) -> Result<()> {
        self.write()?.declare(declarations);
        Ok(())
    }

    async fn begin_tagging(&self, tags: &[StoredTag]) -> Result<Position> {
        // Commits land one after the other under the lock, so none is on its way.
        let mut log = self.write()?;
        for tag in tags {
            if let Some(state @ TagState::Declared) = log.declared.tags.get_mut(tag) {
                *state = TagState::Incomplete(Position::START);
            }
        }
        log.declared.version += 1;
        Ok(log.head())
    }

    async fn add_tags(&self, batch: &TagBatch) -> Result<bool> {
        Ok(self.write()?.add_tags(batch))
    }
}
