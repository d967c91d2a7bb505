//! A store in a few vectors and maps: what a store does, written so that it is plain to see.
//!
//! It knows no engine, no encoding and no concurrency. Use it as the reference that a store, or a program on one, is
//! compared with; [`Explorer`](crate::Explorer) does that with random commands for engines.
//!
//! Aggregates are known by their place in the order of their creation, from 0; events by their place in the log, from 0.
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

mod following;
mod unit;

use std::collections::{BTreeMap, BTreeSet};

pub use following::{Following, Parked, Redrive, Subscription};
pub use unit::Unit;

/// A store. `E` is whatever stands for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model<E> {
    aggregates: Vec<Aggregate<E>>,
    log: Vec<Logged<E>>,
    idempotency_keys: BTreeSet<String>,
    subscriptions: BTreeMap<String, Subscription>,
}

/// An aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate<E> {
    kind: &'static str,
    key: Option<String>,
    events: Vec<E>,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged<E> {
    /// Its aggregate.
    pub aggregate: usize,
    /// Its number within the aggregate, from 1.
    pub sequence: usize,
    /// What it is.
    pub event: E,
}

/// Why a unit of work does not land.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another one has landed with the idempotency key.
    IdempotencyKeyUsed(String),
    /// The aggregate is not as the unit has seen it.
    Stale(usize),
    /// The key belongs to another aggregate of the type.
    KeyTaken(String),
}

impl<E> Default for Model<E> {
    fn default() -> Self {
        let (aggregates, log) = (Vec::new(), Vec::new());
        Self { aggregates, log, idempotency_keys: BTreeSet::new(), subscriptions: BTreeMap::new() }
    }
}

impl<E: Clone> Model<E> {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a unit of work. It sees the store as it is now.
    #[must_use]
    pub fn begin(&self) -> Unit<E> {
        Unit::on(self.aggregates.clone())
    }

    /// Lands a unit of work, as a whole or not at all.
    ///
    /// # Errors
    /// All that stands in its way; an idempotency key that was used speaks before all else.
    pub fn commit(&mut self, unit: Unit<E>) -> Result<(), Vec<Refusal>> {
        if let Some(used) = self.used_key(&unit) {
            return Err(vec![used]);
        }
        let mut refusals = unit.stale(&self.aggregates);
        refusals.extend(unit.taken(&self.aggregates));
        if refusals.is_empty() {
            unit.land(&mut self.aggregates, &mut self.log, &mut self.idempotency_keys);
            return Ok(());
        }
        Err(refusals)
    }

    /// The refusal of a unit of work whose idempotency key another one has landed with.
    #[must_use]
    pub fn used_key(&self, unit: &Unit<E>) -> Option<Refusal> {
        let key = unit.used(&self.idempotency_keys)?;
        Some(Refusal::IdempotencyKeyUsed(key.to_owned()))
    }

    /// The aggregates, in the order of their creation.
    #[must_use]
    pub fn aggregates(&self) -> &[Aggregate<E>] {
        &self.aggregates
    }

    /// The events of an aggregate.
    ///
    /// # Panics
    /// If there is no such aggregate.
    #[must_use]
    pub fn events(&self, aggregate: usize) -> &[E] {
        &self.aggregates[aggregate].events
    }

    /// The aggregate of a type that holds a key.
    #[must_use]
    pub fn find(&self, kind: &str, key: &str) -> Option<usize> {
        self.aggregates.iter().position(|it| it.kind == kind && it.key.as_deref() == Some(key))
    }

    /// All events, in the order in which they landed.
    #[must_use]
    pub fn log(&self) -> &[Logged<E>] {
        &self.log
    }
}

impl<E> Aggregate<E> {
    fn holds_key_of(&self, other: &Self) -> bool {
        self.key.is_some() && self.kind == other.kind && self.key == other.key
    }

    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Its events.
    #[must_use]
    pub fn events(&self) -> &[E] {
        &self.events
    }
}
