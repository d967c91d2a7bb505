//! Which aggregates and events a store knows.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde_json::Value;

use crate::metadata::MAX_LABEL_BYTES;
use crate::payload::DecodeError;
use crate::{Aggregate, Apply, Codec, Error, Event, EventMeta, Payload, Result, codec};

/// The aggregates and events that a store knows.
///
/// By default a store takes all types that are linked into the program: the macros announce them through
/// [`inventory`](https://docs.rs/inventory). Build one by hand to know exactly what a store reads and writes.
///
/// # In tests
///
/// "Linked" goes by program, not by module. All unit tests of a crate are one program, and so are, from edition 2024
/// on, most of its doctests: two modules that both declare an `Account` claim one name, and every store that takes the
/// linked types refuses to open with [`Error::DuplicateName`]. Share the types, give one of them another `name`, or
/// build the registry of a store by hand. A doctest gets a program of its own by ```` ```standalone_crate ````.
///
/// # Example
/// ```standalone_crate
/// # use evercore::{Aggregate, Apply, EventMeta, event};
/// # #[derive(Aggregate, Default)]
/// # struct Counter(u32);
/// # #[event(aggregate = Counter)]
/// # struct Counted;
/// # impl Apply<Counted> for Counter {
/// #     fn apply(&mut self, _: &Counted, _: &EventMeta) { self.0 += 1 }
/// # }
/// let registry = evercore::Registry::builder().event::<Counted>().build()?;
/// assert!(registry.knows_event::<Counted>());
/// # Ok::<_, evercore::Error>(())
/// ```
#[derive(Debug)]
pub struct Registry {
    aggregates: HashMap<&'static str, AggregateEntry>,
}

/// Collects the types of a [`Registry`].
#[derive(Debug, Default)]
#[must_use]
pub struct RegistryBuilder {
    aggregates: Vec<AggregateType>,
    events: Vec<EventType>,
}

/// An aggregate type, as announced.
#[derive(Clone, Copy)]
pub struct AggregateType {
    name: &'static str,
    rust_type: fn() -> &'static str,
    type_id: TypeId,
}

/// An event type, as announced.
#[derive(Clone, Copy)]
pub struct EventType {
    aggregate: AggregateType,
    name: &'static str,
    version: u32,
    aliases: &'static [&'static str],
    rust_type: fn() -> &'static str,
    type_id: TypeId,
    own_codec: Option<Codec>,
    writes: fn(Codec) -> bool,
    apply: fn(&mut dyn Any, &Payload, &EventMeta) -> Result<(), DecodeError>,
    json_of: fn(&Payload) -> Result<Value, DecodeError>,
}

inventory::collect!(AggregateType);
inventory::collect!(EventType);

/// An aggregate type and the events that are read into it.
#[derive(Debug)]
pub(crate) struct AggregateEntry {
    aggregate: AggregateType,
    events: HashMap<&'static str, Vec<EventType>>,
}

impl AggregateType {
    /// Describes `T`.
    #[must_use]
    pub const fn of<T: Aggregate>() -> Self {
        Self { name: T::NAME, rust_type: type_name::<T>, type_id: TypeId::of::<T>() }
    }

    /// The stored name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl EventType {
    /// Describes `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self
    where
        E::Aggregate: Apply<E>,
    {
        Self {
            aggregate: AggregateType::of::<E::Aggregate>(),
            name: E::NAME,
            version: E::VERSION,
            aliases: E::ALIASES,
            rust_type: type_name::<E>,
            type_id: TypeId::of::<E>(),
            own_codec: E::ENCODING.own_codec(),
            writes: |codec| E::ENCODING.writes(codec),
            apply: |state, payload, meta| {
                let event: E = payload.decode()?;
                let state = state
                    .downcast_mut::<E::Aggregate>()
                    .expect("BUG: an event was looked up under another aggregate");
                state.apply(&event, meta);
                Ok(())
            },
            json_of: |payload| {
                let event: E = payload.decode()?;
                let json = E::ENCODING.encode(&event, Codec::Json).map_err(DecodeError::whole)?;
                codec::json::decode(&json)
            },
        }
    }

    /// The stored name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The aggregate that it happens to.
    #[must_use]
    pub const fn aggregate(&self) -> AggregateType {
        self.aggregate
    }

    /// The version of its shape.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The codec that it is written in by a store that writes in `codec`.
    pub(crate) fn codec_in(&self, codec: Codec) -> Codec {
        self.own_codec.unwrap_or(codec)
    }

    /// Decodes an event and writes it as JSON.
    pub(crate) fn json_of(&self, payload: &Payload) -> Result<Value, DecodeError> {
        (self.json_of)(payload)
    }

    pub(crate) fn rust_type(&self) -> &'static str {
        (self.rust_type)()
    }

    /// Decodes an event and applies it to the state of the aggregate that this type belongs to.
    pub(crate) fn apply(
        &self,
        state: &mut dyn Any,
        payload: &Payload,
        meta: &EventMeta,
    ) -> Result<(), DecodeError> {
        (self.apply)(state, payload, meta)
    }
}

impl Registry {
    /// All types that are linked into this program.
    ///
    /// # Errors
    /// - [`Error::DuplicateName`] if two types claim one name.
    /// - [`Error::InvalidDeclaration`] if a name or version cannot be stored.
    pub fn linked() -> Result<Self> {
        RegistryBuilder {
            aggregates: inventory::iter::<AggregateType>().copied().collect(),
            events: inventory::iter::<EventType>().copied().collect(),
        }
        .build()
    }

    /// A registry of exactly the types that are added to it.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// The aggregate types, in no particular order.
    pub fn aggregates(&self) -> impl Iterator<Item = &AggregateType> {
        self.aggregates.values().map(|entry| &entry.aggregate)
    }

    /// The event types, in no particular order; each once, under the name that is written.
    pub fn events(&self) -> impl Iterator<Item = &EventType> {
        self.aggregates.values().flat_map(|entry| {
            entry.events.iter().flat_map(|(name, versions)| {
                versions.iter().filter(move |event| event.name == *name)
            })
        })
    }

    /// The type of a stored event.
    pub(crate) fn event_type(
        &self,
        (aggregate_type, event_type, version): (&str, &str, u32),
    ) -> Option<&EventType> {
        self.aggregates.get(aggregate_type)?.find(event_type, version)
    }

    /// Checks that every event can be written by a store that writes in `codec`.
    pub(crate) fn check_codec(&self, codec: Codec) -> Result<()> {
        match self.events().find(|event| !(event.writes)(event.codec_in(codec))) {
            None => Ok(()),
            Some(event) => Err(Error::InvalidDeclaration {
                rust_type: event.rust_type(),
                problem: format!(
                    "the store writes in {codec}, which is for messages made with prost; give it a codec of its own, as in `#[event(…, codec = json)]`, or choose another one for the store"
                ),
            }),
        }
    }

    pub(crate) fn has_aggregate(&self, name: &str) -> bool {
        self.aggregates.contains_key(name)
    }

    /// Whether an event of any version is or was written under this name.
    pub(crate) fn has_event(&self, aggregate_type: &str, event_type: &str) -> bool {
        let entry = self.aggregates.get(aggregate_type);
        entry.is_some_and(|entry| entry.events.contains_key(event_type))
    }

    /// Whether `E` can be written and read.
    #[must_use]
    pub fn knows_event<E: Event>(&self) -> bool
    where
        E::Aggregate: Apply<E>,
    {
        self.knows_type(&EventType::of::<E>())
    }

    /// Whether an event of this stored name and version can be written and read.
    #[must_use]
    pub fn knows(&self, aggregate_type: &str, event_type: &str, version: u32) -> bool {
        self.aggregates
            .get(aggregate_type)
            .is_some_and(|entry| entry.find(event_type, version).is_some())
    }

    pub(crate) fn aggregate<T: Aggregate>(&self) -> Result<&AggregateEntry> {
        self.aggregates
            .get(T::NAME)
            .filter(|entry| entry.aggregate.type_id == TypeId::of::<T>())
            .ok_or(Error::Unregistered { rust_type: type_name::<T>() })
    }

    /// Checks that exactly this type was announced.
    pub(crate) fn check(&self, event: &EventType) -> Result<()> {
        if self.knows_type(event) {
            Ok(())
        } else {
            Err(Error::Unregistered { rust_type: event.rust_type() })
        }
    }

    fn knows_type(&self, event: &EventType) -> bool {
        self.aggregates
            .get(event.aggregate.name)
            .and_then(|entry| entry.find(event.name, event.version))
            .is_some_and(|known| known.type_id == event.type_id)
    }
}

impl RegistryBuilder {
    /// Adds an aggregate. An event brings its aggregate along, so this is for one without events.
    pub fn aggregate<T: Aggregate>(mut self) -> Self {
        self.aggregates.push(AggregateType::of::<T>());
        self
    }

    /// Adds an event and its aggregate.
    pub fn event<E: Event>(mut self) -> Self
    where
        E::Aggregate: Apply<E>,
    {
        self.events.push(EventType::of::<E>());
        self
    }

    /// Checks the types against each other.
    ///
    /// # Errors
    /// - [`Error::DuplicateName`] if two types claim one name.
    /// - [`Error::InvalidDeclaration`] if a name or version cannot be stored.
    pub fn build(self) -> Result<Registry> {
        let mut registry = Registry { aggregates: HashMap::new() };
        for aggregate in self.aggregates {
            registry.entry(aggregate)?;
        }
        for event in self.events {
            registry.entry(event.aggregate)?.add(event)?;
        }
        Ok(registry)
    }
}

impl Registry {
    fn entry(&mut self, aggregate: AggregateType) -> Result<&mut AggregateEntry> {
        check_name(aggregate.name, aggregate.rust_type)?;
        match self.aggregates.entry(aggregate.name) {
            Entry::Vacant(vacant) => {
                Ok(vacant.insert(AggregateEntry { aggregate, events: HashMap::new() }))
            }
            Entry::Occupied(occupied) => {
                let known = occupied.into_mut();
                if known.aggregate.type_id == aggregate.type_id {
                    Ok(known)
                } else {
                    Err(duplicate(
                        format!("the aggregate name `{}`", aggregate.name),
                        known.aggregate.rust_type,
                        aggregate.rust_type,
                    ))
                }
            }
        }
    }
}

impl AggregateEntry {
    pub(crate) fn find(&self, name: &str, version: u32) -> Option<&EventType> {
        self.events.get(name)?.iter().find(|event| event.version == version)
    }

    fn add(&mut self, event: EventType) -> Result<()> {
        if event.version == 0 {
            return Err(Error::InvalidDeclaration {
                rust_type: event.rust_type(),
                problem: "versions start at 1".to_owned(),
            });
        }
        for name in std::iter::once(event.name).chain(event.aliases.iter().copied()) {
            check_name(name, event.rust_type)?;
            match self.find(name, event.version) {
                None => self.events.entry(name).or_default().push(event),
                Some(known) if known.type_id == event.type_id => {}
                Some(known) => {
                    return Err(duplicate(
                        format!(
                            "version {} of the event name `{name}` of `{}`",
                            event.version, self.aggregate.name
                        ),
                        known.rust_type,
                        event.rust_type,
                    ));
                }
            }
        }
        Ok(())
    }
}

fn check_name(name: &str, rust_type: fn() -> &'static str) -> Result<()> {
    let problem = if name.is_empty() {
        "its name is empty".to_owned()
    } else if name.len() > MAX_LABEL_BYTES {
        format!("its name is {} bytes long, and {MAX_LABEL_BYTES} is the limit", name.len())
    } else if name.contains('\0') {
        "its name holds a NUL character".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::InvalidDeclaration { rust_type: rust_type(), problem })
}

fn duplicate(what: String, first: fn() -> &'static str, second: fn() -> &'static str) -> Error {
    // Link order is arbitrary; the message is not.
    let mut types = [first().to_owned(), second().to_owned()];
    types.sort();
    let [first, second] = types;
    Error::DuplicateName { what, first, second }
}

impl fmt::Debug for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateType")
            .field("name", &self.name)
            .field("rust_type", &(self.rust_type)())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventType")
            .field("aggregate", &self.aggregate.name)
            .field("name", &self.name)
            .field("version", &self.version)
            .field("rust_type", &self.rust_type())
            .finish_non_exhaustive()
    }
}
