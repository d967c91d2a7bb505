//! The format of the catalogue's file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::EventShape;
use super::difference::is_of_same_name;

/// The events of each aggregate, by the aggregate's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Lock(BTreeMap<String, Events>);

/// The versions of an event, by the event's name.
type Events = BTreeMap<String, Versions>;

/// The records of an event, by version.
type Versions = BTreeMap<u32, Recorded>;

/// The parts of an event, `None` if the type declares no shape, and its tags, if it has any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Recorded {
    Untagged(Option<Vec<String>>),
    Tagged { shape: Option<Vec<String>>, tags: Vec<String> },
}

/// One version of an event, as recorded in the file.
pub(super) struct Entry<'a> {
    pub(super) aggregate: &'a str,
    pub(super) name: &'a str,
    pub(super) version: u32,
    pub(super) parts: Option<&'a [String]>,
    pub(super) tags: &'a [String],
}

impl Lock {
    pub(super) fn of(types: &[EventShape]) -> Self {
        Self::default().extended(types)
    }

    /// Adds the events, versions, shapes and tags that are not recorded yet.
    pub(super) fn extended(mut self, types: &[EventShape]) -> Self {
        for event in types {
            let events = self.0.entry(event.aggregate.clone()).or_default();
            let versions = events.entry(event.names[0].clone()).or_default();
            versions.entry(event.version).or_default().extend(event);
        }
        self
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().flat_map(|(aggregate, events)| {
            events.iter().flat_map(move |(name, versions)| {
                versions.iter().map(move |(&version, recorded)| {
                    let (parts, tags) = recorded.as_parts();
                    Entry { aggregate, name, version, parts, tags }
                })
            })
        })
    }

    pub(super) fn read(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(file, text)
    }
}

impl Recorded {
    fn as_parts(&self) -> (Option<&[String]>, &[String]) {
        match self {
            Self::Untagged(shape) => (shape.as_deref(), &[]),
            Self::Tagged { shape, tags } => (shape.as_deref(), tags),
        }
    }

    /// Adds the shape, if none is recorded, and tags with other names than those that are.
    fn extend(&mut self, event: &EventShape) {
        let (parts, tags) = self.as_parts();
        let shape = parts.map(<[_]>::to_vec).or_else(|| event.parts.clone());
        let is_new = |tag: &&String| !tags.iter().any(|own| is_of_same_name(own, tag));
        let tags: Vec<_> = tags.iter().chain(event.tags.iter().filter(is_new)).cloned().collect();
        *self = if tags.is_empty() { Self::Untagged(shape) } else { Self::Tagged { shape, tags } };
    }
}

impl Default for Recorded {
    fn default() -> Self {
        Self::Untagged(None)
    }
}
