//! Finds the differences between the catalogue's file and the types.

use std::fmt;

use super::lock::{Entry, Lock};
use super::{Catalogue, EventShape};

#[derive(Default)]
pub(super) struct Difference {
    pub(super) changes: Vec<Change>,
    pub(super) additions: Vec<Addition>,
}

/// A released event that no type reads any more, or whose shape or tags have changed.
pub(super) struct Change {
    event: String,
    what: What,
}

/// An event that is not in the file, or whose new tags are not.
pub(super) struct Addition {
    event: String,
    rust_type: &'static str,
    /// The new tags of an event that is in the file.
    tags: Option<Vec<String>>,
}

enum What {
    /// No type reads the event.
    Gone,
    /// The type that reads the event has another shape, or other tags.
    Shape { rust_type: &'static str, fields: Vec<FieldChange>, tags: Vec<FieldChange> },
}

enum FieldChange {
    Added(String),
    Removed(String),
    Type { name: String, old: String, new: String },
}

/// A change of a tag.
struct TagChange<'a>(&'a FieldChange);

impl Catalogue {
    pub(super) fn difference(&self, lock: &Lock) -> Difference {
        let Self { registry, types } = self;
        let mut difference = Difference::default();
        for entry in lock.entries() {
            let what = match types.iter().find(|event| event.reads(&entry)) {
                // No type has this shape, but an upcaster or a retired event still reads it.
                None if registry.knows(entry.aggregate, entry.name, entry.version) => {
                    let newest = types.iter().filter(|event| event.is_named_as(&entry));
                    let newest = newest.max_by_key(|event| event.version);
                    let Some(event) = newest else { continue };
                    let tags = lost(entry.tags, &event.tags);
                    if tags.is_empty() {
                        continue;
                    }
                    What::Shape { rust_type: event.rust_type, fields: Vec::new(), tags }
                }
                None => What::Gone,
                Some(event) => {
                    // An entry without a shape cannot be compared.
                    let new = event.parts.as_deref().unwrap_or_default();
                    let fields = entry.parts.map(|old| compare(old, new)).unwrap_or_default();
                    let tags = lost(entry.tags, &event.tags);
                    if fields.is_empty() && tags.is_empty() {
                        continue;
                    }
                    What::Shape { rust_type: event.rust_type, fields, tags }
                }
            };
            let event = named(entry.aggregate, entry.name, entry.version);
            difference.changes.push(Change { event, what });
        }
        for event in types {
            let entry = lock.entries().find(|entry| event.is_written_as(entry));
            let tags = entry.map(|entry| event.tags_beyond(&entry));
            if tags.as_ref().is_none_or(|tags| !tags.is_empty()) {
                let name = named(&event.aggregate, &event.names[0], event.version);
                let rust_type = event.rust_type;
                difference.additions.push(Addition { event: name, rust_type, tags });
            }
        }
        difference
    }
}

impl EventShape {
    fn reads(&self, entry: &Entry<'_>) -> bool {
        self.is_named_as(entry) && self.version == entry.version
    }

    fn is_named_as(&self, entry: &Entry<'_>) -> bool {
        self.aggregate == entry.aggregate && self.names.iter().any(|name| name == entry.name)
    }

    fn is_written_as(&self, entry: &Entry<'_>) -> bool {
        self.reads(entry)
            && self.names[0] == entry.name
            && (entry.parts.is_some() || self.parts.is_none())
    }

    /// Returns the tags that are not in the file.
    fn tags_beyond(&self, entry: &Entry<'_>) -> Vec<String> {
        let is_new = |tag: &&String| !entry.tags.iter().any(|own| is_of_same_name(own, tag));
        self.tags.iter().filter(is_new).cloned().collect()
    }
}

/// Returns whether two fields or two tags have the same name.
pub(super) fn is_of_same_name(one: &str, other: &str) -> bool {
    split(one).0 == split(other).0
}

/// Compares tags by name. A tag that is added changes nothing that is stored.
fn lost(old: &[String], new: &[String]) -> Vec<FieldChange> {
    let mut changes = compare(old, new);
    changes.retain(|change| !matches!(change, FieldChange::Added(_)));
    changes
}

/// Compares fields by name; their order is ignored.
fn compare(old: &[String], new: &[String]) -> Vec<FieldChange> {
    let removed = old.iter().map(|part| split(part)).filter_map(|(name, old)| {
        match new.iter().map(|part| split(part)).find(|(new_name, _)| *new_name == name) {
            None => Some(FieldChange::Removed(display(name, old))),
            Some((_, new)) if new == old => None,
            Some((_, new)) => Some(FieldChange::Type {
                name: name.to_owned(),
                old: old.to_owned(),
                new: new.to_owned(),
            }),
        }
    });
    let added = new.iter().map(|part| split(part)).filter_map(|(name, ty)| {
        let is_new = !old.iter().any(|part| split(part).0 == name);
        is_new.then(|| FieldChange::Added(display(name, ty)))
    });
    removed.chain(added).collect()
}

fn split(part: &str) -> (&str, &str) {
    part.split_once(": ").unwrap_or((part, ""))
}

fn display(name: &str, ty: &str) -> String {
    if ty.is_empty() { format!("`{name}`") } else { format!("`{name}`: {ty}") }
}

fn named(aggregate: &str, name: &str, version: u32) -> String {
    format!("{aggregate}: {name}, version {version}")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Gone => write!(f, "  {}\n    no type reads it any more", self.event),
            What::Shape { rust_type, fields, tags } => {
                write!(f, "  {} ({rust_type})", self.event)?;
                fields.iter().try_for_each(|field| write!(f, "\n    {field}"))?;
                tags.iter().map(TagChange).try_for_each(|tag| write!(f, "\n    {tag}"))
            }
        }
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(part) => write!(f, "added {part}"),
            Self::Removed(part) => write!(f, "removed {part}"),
            Self::Type { name, old, new } => write!(f, "changed `{name}`: {old} became {new}"),
        }
    }
}

impl fmt::Display for TagChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            FieldChange::Added(tag) => write!(f, "added the tag {tag}"),
            FieldChange::Removed(tag) => write!(f, "removed the tag {tag}"),
            FieldChange::Type { name, old, new } => {
                write!(f, "changed the values of the tag `{name}`: {old} became {new}")
            }
        }
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} ({})", self.event, self.rust_type)?;
        match &self.tags {
            None => f.write_str(" is new"),
            Some(tags) => {
                let names: Vec<_> = tags.iter().map(|tag| format!("`{}`", split(tag).0)).collect();
                write!(f, " has new tags: {}", names.join(", "))
            }
        }
    }
}
