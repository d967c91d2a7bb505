//! Defines the key of a boundary: the tags that its events have.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Boundary, BoundaryEvent};
use crate::engine::{StoredEvent, TagAtom, TagQuery};
use crate::{Error, Result, Tag};

/// A boundary and the tags of its events, for [`Context::read`](crate::Context::read).
///
/// `#[derive(Boundary)]` writes a function `of` that makes it.
#[must_use = "a key reads nothing until `Context::read` is given it"]
pub struct BoundaryKey<B> {
    /// The tags of each alternative. An event matches if it has all tags of one.
    alternatives: Vec<Vec<Tag>>,
    mistake: Option<Error>,
    is_guarded: bool,
    boundary: PhantomData<fn() -> B>,
}

impl<B: Boundary> BoundaryKey<B> {
    /// Makes a key of tags. An event of the boundary is found by those of them whose names it
    /// [names](BoundaryEvent::of).
    ///
    /// A tag that could not be made is reported by the read.
    pub fn new(tags: impl IntoIterator<Item = Result<Tag>>) -> Self {
        let (tags, mistake) = match tags.into_iter().collect::<Result<Vec<Tag>>>() {
            Ok(tags) => {
                let mistake = doubled(&tags).map(doubled_tag::<B>);
                (tags, mistake)
            }
            Err(mistake) => (Vec::new(), Some(mistake)),
        };
        Self { alternatives: vec![tags], mistake, is_guarded: true, boundary: PhantomData }
    }

    /// Reads the events of another key as well, into the same state. The commit rests on both if it rests on one of them.
    pub fn or(mut self, other: Self) -> Self {
        self.alternatives.extend(other.alternatives);
        self.mistake = self.mistake.or(other.mistake);
        self.is_guarded |= other.is_guarded;
        self
    }

    /// Leaves the read out of the conditions of the commit: the commit lands also if other events have been added. For
    /// values that a decision shows or records, and does not rest on.
    pub fn unguarded(mut self) -> Self {
        self.is_guarded = false;
        self
    }

    pub(crate) const fn is_guarded(&self) -> bool {
        self.is_guarded
    }

    /// Makes the query. `stored` returns the names under which an event of the boundary may be stored.
    pub(crate) fn query(
        self,
        stored: impl Fn(&BoundaryEvent<B>) -> Result<Vec<StoredEvent>>,
    ) -> Result<Arc<TagQuery>> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        // Events that are found by the same tags are one atom.
        let mut by_tags: BTreeMap<&[&str], Vec<StoredEvent>> = BTreeMap::new();
        for event in B::EVENTS {
            by_tags.entry(event.tags).or_default().extend(stored(event)?);
        }
        let mut atoms = Vec::with_capacity(by_tags.len() * self.alternatives.len());
        for given in &self.alternatives {
            for (names, types) in &by_tags {
                let tags = names.iter().map(|name| {
                    let tag = given.iter().find(|tag| tag.name() == *name);
                    tag.cloned().ok_or_else(|| without_tag::<B>(name))
                });
                let (tags, types) = (tags.collect::<Result<Vec<_>>>()?, types.clone());
                atoms.push(TagAtom { types, tags });
            }
        }
        if atoms.is_empty() {
            return Err(Error::InvalidDeclaration {
                rust_type: std::any::type_name::<B>(),
                problem: "it has no events, so nothing could match it".to_owned(),
            });
        }
        Ok(Arc::new(TagQuery { atoms }))
    }
}

fn without_tag<B: Boundary>(name: &str) -> Error {
    Error::InvalidDeclaration {
        rust_type: std::any::type_name::<B>(),
        problem: format!("a key of it was made without the tag `{name}`, which its events need"),
    }
}

/// Returns the first tag whose name another one has as well.
fn doubled(tags: &[Tag]) -> Option<&Tag> {
    let mut rest = tags.iter().enumerate();
    rest.find(|(index, tag)| tags[..*index].iter().any(|other| other.name() == tag.name()))
        .map(|(_, tag)| tag)
}

fn doubled_tag<B: Boundary>(tag: &Tag) -> Error {
    let problem =
        format!("a key of `{}` has another tag of this name; read both with `or`", B::NAME);
    Error::InvalidTag { tag: tag.to_string(), problem }
}

impl<B: Boundary> fmt::Debug for BoundaryKey<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundaryKey")
            .field("boundary", &B::NAME)
            .field("alternatives", &self.alternatives)
            .field("is_guarded", &self.is_guarded)
            .finish_non_exhaustive()
    }
}
