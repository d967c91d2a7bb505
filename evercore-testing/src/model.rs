//! A reference model of a store, built from vectors and maps so that its behavior is easy to follow.
//!
//! The model has no engine, no encoding and no concurrency. Compare a store, or a program on one, with it.
//! `evercore-conformance` does that for engines, with random commands.
//!
//! Aggregates are identified by their index in the order of their creation, from 0; events by their index in the log,
//! from 0. The events of a unit that belong to no aggregate share one of the type [`FACTS`], as in a store.
//!
//! # Example
//! ```
//! use evercore_testing::model::{Model, Refusal};
//!
//! let mut model = Model::new();
//! let mut unit = model.begin();
//! let ada = unit.create("account", Some("ada"))?;
//! unit.append(ada, 100);
//! model.commit(unit)?;
//!
//! let (mut first, mut second) = (model.begin(), model.begin());
//! first.append(ada, -70);
//! second.append(ada, -80);
//! model.commit(first)?;
//! assert_eq!(model.commit(second), Err(vec![Refusal::Stale(ada)]));
//! assert_eq!(model.events(ada), [100, -70]);
//! # Ok::<_, Vec<Refusal>>(())
//! ```
//!
//! # Example: decisions on tags
//! A unit reads the events that it selects, and is refused if others that it would have selected are committed first.
//! ```
//! use evercore_testing::model::{Model, Refusal};
//!
//! let mut model = Model::new();
//! let (mut first, mut second) = (model.begin(), model.begin());
//! for unit in [&mut first, &mut second] {
//!     assert!(unit.read("seats", |event| event.has("course:algebra")).is_empty());
//! }
//! first.emit("Ada", ["course:algebra", "student:ada"]);
//! second.emit("Bob", ["course:algebra", "student:bob"]);
//! model.commit(first)?;
//! assert_eq!(model.commit(second), Err(vec![Refusal::Outdated("seats".to_owned())]));
//! # Ok::<_, Vec<Refusal>>(())
//! ```

mod following;
mod reading;
mod unit;

use std::collections::{BTreeMap, BTreeSet};

use evercore::Aggregate as _;
use evercore::boundary::Facts;

pub use following::{Following, Parked, Redrive, Subscription};
pub use unit::Unit;

/// The aggregate type of events that belong to no aggregate.
pub const FACTS: &str = Facts::NAME;

/// A model of a store. `E` is any type that represents an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<E> {
    aggregates: Vec<Aggregate<E>>,
    log: Vec<Logged<E>>,
    idempotency_keys: BTreeSet<String>,
    subscriptions: BTreeMap<String, Subscription>,
}

/// An aggregate in a [`Model`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate<E> {
    kind: &'static str,
    key: Option<String>,
    events: Vec<E>,
}

/// An event in the log of a [`Model`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<E> {
    /// The aggregate of the event.
    pub aggregate: usize,
    /// The type of the aggregate.
    pub kind: &'static str,
    /// The sequence of the event within its aggregate, from 1.
    pub sequence: usize,
    /// The event itself.
    pub event: E,
    /// The tags by which the event is found, each as its name, a colon and its value.
    pub tags: BTreeSet<String>,
}

/// A reason why a unit of work is not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The idempotency key was used by an earlier unit.
    IdempotencyKeyUsed(String),
    /// The aggregate has changed since the unit read it.
    Stale(usize),
    /// The natural key belongs to another aggregate of the type.
    KeyTaken(String),
    /// The read of this name would select other events by now.
    Outdated(String),
}

impl<E> Default for Model<E> {
    fn default() -> Self {
        let (aggregates, log) = (Vec::new(), Vec::new());
        Self { aggregates, log, idempotency_keys: BTreeSet::new(), subscriptions: BTreeMap::new() }
    }
}

impl<E: Clone> Model<E> {
    /// Creates an empty model.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a unit of work, which sees the current state of the store.
    #[must_use]
    pub fn begin(&self) -> Unit<E> {
        Unit::on(self.aggregates.clone(), self.log.clone())
    }

    /// Commits a unit of work as a whole or not at all.
    ///
    /// # Errors
    /// All reasons that prevent the commit. If the idempotency key was used, that is the only one.
    pub fn commit(&mut self, unit: Unit<E>) -> Result<(), Vec<Refusal>> {
        if let Some(used) = self.used_key(&unit) {
            return Err(vec![used]);
        }
        let mut refusals = unit.stale(&self.aggregates);
        refusals.extend(unit.taken(&self.aggregates));
        refusals.extend(unit.outdated(&self.log));
        if refusals.is_empty() {
            unit.land(&mut self.aggregates, &mut self.log, &mut self.idempotency_keys);
            return Ok(());
        }
        Err(refusals)
    }

    /// Returns the refusal for a unit of work whose idempotency key was used by an earlier one.
    #[must_use]
    pub fn used_key(&self, unit: &Unit<E>) -> Option<Refusal> {
        let key = unit.used(&self.idempotency_keys)?;
        Some(Refusal::IdempotencyKeyUsed(key.to_owned()))
    }

    /// Returns the aggregates, in the order of their creation.
    #[must_use]
    pub fn aggregates(&self) -> &[Aggregate<E>] {
        &self.aggregates
    }

    /// Returns the events of an aggregate.
    ///
    /// # Panics
    /// If there is no such aggregate.
    #[must_use]
    pub fn events(&self, aggregate: usize) -> &[E] {
        &self.aggregates[aggregate].events
    }

    /// Returns the index of the aggregate of a type that holds a key.
    #[must_use]
    pub fn find(&self, kind: &str, key: &str) -> Option<usize> {
        self.aggregates.iter().position(|it| it.kind == kind && it.key.as_deref() == Some(key))
    }

    /// Returns all events, in the order in which they were committed.
    #[must_use]
    pub fn log(&self) -> &[Logged<E>] {
        &self.log
    }
}

impl<E> Logged<E> {
    /// Returns whether the event has a tag, such as `course:algebra`.
    #[must_use]
    pub fn has(&self, tag: &str) -> bool {
        self.tags.contains(tag)
    }
}

impl<E> Aggregate<E> {
    fn holds_key_of(&self, other: &Self) -> bool {
        self.key.is_some() && self.kind == other.kind && self.key == other.key
    }

    /// Returns the name of its type.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Returns its natural key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns its events.
    #[must_use]
    pub fn events(&self) -> &[E] {
        &self.events
    }
}
