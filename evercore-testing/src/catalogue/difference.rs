//! Finds the differences between the catalogue's file and the types.

use std::fmt;

use super::lock::{Entry, Lock};
use super::{Catalogue, EventShape};

#[derive(Default)]
pub(super) struct Difference {
    pub(super) changes: Vec<Change>,
    pub(super) additions: Vec<Addition>,
}

/// A released event that no type reads any more, or whose shape has changed.
pub(super) struct Change {
    event: String,
    what: What,
}

/// An event that is not in the file.
pub(super) struct Addition {
    event: String,
    rust_type: &'static str,
}

enum What {
    /// No type reads the event.
    Gone,
    /// The type that reads the event has another shape.
    Shape { rust_type: &'static str, fields: Vec<FieldChange> },
}

enum FieldChange {
    Added(String),
    Removed(String),
    Type { name: String, old: String, new: String },
}

impl Catalogue {
    pub(super) fn difference(&self, lock: &Lock) -> Difference {
        let Self { registry, types } = self;
        let mut difference = Difference::default();
        for entry in lock.entries() {
            let what = match types.iter().find(|event| event.reads(&entry)) {
                // No type has this shape, but an upcaster or a retired event still reads it.
                None if registry.knows(entry.aggregate, entry.name, entry.version) => continue,
                None => What::Gone,
                Some(event) => {
                    // An entry without a shape cannot be compared.
                    let Some(old) = entry.parts else { continue };
                    let fields = compare(old, event.parts.as_deref().unwrap_or_default());
                    if fields.is_empty() {
                        continue;
                    }
                    What::Shape { rust_type: event.rust_type, fields }
                }
            };
            let event = named(entry.aggregate, entry.name, entry.version);
            difference.changes.push(Change { event, what });
        }
        for event in types {
            let is_known = lock.entries().any(|entry| event.is_written_as(&entry));
            if !is_known {
                let name = named(&event.aggregate, &event.names[0], event.version);
                difference.additions.push(Addition { event: name, rust_type: event.rust_type });
            }
        }
        difference
    }
}

impl EventShape {
    fn reads(&self, entry: &Entry<'_>) -> bool {
        self.aggregate == entry.aggregate
            && self.version == entry.version
            && self.names.iter().any(|name| name == entry.name)
    }

    fn is_written_as(&self, entry: &Entry<'_>) -> bool {
        self.reads(entry)
            && self.names[0] == entry.name
            && (entry.parts.is_some() || self.parts.is_none())
    }
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
            What::Shape { rust_type, fields } => {
                write!(f, "  {} ({rust_type})", self.event)?;
                fields.iter().try_for_each(|field| write!(f, "\n    {field}"))
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

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {} ({}) is new", self.event, self.rust_type)
    }
}
