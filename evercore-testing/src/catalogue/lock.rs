//! The format of the catalogue's file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::EventShape;

/// The events of each aggregate, by the aggregate's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Lock(BTreeMap<String, Events>);

/// The versions of an event, by the event's name.
type Events = BTreeMap<String, Versions>;

/// The parts of an event, by version. `None` if the type declares no shape.
type Versions = BTreeMap<u32, Option<Vec<String>>>;

/// One version of an event, as recorded in the file.
pub(super) struct Entry<'a> {
    pub(super) aggregate: &'a str,
    pub(super) name: &'a str,
    pub(super) version: u32,
    pub(super) parts: Option<&'a [String]>,
}

impl Lock {
    pub(super) fn of(types: &[EventShape]) -> Self {
        Self::default().extended(types)
    }

    /// Adds the events, versions and shapes that are not recorded yet.
    pub(super) fn extended(mut self, types: &[EventShape]) -> Self {
        for event in types {
            let events = self.0.entry(event.aggregate.clone()).or_default();
            let versions = events.entry(event.names[0].clone()).or_default();
            let parts = versions.entry(event.version).or_default();
            if parts.is_none() {
                parts.clone_from(&event.parts);
            }
        }
        self
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().flat_map(|(aggregate, events)| {
            events.iter().flat_map(move |(name, versions)| {
                versions.iter().map(move |(&version, parts)| Entry {
                    aggregate,
                    name,
                    version,
                    parts: parts.as_deref(),
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
