//! Knows the types of a store, and checks them against each other.

use std::any::{TypeId, type_name};
use std::collections::hash_map::Entry;

use foldhash::{HashMap, HashMapExt};

use super::entry::{AggregateEntry, KnownEvent, check_name, duplicate};
use super::types::{AggregateType, EventType, RetiredType};
use crate::{Aggregate, Apply, Codec, Error, Event, RecordedEvent, Result, RetiredEvent, Split};

/// The aggregates and events that a store knows.
///
/// By default, a store knows all types that are linked into the program: the macros announce them through
/// [`inventory`](https://docs.rs/inventory). Build a registry by hand to choose exactly the types that a store reads
/// and writes.
///
/// # In tests
///
/// Types are linked into a program, not into a module. All unit tests of a crate are one program, and so are, from
/// edition 2024 on, most of its doctests: two modules that both declare an `Account` claim one name, and every store
/// that uses the linked types refuses to open with [`Error::DuplicateName`]. Share the types, give one of them another
/// `name`, or build the registry of a store by hand. A doctest gets a program of its own by ````
/// ```standalone_crate ````.
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
    pub(super) aggregates: HashMap<&'static str, AggregateEntry>,
    /// Maps every name that an aggregate type is or was stored under to its key in the map above.
    pub(super) names: HashMap<&'static str, &'static str>,
}

/// Collects the types of a [`Registry`].
#[derive(Debug, Default)]
#[must_use = "there is no registry before `build`"]
pub struct RegistryBuilder {
    aggregates: Vec<AggregateType>,
    events: Vec<EventType>,
    retired: Vec<RetiredType>,
}

inventory::collect!(AggregateType);
inventory::collect!(EventType);
inventory::collect!(RetiredType);

impl Registry {
    /// Makes a registry of all types that are linked into this program.
    ///
    /// # Errors
    /// - [`Error::DuplicateName`] if two types claim one name.
    /// - [`Error::MissingUpcaster`] if a version of an event has no chain of upcasters up to the present one.
    /// - [`Error::InvalidDeclaration`] if a name or version cannot be stored, or upcasters do not fit each other.
    pub fn linked() -> Result<Self> {
        RegistryBuilder {
            aggregates: inventory::iter::<AggregateType>().copied().collect(),
            events: inventory::iter::<EventType>().copied().collect(),
            retired: inventory::iter::<RetiredType>().copied().collect(),
        }
        .build()
    }

    /// Makes a builder of a registry with exactly the types that are added to it.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Returns the aggregate types, in no particular order.
    pub fn aggregates(&self) -> impl Iterator<Item = &AggregateType> {
        self.aggregates.values().map(|entry| &entry.aggregate)
    }

    /// Returns the event types, in no particular order; each once, under the name that it is written under.
    pub fn events(&self) -> impl Iterator<Item = &EventType> {
        self.known().filter_map(|known| match known {
            KnownEvent::Current(event) => Some(event),
            KnownEvent::Retired(_) => None,
        })
    }

    /// Returns the types of retired events, in no particular order; each once.
    pub fn retired_events(&self) -> impl Iterator<Item = &RetiredType> {
        self.known().filter_map(|known| match known {
            KnownEvent::Current(_) => None,
            KnownEvent::Retired(event) => Some(event),
        })
    }

    /// Returns the type of a stored event, if the event is stored in the type's present shape.
    pub(crate) fn type_as_stored(&self, event: &RecordedEvent) -> Option<&EventType> {
        match self.known_event(event)? {
            KnownEvent::Current(known) if known.version() == event.version() => Some(known),
            _ => None,
        }
    }

    /// Checks that every event can be written by a store that writes in `codec`.
    pub(crate) fn check_codec(&self, codec: Codec) -> Result<()> {
        match self.events().find(|event| !event.writes(event.codec_in(codec))) {
            None => Ok(()),
            Some(event) => Err(Error::InvalidDeclaration {
                rust_type: event.rust_type(),
                problem: format!(
                    "the store writes in {codec}, which needs a message made with prost; give the event its own codec, as in `#[event(…, codec = json)]`, or choose another one for the store"
                ),
            }),
        }
    }

    /// Returns whether `E` can be written and read.
    #[must_use]
    pub fn knows_event<E: Event>(&self) -> bool
    where
        E::Aggregate: Apply<E>,
    {
        self.knows_type(&EventType::of::<E>())
    }

    /// Returns whether an event with these stored names and this version can be read.
    #[must_use]
    pub fn knows(&self, aggregate_type: &str, event_type: &str, version: u32) -> bool {
        self.find(aggregate_type, event_type, version).is_some()
    }

    /// Decodes a stored event to those of the events that it stands for which are `E`s: the event itself in its present
    /// shape, or, if it is [retired](RetiredEvent), those of its parts. Empty if it stands for other events only.
    ///
    /// For handlers of batches, and for code that reads the log. A [`Router`](crate::Router) decodes its events by
    /// itself.
    ///
    /// # Errors
    /// - [`Error::UnknownEvent`] if no type reads it.
    /// - [`Error::Decode`] or [`Error::Upcast`] if it cannot be read.
    pub fn decode_all<E: Event>(&self, event: &RecordedEvent) -> Result<Vec<E>> {
        match self.known_event(event) {
            Some(KnownEvent::Current(_)) if event.is::<E>() => Ok(vec![event.decode()?]),
            Some(KnownEvent::Current(_)) => Ok(Vec::new()),
            Some(KnownEvent::Retired(retired)) => {
                let parts = event.parts(retired)?;
                Ok(parts.into_iter().filter_map(|part| part.into_event()).collect())
            }
            None => Err(Error::UnknownEvent(Box::new(event.place()))),
        }
    }

    pub(crate) fn aggregate<T: Aggregate>(&self) -> Result<&AggregateEntry> {
        self.aggregates
            .get(T::NAME)
            .filter(|entry| entry.aggregate.type_id == TypeId::of::<T>())
            .ok_or(Error::Unregistered { rust_type: type_name::<T>() })
    }

    /// Returns the entry of the aggregate type that is stored under this name.
    pub(crate) fn aggregate_stored_as(&self, name: &str) -> Option<&AggregateEntry> {
        self.aggregates.get(self.names.get(name)?)
    }

    /// Returns the type that reads a stored event.
    pub(crate) fn known_event(&self, event: &RecordedEvent) -> Option<&KnownEvent> {
        self.find(event.aggregate_type(), event.event_type(), event.version())
    }

    /// Checks that exactly this type was announced.
    pub(crate) fn check(&self, event: &EventType) -> Result<()> {
        if self.knows_type(event) {
            Ok(())
        } else {
            Err(Error::Unregistered { rust_type: event.rust_type() })
        }
    }

    pub(crate) fn find(
        &self,
        aggregate_type: &str,
        event_type: &str,
        version: u32,
    ) -> Option<&KnownEvent> {
        self.aggregate_stored_as(aggregate_type)?.find(event_type, version)
    }

    fn knows_type(&self, event: &EventType) -> bool {
        self.aggregates
            .get(event.aggregate().name)
            .and_then(|entry| entry.find(event.name(), event.version()))
            .is_some_and(|known| known.is_same_type(event))
    }

    /// Iterates over the events and retired events, each once, under its present name.
    fn known(&self) -> impl Iterator<Item = &KnownEvent> {
        self.aggregates.values().flat_map(|entry| {
            entry.events.iter().flat_map(|(name, known)| {
                known.iter().filter(move |known| known.stored().name == *name)
            })
        })
    }
}

impl RegistryBuilder {
    /// Adds an aggregate. Adding an event adds its aggregate too, so this is only needed for an aggregate without
    /// events.
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

    /// Adds a retired event that is split, and its aggregate.
    pub fn retired<R: Split>(mut self) -> Self {
        self.retired.push(RetiredType::split::<R>());
        self
    }

    /// Adds a retired event that is dropped, and its aggregate.
    pub fn dropped<R: RetiredEvent>(mut self) -> Self {
        self.retired.push(RetiredType::dropped::<R>());
        self
    }

    /// Checks the types against each other and builds the registry.
    ///
    /// # Errors
    /// - [`Error::DuplicateName`] if two types claim one name.
    /// - [`Error::MissingUpcaster`] if a version of an event has no chain of upcasters up to the present one.
    /// - [`Error::InvalidDeclaration`] if a name or version cannot be stored, or upcasters do not fit each other.
    pub fn build(self) -> Result<Registry> {
        let mut registry = Registry { aggregates: HashMap::new(), names: HashMap::new() };
        for aggregate in self.aggregates {
            registry.entry(aggregate)?;
        }
        for event in self.events {
            registry.entry(event.aggregate())?.add(KnownEvent::Current(event))?;
        }
        for event in self.retired {
            registry.entry(event.aggregate())?.add(KnownEvent::Retired(event))?;
        }
        registry.aggregates.values_mut().try_for_each(AggregateEntry::finish)?;
        Ok(registry)
    }
}

impl Registry {
    fn entry(&mut self, aggregate: AggregateType) -> Result<&mut AggregateEntry> {
        for name in aggregate.names() {
            check_name(name, aggregate.rust_type)?;
            let claimed = *self.names.entry(name).or_insert(aggregate.name);
            let claimant = self.aggregates.get(claimed).map(|entry| entry.aggregate);
            if let Some(claimant) = claimant
                && claimant.type_id != aggregate.type_id
            {
                return Err(duplicate(
                    format!("the aggregate name `{name}`"),
                    claimant.rust_type,
                    aggregate.rust_type,
                ));
            }
        }
        Ok(match self.aggregates.entry(aggregate.name) {
            Entry::Vacant(vacant) => vacant.insert(AggregateEntry::new(aggregate)),
            Entry::Occupied(occupied) => occupied.into_mut(),
        })
    }
}
