//! A unit of work: the state that it sees and the changes that it makes.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::Reading;
use super::{Aggregate, FACTS, Logged, Model, Refusal};

/// A unit of work on a [`Model`](super::Model).
#[derive(Clone, Debug)]
pub struct Unit<E> {
    /// All aggregates, as they were when the unit opened them or last looked.
    seen: Vec<Aggregate<E>>,
    /// Opened aggregates whose key was later seen at another aggregate.
    passed_on: BTreeSet<usize>,
    /// The aggregates that the unit has opened or created, with its changes. New ones have the indices after the seen
    /// ones.
    staged: BTreeMap<usize, Aggregate<E>>,
    /// The events of the unit, in order.
    events: Vec<Logged<E>>,
    guarded: BTreeSet<usize>,
    /// The log, as it was when the unit began or last looked.
    log: Vec<Logged<E>>,
    /// The reads on which the unit rests.
    readings: Vec<Reading<E>>,
    /// The aggregate of the events that belong to none.
    facts: Option<usize>,
    idempotency_key: Option<String>,
    /// Whether the commit also changes something outside of the model.
    changes_elsewhere: bool,
}

impl<E: Clone> Unit<E> {
    pub(super) const fn on(seen: Vec<Aggregate<E>>, log: Vec<Logged<E>>) -> Self {
        Self {
            seen,
            passed_on: BTreeSet::new(),
            staged: BTreeMap::new(),
            events: Vec::new(),
            guarded: BTreeSet::new(),
            log,
            readings: Vec::new(),
            facts: None,
            idempotency_key: None,
            changes_elsewhere: false,
        }
    }

    /// Reads an aggregate. From then on the unit knows the holder of its key.
    ///
    /// # Panics
    /// If the aggregate did not exist when the unit began or last looked.
    pub fn open(&mut self, aggregate: usize) -> &Aggregate<E> {
        if !self.staged.contains_key(&aggregate) {
            let read = self.seen[aggregate].clone();
            let had_it = self.staged.iter().filter(|(_, former)| former.holds_key_of(&read));
            self.passed_on.extend(had_it.map(|(place, _)| *place));
            self.staged.insert(aggregate, read);
        }
        &self.staged[&aggregate]
    }

    /// Updates all aggregates that the unit has not opened, and the log, to their current state, because a context reads
    /// each aggregate and each boundary separately.
    ///
    /// # Panics
    /// If the unit has created aggregates.
    pub fn look_again(&mut self, model: &Model<E>) {
        assert_eq!(self.created().count(), 0, "it is to read before it writes");
        for (place, now) in model.aggregates().iter().enumerate() {
            if place == self.seen.len() {
                self.seen.push(now.clone());
            } else if !self.staged.contains_key(&place) {
                self.seen[place] = now.clone();
            }
        }
        self.log = model.log().to_vec();
    }

    /// Returns the events that a function selects, in the order of the log; those of the unit come last. The unit is
    /// committed only if no other unit has added an event that the function selects. `name` identifies the read in a
    /// [`Refusal`].
    ///
    /// A unit that changes and guards nothing, and has no idempotency key, is committed in any case.
    pub fn read(
        &mut self,
        name: impl Into<String>,
        selects: impl Fn(&Logged<E>) -> bool + Send + Sync + 'static,
    ) -> Vec<E> {
        let found = self.look(&selects);
        self.readings.push(Reading::new(name.into(), selects, &self.log));
        found
    }

    /// Returns the events that a function selects, as [`read`](Self::read), without resting on them.
    pub fn look(&self, selects: impl Fn(&Logged<E>) -> bool) -> Vec<E> {
        let all = self.log.iter().chain(&self.events);
        all.filter(|logged| selects(logged)).map(|logged| logged.event.clone()).collect()
    }

    /// Adds an event that belongs to no aggregate, only to its tags.
    pub fn emit(&mut self, event: E, tags: impl IntoIterator<Item: Into<String>>) {
        let facts = self.facts.unwrap_or_else(|| {
            let place = self.next_place();
            self.staged.insert(place, Aggregate { kind: FACTS, key: None, events: Vec::new() });
            place
        });
        self.facts = Some(facts);
        self.append_tagged(facts, event, tags);
    }

    /// Creates an aggregate. Returns the index that it will have if this unit commits before any other creates one.
    ///
    /// # Errors
    /// [`Refusal::KeyTaken`] if the unit knows another holder of the key.
    pub fn create(&mut self, kind: &'static str, key: Option<&str>) -> Result<usize, Vec<Refusal>> {
        let place = self.next_place();
        let key = key.map(str::to_owned);
        self.check_claim(place, kind, key.as_deref())?;
        self.staged.insert(place, Aggregate { kind, key, events: Vec::new() });
        Ok(place)
    }

    /// Appends an event to an aggregate.
    pub fn append(&mut self, aggregate: usize, event: E) {
        self.append_tagged(aggregate, event, std::iter::empty::<String>());
    }

    /// Appends an event with tags to an aggregate.
    pub fn append_tagged(
        &mut self,
        aggregate: usize,
        event: E,
        tags: impl IntoIterator<Item: Into<String>>,
    ) {
        let opened = self.open(aggregate);
        let (kind, sequence) = (opened.kind, opened.events.len() + 1);
        self.staged.entry(aggregate).and_modify(|staged| staged.events.push(event.clone()));
        let tags = tags.into_iter().map(Into::into).collect();
        self.events.push(Logged { aggregate, kind, sequence, event, tags });
    }

    /// Changes or removes the key of an aggregate.
    ///
    /// # Errors
    /// [`Refusal::KeyTaken`] if the unit knows another holder of the key.
    pub fn change_key(&mut self, aggregate: usize, key: Option<&str>) -> Result<(), Vec<Refusal>> {
        let staged = self.open(aggregate);
        if staged.key.as_deref() == key {
            return Ok(());
        }
        let kind = staged.kind;
        self.check_claim(aggregate, kind, key)?;
        self.passed_on.remove(&aggregate);
        self.staged.entry(aggregate).and_modify(|staged| staged.key = key.map(str::to_owned));
        Ok(())
    }

    /// Commits only if the aggregate is still in the state that the unit saw.
    pub fn guard(&mut self, aggregate: usize) {
        self.open(aggregate);
        self.guarded.insert(aggregate);
    }

    /// Commits only if no earlier unit has used the same key.
    pub fn idempotency_key(&mut self, key: impl Into<String>) {
        self.idempotency_key = Some(key.into());
    }

    /// Makes the commit rest on what the unit has read even if it writes no event and guards nothing: it changes something
    /// that the model does not have, such as tasks.
    pub const fn changes_elsewhere(&mut self) {
        self.changes_elsewhere = true;
    }

    /// Returns the indices of the aggregates that the unit creates.
    pub fn created(&self) -> impl Iterator<Item = usize> {
        self.staged.keys().copied().filter(|place| *place >= self.seen.len())
    }

    /// Returns the index of the next aggregate that the unit creates.
    fn next_place(&self) -> usize {
        self.seen.len() + self.created().count()
    }

    fn check_claim(
        &self,
        aggregate: usize,
        kind: &str,
        key: Option<&str>,
    ) -> Result<(), Vec<Refusal>> {
        let Some(key) = key else { return Ok(()) };
        let is_holder = |(place, staged): (&usize, &Aggregate<E>)| {
            let has_it = staged.kind == kind && staged.key.as_deref() == Some(key);
            *place != aggregate && has_it && !self.passed_on.contains(place)
        };
        if self.staged.iter().any(is_holder) {
            return Err(vec![Refusal::KeyTaken(key.to_owned())]);
        }
        Ok(())
    }

    /// Returns the idempotency key if it is among the used ones.
    pub(super) fn used(&self, keys: &BTreeSet<String>) -> Option<&str> {
        self.idempotency_key.as_deref().filter(|key| keys.contains(*key))
    }

    /// Returns a refusal for each written or guarded aggregate that has changed since the unit saw it.
    pub(super) fn stale(&self, now: &[Aggregate<E>]) -> Vec<Refusal> {
        let counts = |place: usize| self.guarded.contains(&place) || self.is_changed(place);
        let is_stale = |place: usize| {
            let (seen, now) = (&self.seen[place], &now[place]);
            seen.events.len() != now.events.len() || seen.key != now.key
        };
        let existing = (0..self.seen.len()).filter(|place| self.staged.contains_key(place));
        existing.filter(|&place| counts(place) && is_stale(place)).map(Refusal::Stale).collect()
    }

    /// Returns a refusal for each claimed key whose holder does not give it up in this unit.
    pub(super) fn taken(&self, now: &[Aggregate<E>]) -> Vec<Refusal> {
        let claims = self.staged.iter().filter(|(place, _)| self.changes_key(**place));
        let claims =
            claims.filter_map(|(place, staged)| Some((place, staged, staged.key.clone()?)));
        let is_taken = |(place, staged, key): &(&usize, &Aggregate<E>, String)| {
            now.iter().enumerate().any(|(other, holder)| {
                let is_another = other != **place || **place >= self.seen.len();
                is_another
                    && holder.kind == staged.kind
                    && holder.key.as_ref() == Some(key)
                    && !(other < self.seen.len() && self.changes_key(other))
            })
        };
        claims.filter(is_taken).map(|(_, _, key)| Refusal::KeyTaken(key)).collect()
    }

    /// Returns a refusal for each read that would select other events by now.
    pub(super) fn outdated(&self, log: &[Logged<E>]) -> Vec<Refusal> {
        let is_sent = self.changes_elsewhere
            || self.idempotency_key.is_some()
            || !self.guarded.is_empty()
            || self.created().next().is_some()
            || self.staged.keys().any(|place| self.is_changed(*place));
        let outdated = self.readings.iter().filter(|reading| is_sent && reading.is_outdated(log));
        outdated.map(|reading| Refusal::Outdated(reading.name().to_owned())).collect()
    }

    pub(super) fn land(
        self,
        aggregates: &mut Vec<Aggregate<E>>,
        log: &mut Vec<Logged<E>>,
        idempotency_keys: &mut BTreeSet<String>,
    ) {
        let mut places = BTreeMap::new();
        for (place, staged) in &self.staged {
            let is_new = *place >= self.seen.len();
            places.insert(*place, if is_new { aggregates.len() } else { *place });
            if is_new {
                let (kind, key) = (staged.kind, staged.key.clone());
                aggregates.push(Aggregate { kind, key, events: Vec::new() });
            } else if self.changes_key(*place) {
                aggregates[*place].key.clone_from(&staged.key);
            }
        }
        for logged in self.events {
            let aggregate = places[&logged.aggregate];
            aggregates[aggregate].events.push(logged.event.clone());
            let sequence = aggregates[aggregate].events.len();
            log.push(Logged { aggregate, sequence, ..logged });
        }
        idempotency_keys.extend(self.idempotency_key);
    }

    fn is_changed(&self, place: usize) -> bool {
        self.changes_key(place) || self.events.iter().any(|logged| logged.aggregate == place)
    }

    /// Returns whether the unit changes the key; a new aggregate had none.
    fn changes_key(&self, place: usize) -> bool {
        let before = self.seen.get(place).and_then(|seen| seen.key.as_ref());
        self.staged.get(&place).is_some_and(|staged| staged.key.as_ref() != before)
    }
}
