//! Holds everything that a context has read and staged, until it becomes a commit.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::Refused;
use super::values::Unique;
use crate::chain;
use crate::context::task_changes::TaskChanges;
use crate::engine::{
    AggregateWrite, CommandOutcome, Commit, Completion, Condition, Idempotency, KeyChange,
    NewEvent, NewSnapshot, Precondition, TagQuery, TaskChange,
};
use crate::format::link::Link;
use crate::shared::TurnKey;
use crate::shared::cache::{Cached, Known};
use crate::{
    AggregateId, CommitId, ConflictReason, Error, Limits, NaturalKey, Result, Sequence, Tag,
};

/// Up to this many aggregates, a linear search is faster than the index.
const FEW: usize = 8;

/// Everything that a context has read and wants to write.
#[derive(Debug, Default)]
pub(super) struct Staging {
    streams: Vec<Stream>,
    /// The holder of each key, as this context sees it.
    keys: BTreeMap<(&'static str, NaturalKey), AggregateId>,
    events: Vec<NewEvent>,
    /// Indexes of streams and events, which few contexts need. Boxed, to keep them out of the size of the futures.
    index: Option<Box<Index>>,
    /// The total size of the events.
    bytes: usize,
    snapshot_bytes: usize,
    /// Parts of the commit that few contexts have. Boxed, to keep them out of the size of the futures.
    rare: Option<Box<Rare>>,
}

#[derive(Debug, Default)]
struct Rare {
    idempotency: Option<Idempotency>,
    conditions: Vec<Condition>,
    tasks: TaskChanges,
    completes: Vec<Completion>,
    outcomes: Vec<CommandOutcome>,
}

#[derive(Debug, Default)]
struct Index {
    /// The place of each stream in the list, if there are more than [`FEW`].
    streams: BTreeMap<AggregateId, usize>,
    /// The places of each aggregate's events, as far as they are indexed: the first `indexed` events.
    events: BTreeMap<AggregateId, Vec<usize>>,
    indexed: usize,
}

/// One aggregate that the context has read or created.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: AggregateId,
    pub(super) aggregate_type: &'static str,
    pub(super) base: Base,
    /// Includes staged changes.
    pub(super) key: Option<NaturalKey>,
    /// Includes staged changes.
    pub(super) sequence: Sequence,
    snapshot: Option<NewSnapshot>,
    guarded: bool,
    /// The hash of the last event; includes staged events once [`Staging::chain_events`] was called.
    link: Option<Link>,
    /// The state with the staged events, if it can be shared.
    pub(super) state: Option<SharedState>,
    /// The unique values, if its type has any. Boxed, since few types do.
    unique: Option<Box<Unique>>,
}

/// The state of a handle, which outlives the handle.
#[derive(Clone, Debug)]
pub(super) struct SharedState {
    pub(super) state: Arc<dyn Any + Send + Sync>,
    pub(super) has_unknown: bool,
}

/// The version of an aggregate that the context's decisions are based on.
#[derive(Clone, Debug)]
pub(super) enum Base {
    Created {
        on_key_taken: OnKeyTaken,
    },
    Loaded {
        sequence: Sequence,
        key: Option<NaturalKey>,
        link: Option<Link>,
        origin: Origin,
        asked_by: AskedBy,
    },
}

/// Whether the closure loaded an aggregate by id or by key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedBy {
    Id,
    Key,
}

/// Where an aggregate was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the cache: it may be stale, and is guarded if anything is written.
    Cache,
    Storage,
}

/// The consequence if another aggregate already holds the key of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnKeyTaken {
    /// The caller asked for a new aggregate: return the error.
    Fail,
    /// The caller would have loaded the other aggregate: report a conflict, so that a rerun loads it.
    Conflict,
}

impl Staging {
    pub(super) fn stream(&self, id: AggregateId) -> Option<&Stream> {
        self.index(id).map(|index| &self.streams[index])
    }

    fn stream_mut(&mut self, id: AggregateId) -> &mut Stream {
        let index = self.index(id).expect("BUG: only known aggregates are changed");
        &mut self.streams[index]
    }

    fn index(&self, id: AggregateId) -> Option<usize> {
        if self.streams.len() <= FEW {
            self.streams.iter().position(|stream| stream.id == id)
        } else {
            self.index.as_ref()?.streams.get(&id).copied()
        }
    }

    pub(super) fn holder(
        &self,
        aggregate_type: &'static str,
        key: &NaturalKey,
    ) -> Option<AggregateId> {
        self.keys.get(&(aggregate_type, key.clone())).copied()
    }

    /// Returns the staged events of an aggregate. Each event is indexed once, however many aggregates are asked for.
    pub(super) fn events_of(&mut self, id: AggregateId) -> impl Iterator<Item = &NewEvent> {
        let index = self.index.get_or_insert_default();
        for (place, event) in self.events.iter().enumerate().skip(index.indexed) {
            index.events.entry(event.meta.aggregate_id()).or_default().push(place);
        }
        index.indexed = self.events.len();
        index.events.get(&id).into_iter().flatten().map(|&place| &self.events[place])
    }

    /// Adds an aggregate that was read or is to be created.
    pub(super) fn enter(
        &mut self,
        limits: &Limits,
        id: AggregateId,
        aggregate_type: &'static str,
        base: Base,
        key: Option<NaturalKey>,
    ) -> Result<()> {
        self.check_places(limits, 1, self.events.len(), self.bytes)?;
        match (&key, &base) {
            (Some(key), Base::Created { .. }) => self.claim(id, aggregate_type, key)?,
            (Some(key), Base::Loaded { .. }) => self.note_holder(id, aggregate_type, key),
            (None, _) => {}
        }
        let (sequence, link) = match &base {
            Base::Created { .. } => (Sequence::ZERO, None),
            Base::Loaded { sequence, link, .. } => (*sequence, *link),
        };
        self.streams.push(Stream {
            id,
            aggregate_type,
            base,
            key,
            sequence,
            snapshot: None,
            guarded: false,
            link,
            state: None,
            unique: None,
        });
        if self.streams.len() > FEW {
            let index = self.index.get_or_insert_default();
            let new = self.streams.iter().enumerate().skip(index.streams.len());
            index.streams.extend(new.map(|(place, stream)| (stream.id, place)));
        }
        Ok(())
    }

    /// Stages an event as the next one of its aggregate.
    pub(super) fn push(&mut self, limits: &Limits, event: NewEvent) -> Result<()> {
        self.advance(limits, std::slice::from_ref(&event))?;
        self.events.push(event);
        Ok(())
    }

    /// Stages events as the next ones of their aggregates, all or none.
    pub(super) fn push_all(&mut self, limits: &Limits, mut events: Vec<NewEvent>) -> Result<()> {
        self.advance(limits, &events)?;
        if self.events.is_empty() {
            self.events = events;
        } else {
            self.events.append(&mut events);
        }
        Ok(())
    }

    /// Checks the limits for more events, and moves their aggregates' sequences past them.
    fn advance(&mut self, limits: &Limits, events: &[NewEvent]) -> Result<()> {
        let bytes = self.bytes + events.iter().map(NewEvent::bytes).sum::<usize>();
        self.check_places(limits, 0, self.events.len() + events.len(), bytes)?;
        self.bytes = bytes;
        for event in events {
            let stream = self.stream_mut(event.meta.aggregate_id());
            debug_assert_eq!(stream.sequence.next(), event.meta.sequence());
            stream.sequence = event.meta.sequence();
            stream.state = None;
        }
        Ok(())
    }

    /// Makes the commit depend on a condition.
    pub(super) fn rest_on(&mut self, limits: &Limits, condition: Condition) -> Result<()> {
        self.check_places(limits, 1, self.events.len(), self.bytes)?;
        self.rare.get_or_insert_default().conditions.push(condition);
        Ok(())
    }

    /// Stages a change of a queue. It counts as an event.
    pub(super) fn change_tasks(&mut self, limits: &Limits, change: TaskChange) -> Result<()> {
        let bytes = self.bytes + change.bytes();
        self.check_places(limits, 0, self.events.len() + 1, bytes)?;
        self.rare.get_or_insert_default().tasks.push(change)?;
        self.bytes = bytes;
        Ok(())
    }

    /// Makes the commit complete work.
    pub(super) fn complete(&mut self, completion: Completion) {
        self.rare.get_or_insert_default().completes.push(completion);
    }

    /// Makes the commit record the outcome of a command.
    pub(super) fn record(&mut self, outcome: CommandOutcome) {
        self.rare.get_or_insert_default().outcomes.push(outcome);
    }

    /// Checks the limits for more aggregates or boundaries.
    fn check_places(
        &self,
        limits: &Limits,
        more: usize,
        events: usize,
        bytes: usize,
    ) -> Result<()> {
        let (conditions, tasks) =
            self.rare.as_ref().map_or((0, 0), |rare| (rare.conditions.len(), rare.tasks.len()));
        limits.check_commit(self.streams.len() + conditions + more, events + tasks, bytes)
    }

    /// Returns the stored name of the type of a staged event's aggregate.
    pub(super) fn aggregate_type_of(&self, event: &NewEvent) -> &'static str {
        let stream = self.stream(event.meta.aggregate_id());
        stream.expect("BUG: events are staged for known aggregates").aggregate_type
    }

    /// Checks that there is room for events of an aggregate that is not entered yet.
    pub(super) fn check_room(&self, limits: &Limits, events: &[NewEvent]) -> Result<()> {
        let bytes = self.bytes + events.iter().map(NewEvent::bytes).sum::<usize>();
        self.check_places(limits, 1, self.events.len() + events.len(), bytes)
    }

    /// Gives the events that belong to no aggregate their aggregate.
    pub(super) fn place_facts(&mut self, id: AggregateId) {
        self.stream_mut(AggregateId::UNPLACED).id = id;
        for event in &mut self.events {
            if event.meta.aggregate_id() == AggregateId::UNPLACED {
                event.meta.aggregate_id = id;
            }
        }
        if let Some(index) = &mut self.index {
            if let Some(place) = index.streams.remove(&AggregateId::UNPLACED) {
                index.streams.insert(id, place);
            }
            if let Some(places) = index.events.remove(&AggregateId::UNPLACED) {
                index.events.insert(id, places);
            }
        }
    }

    /// Stages a snapshot in place of the aggregate's former one, if the limits have room for it.
    pub(super) fn set_snapshot(&mut self, limits: &Limits, snapshot: NewSnapshot) {
        let (id, bytes) = (snapshot.aggregate_id, snapshot.state.len());
        let former = self.stream_mut(id).snapshot.as_ref().map_or(0, |former| former.state.len());
        let others = self.snapshot_bytes - former;
        if limits.has_room(others, bytes) {
            self.snapshot_bytes = others + bytes;
            self.stream_mut(id).snapshot = Some(snapshot);
        } else {
            // Loads replay without the snapshot, as they did before.
            warn!(aggregate = self.stream_mut(id).aggregate_type, %id, bytes, "the snapshot exceeds the limits and is not stored");
        }
    }

    pub(super) fn guard(&mut self, id: AggregateId) {
        self.stream_mut(id).guarded = true;
    }

    /// Keeps the state of an aggregate with its staged events.
    pub(super) fn keep_state(&mut self, id: AggregateId, state: SharedState) {
        self.stream_mut(id).state = Some(state);
    }

    /// Drops the shared state, so that the handle is its only owner.
    pub(super) fn release_state(&mut self, id: AggregateId) {
        self.stream_mut(id).state = None;
    }

    /// Sets the unique values of an aggregate that has been entered.
    pub(super) fn begin_values(&mut self, id: AggregateId, unique: Unique) {
        self.stream_mut(id).unique = Some(Box::new(unique));
    }

    /// Returns the unique values of an aggregate whose type has any.
    pub(super) fn unique_mut(&mut self, id: AggregateId) -> &mut Unique {
        let unique = self.stream_mut(id).unique.as_mut();
        unique.expect("BUG: the values of an aggregate are noted when it is entered")
    }

    /// Returns the aggregate that has a unique value, as this context sees it.
    pub(super) fn holder_of_value(
        &self,
        aggregate_type: &'static str,
        value: &Tag,
    ) -> Option<AggregateId> {
        let streams = self.streams.iter().filter(|stream| stream.aggregate_type == aggregate_type);
        let has = |stream: &&Stream| stream.unique.as_ref().is_some_and(|own| own.has(value));
        streams.filter(has).map(|stream| stream.id).next()
    }

    /// Returns whether anything was read from the cache.
    pub(super) fn has_cached(&self) -> bool {
        self.streams.iter().any(Stream::is_cached)
    }

    /// Adds its hash to every event, and to every snapshot the hash of its last event. Called once, when everything is
    /// staged.
    pub(super) fn chain_events(&mut self) {
        for mut event in std::mem::take(&mut self.events) {
            let stream = self.stream_mut(event.meta.aggregate_id());
            let link = Link::of_new(stream.link, stream.aggregate_type, &event);
            event.payload.add_link(link);
            stream.link = Some(link);
            if let Some(snapshot) = &mut stream.snapshot
                && snapshot.sequence == event.meta.sequence()
            {
                chain::add_to_snapshot(snapshot, link);
            }
            self.events.push(event);
        }
    }

    /// Returns the cache entries to store if the commit succeeds.
    pub(super) fn known(&self) -> Vec<Known> {
        self.streams.iter().map(Stream::known).collect()
    }

    pub(super) fn events(&self) -> &[NewEvent] {
        &self.events
    }

    pub(super) fn set_idempotency(&mut self, idempotency: Idempotency) -> Result<()> {
        let own = &mut self.rare.get_or_insert_default().idempotency;
        if let Some(former) = own.as_ref().filter(|own| own.key != idempotency.key) {
            return Err(Error::InvalidIdempotencyKey {
                key: idempotency.key.to_string(),
                problem: format!("the context already commits under the key `{}`", former.key),
            });
        }
        *own = Some(idempotency);
        Ok(())
    }

    pub(super) fn set_key(&mut self, id: AggregateId, key: Option<NaturalKey>) -> Result<()> {
        let stream = self.stream_mut(id);
        if stream.key == key {
            return Ok(());
        }
        let aggregate_type = stream.aggregate_type;
        if let Some(key) = &key {
            self.claim(id, aggregate_type, key)?;
        }
        if let Some(old) = std::mem::replace(&mut self.stream_mut(id).key, key) {
            let old = (aggregate_type, old);
            if self.keys.get(&old) == Some(&id) {
                self.keys.remove(&old);
            }
        }
        Ok(())
    }

    /// Records the holder of a key that was read from storage. If another aggregate was read as its holder earlier, the
    /// later read counts; an aggregate that this context has given the key to keeps it.
    fn note_holder(&mut self, id: AggregateId, aggregate_type: &'static str, key: &NaturalKey) {
        let holder = *self.keys.entry((aggregate_type, key.clone())).or_insert(id);
        if holder != id && self.stream(holder).is_some_and(Stream::has_stored_key) {
            self.keys.insert((aggregate_type, key.clone()), id);
        }
    }

    fn claim(
        &mut self,
        id: AggregateId,
        aggregate_type: &'static str,
        key: &NaturalKey,
    ) -> Result<()> {
        match self.keys.insert((aggregate_type, key.clone()), id) {
            None => Ok(()),
            Some(holder) => {
                self.keys.insert((aggregate_type, key.clone()), holder);
                Err(key_taken(aggregate_type, key))
            }
        }
    }

    /// Returns the commit, and how to interpret its refusal. The commit has no writes if the context changes and guards
    /// nothing and has no idempotency key; otherwise, aggregates that were read from the cache are guarded as well.
    /// `writes_rows` says that rows of user code are committed in any case, so that what was read of boundaries counts.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a state has a unique value that cannot be stored.
    pub(super) fn into_commit(
        mut self,
        recorded_at: DateTime<Utc>,
        writes_rows: bool,
    ) -> Result<(Commit, Refusal)> {
        let mut writes = Vec::new();
        let mut snapshots = Vec::new();
        let mut unique = Vec::new();
        let Rare { idempotency, conditions, tasks, completes, outcomes } =
            self.rare.take().map(|rare| *rare).unwrap_or_default();
        let is_sent = idempotency.is_some()
            || !tasks.is_empty()
            || !completes.is_empty()
            || !outcomes.is_empty()
            || self.streams.iter().any(Stream::is_wanted)
            || writes_rows && !conditions.is_empty();
        for stream in &mut self.streams {
            stream.state = None;
            if !(stream.is_wanted() || is_sent && stream.is_cached()) {
                continue;
            }
            writes.push(stream.write());
            snapshots.extend(stream.snapshot.take());
            if let Some(values) = stream.unique.take() {
                unique.append(&mut values.changes(stream.id, stream.aggregate_type)?);
            }
        }
        let id = CommitId::generate();
        let events = self.events;
        let conditions = if is_sent { conditions } else { Vec::new() };
        let boundaries =
            (!conditions.is_empty()).then(|| Box::new(ReadBoundaries::of(&conditions)));
        let refusal = Refusal { streams: self.streams, boundaries };
        let commit = Commit {
            id,
            recorded_at,
            writes,
            events,
            snapshots,
            idempotency,
            unique,
            conditions,
            tasks: tasks.into_vec(),
            declared: None,
            completes,
            outcomes,
        };
        Ok((commit, refusal))
    }
}

impl Stream {
    /// Returns whether the aggregate is created, changed or guarded, and not only read.
    fn is_wanted(&self) -> bool {
        let is_changed = match &self.base {
            Base::Created { .. } => true,
            Base::Loaded { sequence, key, .. } => self.sequence != *sequence || self.key != *key,
        };
        is_changed || self.guarded
    }

    /// Returns whether its key is the one that it was read with.
    fn has_stored_key(&self) -> bool {
        matches!(&self.base, Base::Loaded { key, .. } if *key == self.key)
    }

    /// Returns the queue of those that want to write to this aggregate.
    fn turn_key(&self) -> TurnKey {
        let asked_for = match &self.base {
            Base::Created { .. } => self.key.as_ref(),
            Base::Loaded { key, asked_by: AskedBy::Key, .. } => key.as_ref(),
            Base::Loaded { asked_by: AskedBy::Id, .. } => None,
        };
        asked_for.map_or(TurnKey::Id(self.id), |key| TurnKey::Key(self.aggregate_type, key.clone()))
    }

    /// Returns whether this is a new aggregate with the given key, and a rerun would load the one that holds it.
    fn would_be_loaded(&self, aggregate_type: &str, key: &str) -> bool {
        matches!(self.base, Base::Created { on_key_taken: OnKeyTaken::Conflict })
            && self.aggregate_type == aggregate_type
            && self.key.as_ref().is_some_and(|own| own.as_str() == key)
    }

    fn is_cached(&self) -> bool {
        matches!(self.base, Base::Loaded { origin: Origin::Cache, .. })
    }

    fn write(&self) -> AggregateWrite {
        let (precondition, old_key) = match &self.base {
            Base::Created { .. } => (Precondition::New, &None),
            Base::Loaded { sequence, key, .. } => {
                (Precondition::Unchanged { sequence: *sequence, key: key.clone() }, key)
            }
        };
        let key = match &self.key {
            key if key == old_key => KeyChange::Keep,
            Some(key) => KeyChange::Set(key.clone()),
            None => KeyChange::Clear,
        };
        AggregateWrite { id: self.id, aggregate_type: self.aggregate_type, precondition, key }
    }

    fn known(&self) -> Known {
        let cached = self.state.clone().map(|SharedState { state, has_unknown }| Cached {
            sequence: self.sequence,
            key: self.key.clone(),
            state,
            has_unknown,
            link: self.link,
        });
        Known { id: self.id, aggregate_type: self.aggregate_type, cached }
    }
}

/// Interprets an engine's refusal of a commit.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    streams: Vec<Stream>,
    boundaries: Option<Box<ReadBoundaries>>,
}

/// The boundaries that a commit rests on, with their names.
#[derive(Debug)]
struct ReadBoundaries(Vec<(&'static str, Arc<TagQuery>)>);

impl ReadBoundaries {
    fn of(conditions: &[Condition]) -> Self {
        Self(conditions.iter().map(|own| (own.boundary, Arc::clone(&own.query))).collect())
    }

    /// Returns the queue of those that decide on the boundary with these tags.
    fn turn_key(&self, boundary: &str, tags: &str) -> Option<TurnKey> {
        let mut named = self.0.iter().filter(|(name, _)| *name == boundary);
        let (name, query) = named.clone().find(|(_, query)| query.tags() == tags)?;
        let has_others = named.any(|(_, other)| !Arc::ptr_eq(other, query) && other != query);
        Some(TurnKey::boundary(name, query, has_others))
    }
}

impl Refusal {
    /// Turns [`Error::KeyTaken`] into a conflict where a rerun would load the aggregate that holds the key, and returns
    /// the queue in which a rerun after a conflict waits for its turn.
    pub(super) fn explain(&self, error: Error) -> Refused {
        match &error {
            Error::KeyTaken { aggregate, key } => {
                let created = self.streams.iter().find(|own| own.would_be_loaded(aggregate, key));
                let Some(created) = created else { return Refused { error, turn_key: None } };
                let error = Error::Conflict {
                    aggregate: aggregate.clone(),
                    id: created.id,
                    reason: ConflictReason::Created,
                };
                Refused { error, turn_key: Some(Box::new(created.turn_key())) }
            }
            Error::Conflict { id, .. } => {
                let turn_key = self.streams.iter().find(|own| own.id == *id);
                let turn_key = turn_key.map(|own| Box::new(own.turn_key()));
                Refused { error, turn_key }
            }
            Error::BoundaryConflict { boundary, tags } => {
                let turn_key =
                    self.boundaries.as_ref().and_then(|read| read.turn_key(boundary, tags));
                Refused { error, turn_key: turn_key.map(Box::new) }
            }
            _ => Refused { error, turn_key: None },
        }
    }
}

pub(super) fn key_taken(aggregate_type: &str, key: &NaturalKey) -> Error {
    Error::KeyTaken { aggregate: aggregate_type.to_owned(), key: key.to_string() }
}
