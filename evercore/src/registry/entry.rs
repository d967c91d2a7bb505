//! Keeps one aggregate type with the types that read its stored events, and checks that every version has a reader.

use std::any::Any;

use foldhash::{HashMap, HashMapExt};

use super::types::{AggregateType, EventType, RetiredType, StoredType};
use crate::evolution::unreadable::Unreadable;
use crate::evolution::upcast::ShapeType;
use crate::metadata::MAX_LABEL_BYTES;
use crate::registry::replay::Replaying;
use crate::{Error, EventMeta, Fingerprint, Payload, Result};

/// An aggregate type and the types that read its events.
#[derive(Debug)]
pub(crate) struct AggregateEntry {
    pub(super) aggregate: AggregateType,
    /// The types by every name that their events are or were written under.
    pub(super) events: HashMap<&'static str, Vec<KnownEvent>>,
    /// A hash of the upcasters and retired events, which read old events otherwise than they were written; 0 if there
    /// are none.
    evolution: u64,
}

/// Returns the type that reads a stored event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KnownEvent {
    Current(EventType),
    Retired(RetiredType),
}

impl KnownEvent {
    pub(super) const fn stored(&self) -> &StoredType {
        match self {
            Self::Current(event) => &event.stored,
            Self::Retired(event) => &event.stored,
        }
    }

    pub(super) fn is_same_type(&self, event: &EventType) -> bool {
        self.stored().type_id == event.type_id()
    }

    /// Checks that a stored event can be read.
    pub(crate) fn check(&self, payload: &Payload, version: u32) -> Result<(), Unreadable> {
        match self {
            Self::Current(event) => event.check(payload, version),
            Self::Retired(event) => event.parts(payload, version).map(drop),
        }
    }

    /// Applies a stored event, or all of its parts, to the state of the aggregate that this type belongs to. Applies
    /// nothing if the event cannot be read.
    pub(crate) fn apply(
        &self,
        state: &mut dyn Any,
        payload: &Payload,
        version: u32,
        meta: &EventMeta,
    ) -> Result<(), Unreadable> {
        match self {
            Self::Current(event) => event.apply(state, payload, version, meta),
            Self::Retired(event) => {
                for part in event.parts(payload, version)? {
                    part.apply(state, meta);
                }
                Ok(())
            }
        }
    }
}

impl AggregateEntry {
    /// Returns the fingerprint of the snapshots that this program takes; `None` if it takes none.
    pub(crate) fn snapshot_shape(&self) -> Option<Fingerprint> {
        self.aggregate.snapshot_shape.map(|shape| self.fingerprint(shape))
    }

    /// Makes a state without events.
    pub(crate) fn begin_replay(&self) -> Box<dyn Replaying> {
        (self.aggregate.begin_replay)()
    }

    pub(super) fn new(aggregate: AggregateType) -> Self {
        Self { aggregate, events: HashMap::new(), evolution: 0 }
    }

    pub(crate) fn find(&self, name: &str, version: u32) -> Option<&KnownEvent> {
        self.events.get(name)?.iter().find(|event| event.stored().reads(version))
    }

    /// Combines the fingerprint of a state's shape with the way in which this program reads old events. Programs that
    /// read them differently cannot use each other's snapshots.
    pub(crate) fn fingerprint(&self, shape: Fingerprint) -> Fingerprint {
        if self.evolution == 0 {
            return shape;
        }
        let mut hash = Hash::default();
        hash.take(&shape.get().to_le_bytes());
        hash.take(&self.evolution.to_le_bytes());
        Fingerprint::new(hash.0)
    }

    pub(super) fn add(&mut self, event: KnownEvent) -> Result<()> {
        let stored = *event.stored();
        check_versions(&stored)?;
        check_upcasters(&stored)?;
        for name in stored.names() {
            check_name(name, stored.rust_type)?;
            let known = self.events.entry(name).or_default();
            if known.iter().any(|known| known.stored().type_id == stored.type_id) {
                continue;
            }
            let overlapping = known.iter().find_map(|known| {
                let other = known.stored();
                let from = stored.reads_from.max(other.reads_from);
                (from <= stored.version.min(other.version)).then_some((from, other.rust_type))
            });
            if let Some((version, other)) = overlapping {
                let aggregate = self.aggregate.name;
                return Err(duplicate(
                    format!("version {version} of the event name `{name}` of `{aggregate}`"),
                    other,
                    stored.rust_type,
                ));
            }
            known.push(event);
        }
        Ok(())
    }

    /// Checks the rules that need all types to be added: every version down to the oldest has a type that reads it.
    pub(super) fn finish(&mut self) -> Result<()> {
        let mut stored: Vec<_> = self
            .events
            .iter()
            .flat_map(|(name, known)| {
                known.iter().filter(move |known| known.stored().name == *name)
            })
            .collect();
        stored.sort_unstable_by_key(|known| (known.stored().name, known.stored().version));
        let mut hash = Hash::default();
        for known in stored {
            let StoredType { name, version, oldest_version, reads_from, .. } = *known.stored();
            let missing =
                (oldest_version..reads_from).find(|older| self.find(name, *older).is_none());
            if let Some(missing) = missing {
                return Err(Error::MissingUpcaster {
                    event: name,
                    aggregate: self.aggregate.name,
                    rust_type: (known.stored().rust_type)(),
                    missing,
                    version,
                });
            }
            let is_retired = matches!(known, KnownEvent::Retired(_));
            if is_retired || reads_from < version {
                hash.take(name.as_bytes());
                hash.take(&[0, u8::from(is_retired)]);
                hash.take(&version.to_le_bytes());
                self.evolution = hash.0;
            }
        }
        Ok(())
    }
}

/// The FNV-1a hash, which is the same in every program and build. The standard library's hashers do not promise that.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hash {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

pub(super) fn check_name(name: &str, rust_type: fn() -> &'static str) -> Result<()> {
    match name_problem(name) {
        Some(problem) => {
            let (rust_type, problem) = (rust_type(), format!("its name {problem}"));
            Err(Error::InvalidDeclaration { rust_type, problem })
        }
        None => Ok(()),
    }
}

/// Returns why no aggregate type or event can have this name; `None` if one can.
pub(crate) fn name_problem(name: &str) -> Option<String> {
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if name.len() > MAX_LABEL_BYTES {
        Some(format!("is {} bytes long, but the limit is {MAX_LABEL_BYTES}", name.len()))
    } else if name.contains('\0') {
        Some("holds a NUL character".to_owned())
    } else {
        None
    }
}

pub(super) fn duplicate(
    what: String,
    first: fn() -> &'static str,
    second: fn() -> &'static str,
) -> Error {
    // Sorted, since the order of linking is arbitrary and the message should not be.
    let mut types = [first().to_owned(), second().to_owned()];
    types.sort();
    let [first, second] = types;
    Error::DuplicateName { what, first, second }
}

fn check_versions(stored: &StoredType) -> Result<()> {
    let StoredType { version, oldest_version, upcasters, rust_type, .. } = stored;
    let reads_from = crate::evolution::upcast::oldest_readable(*version, upcasters);
    let problem = if *version == 0 || *oldest_version == 0 {
        "versions start at 1".to_owned()
    } else if oldest_version > version {
        format!("its oldest version is {oldest_version}, but its version is {version}")
    } else if reads_from == 0 {
        format!("it has {} upcasters, but its version is {version}", upcasters.len())
    } else if !upcasters.is_empty() && reads_from < *oldest_version {
        format!(
            "its upcasters begin at version {reads_from}, but its oldest version is {oldest_version}"
        )
    } else {
        return Ok(());
    };
    Err(Error::InvalidDeclaration { rust_type: rust_type(), problem })
}

/// Checks that each upcaster returns the shape that the next one takes. The macros ensure it; a list that is made by
/// hand may be wrong.
fn check_upcasters(stored: &StoredType) -> Result<()> {
    let taken = stored.upcasters.iter().skip(1).map(|next| next.old());
    for (step, taken) in stored.upcasters.iter().zip(taken.chain([stored.shape])) {
        let given = step.new_shape();
        if !given.can_become(taken) {
            let (given, taken) = (given.rust_type(), ShapeType::rust_type(taken));
            let problem = format!(
                "one of its upcasters returns `{given}`, but the next step takes `{taken}`"
            );
            return Err(Error::InvalidDeclaration { rust_type: (stored.rust_type)(), problem });
        }
    }
    Ok(())
}
