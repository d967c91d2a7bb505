//! What a context holds until its end.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::Refused;
use crate::chain;
use crate::engine::{
    AggregateWrite, Commit, Idempotency, KeyChange, NewEvent, NewSnapshot, Precondition,
};
use crate::format::link::Link;
use crate::shared::Lane;
use crate::shared::cache::{Cached, Known};
use crate::{AggregateId, CommitId, ConflictReason, Error, Limits, NaturalKey, Result, Sequence};

/// So many aggregates are looked through faster than one is looked up.
const FEW: usize = 8;

/// Everything that a context has read and wants to write.
#[derive(Debug, Default)]
pub(super) struct Staging {
    streams: Vec<Stream>,
    /// Who holds a key, as this context sees it.
    keys: BTreeMap<(&'static str, NaturalKey), AggregateId>,
    events: Vec<NewEvent>,
    /// Where to find what is held, which few contexts need: in a box, so that the futures of others have no room for it.
    index: Option<Box<Index>>,
    /// Of the events.
    bytes: usize,
    snapshot_bytes: usize,
    idempotency: Option<Box<Idempotency>>,
}

#[derive(Debug, Default)]
struct Index {
    /// Where each stream is, if there are more than a few.
    streams: BTreeMap<AggregateId, usize>,
    /// Which events each aggregate has, as far as that was asked for: of so many events.
    events: BTreeMap<AggregateId, Vec<usize>>,
    indexed: usize,
}

/// One aggregate that the context has read or created.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: AggregateId,
    pub(super) aggregate_type: &'static str,
    pub(super) base: Base,
    /// With what is staged.
    pub(super) key: Option<NaturalKey>,
    /// With what is staged.
    pub(super) sequence: Sequence,
    snapshot: Option<NewSnapshot>,
    guarded: bool,
    /// The hash of the last event, with what is staged once [`Staging::chain_events`] was called.
    link: Option<Link>,
    /// With what is staged, if it can be shared.
    pub(super) state: Option<SharedState>,
}

/// The state of a handle, whatever becomes of the handle.
#[derive(Clone, Debug)]
pub(super) struct SharedState {
    pub(super) state: Arc<dyn Any + Send + Sync>,
    pub(super) has_unknown: bool,
}

/// What the decisions of the context are made on.
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

/// How the closure has named an aggregate that it loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedBy {
    Id,
    Key,
}

/// Where an aggregate was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the cache: it may be stale, and is guarded if anything is written.
    Cache,
    Storage,
}

/// What it means that someone else has the key of a new aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnKeyTaken {
    /// The caller asked for a new aggregate: tell them.
    Fail,
    /// The caller would have loaded it: a rerun does.
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

    /// The staged events of an aggregate. All are looked through once, and not for each aggregate.
    pub(super) fn events_of(&mut self, id: AggregateId) -> impl Iterator<Item = &NewEvent> {
        let index = self.index.get_or_insert_default();
        for (place, event) in self.events.iter().enumerate().skip(index.indexed) {
            index.events.entry(event.meta.aggregate_id()).or_default().push(place);
        }
        index.indexed = self.events.len();
        index.events.get(&id).into_iter().flatten().map(|&place| &self.events[place])
    }

    /// Takes in an aggregate that was read or is to be created.
    pub(super) fn enter(
        &mut self,
        limits: &Limits,
        id: AggregateId,
        aggregate_type: &'static str,
        base: Base,
        key: Option<NaturalKey>,
    ) -> Result<()> {
        limits.check_commit(self.streams.len() + 1, self.events.len(), self.bytes)?;
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
        });
        if self.streams.len() > FEW {
            let index = self.index.get_or_insert_default();
            let new = self.streams.iter().enumerate().skip(index.streams.len());
            index.streams.extend(new.map(|(place, stream)| (stream.id, place)));
        }
        Ok(())
    }

    /// Stages an event as the next of its aggregate.
    pub(super) fn push(&mut self, limits: &Limits, event: NewEvent) -> Result<()> {
        self.advance(limits, std::slice::from_ref(&event))?;
        self.events.push(event);
        Ok(())
    }

    /// Stages events as the next ones of their aggregate, all or none.
    pub(super) fn push_all(&mut self, limits: &Limits, mut events: Vec<NewEvent>) -> Result<()> {
        self.advance(limits, &events)?;
        if self.events.is_empty() {
            self.events = events;
        } else {
            self.events.append(&mut events);
        }
        Ok(())
    }

    /// Makes room for events, and has their aggregates stand after them.
    fn advance(&mut self, limits: &Limits, events: &[NewEvent]) -> Result<()> {
        let bytes = self.bytes + events.iter().map(NewEvent::bytes).sum::<usize>();
        limits.check_commit(self.streams.len(), self.events.len() + events.len(), bytes)?;
        self.bytes = bytes;
        for event in events {
            let stream = self.stream_mut(event.meta.aggregate_id());
            debug_assert_eq!(stream.sequence.next(), event.meta.sequence());
            stream.sequence = event.meta.sequence();
            stream.state = None;
        }
        Ok(())
    }

    /// Stages a snapshot in place of the aggregate's former one, if there is room for it.
    pub(super) fn set_snapshot(&mut self, limits: &Limits, snapshot: NewSnapshot) {
        let (id, bytes) = (snapshot.aggregate_id, snapshot.state.len());
        let former = self.stream_mut(id).snapshot.as_ref().map_or(0, |former| former.state.len());
        let others = self.snapshot_bytes - former;
        if limits.has_room(others, bytes) {
            self.snapshot_bytes = others + bytes;
            self.stream_mut(id).snapshot = Some(snapshot);
        } else {
            // Loads replay without it, as they did before.
            warn!(aggregate = self.stream_mut(id).aggregate_type, %id, bytes, "the snapshot is over the limits");
        }
    }

    pub(super) fn guard(&mut self, id: AggregateId) {
        self.stream_mut(id).guarded = true;
    }

    /// Keeps the state that an aggregate has with what is staged.
    pub(super) fn keep_state(&mut self, id: AggregateId, state: SharedState) {
        self.stream_mut(id).state = Some(state);
    }

    /// Lets go of it, so that the handle's is the only one.
    pub(super) fn release_state(&mut self, id: AggregateId) {
        self.stream_mut(id).state = None;
    }

    /// Whether something was read in the cache.
    pub(super) fn has_cached(&self) -> bool {
        self.streams.iter().any(Stream::is_cached)
    }

    /// Gives every event its hash, and every snapshot that of its last event. To be done once, when all is staged.
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

    /// What there will be to know once it has landed.
    pub(super) fn known(&self) -> Vec<Known> {
        self.streams.iter().map(Stream::known).collect()
    }

    pub(super) fn events(&self) -> &[NewEvent] {
        &self.events
    }

    pub(super) fn set_idempotency(&mut self, idempotency: Idempotency) -> Result<()> {
        if let Some(former) = self.idempotency.as_ref().filter(|own| own.key != idempotency.key) {
            return Err(Error::InvalidIdempotencyKey {
                key: idempotency.key.to_string(),
                problem: format!("the context lands under `{}` already", former.key),
            });
        }
        self.idempotency = Some(Box::new(idempotency));
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

    /// Takes note of who has a key in the storage. If another one had it when that was read, it is the later one that
    /// counts; one that this context has given it to keeps it.
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

    /// What is to be sent, and how to read its refusal. Without writes if the context changes and guards nothing;
    /// otherwise, what was read in the cache is guarded as well.
    pub(super) fn into_commit(mut self, recorded_at: DateTime<Utc>) -> (Commit, Refusal) {
        let mut writes = Vec::new();
        let mut snapshots = Vec::new();
        let is_sent = self.idempotency.is_some() || self.streams.iter().any(Stream::is_wanted);
        for stream in &mut self.streams {
            stream.state = None;
            if !(stream.is_wanted() || is_sent && stream.is_cached()) {
                continue;
            }
            writes.push(stream.write());
            snapshots.extend(stream.snapshot.take());
        }
        let id = CommitId::generate();
        let (events, idempotency) = (self.events, self.idempotency.map(|own| *own));
        let refusal = Refusal { streams: self.streams };
        (Commit { id, recorded_at, writes, events, snapshots, idempotency }, refusal)
    }
}

impl Stream {
    /// Whether it was more than read.
    fn is_wanted(&self) -> bool {
        let is_changed = match &self.base {
            Base::Created { .. } => true,
            Base::Loaded { sequence, key, .. } => self.sequence != *sequence || self.key != *key,
        };
        is_changed || self.guarded
    }

    /// Whether its key is the one that it was read with.
    fn has_stored_key(&self) -> bool {
        matches!(&self.base, Base::Loaded { key, .. } if *key == self.key)
    }

    /// Where those queue who want to write to it.
    fn lane(&self) -> Lane {
        let asked_for = match &self.base {
            Base::Created { .. } => self.key.as_ref(),
            Base::Loaded { key, asked_by: AskedBy::Key, .. } => key.as_ref(),
            Base::Loaded { asked_by: AskedBy::Id, .. } => None,
        };
        asked_for.map_or(Lane::Id(self.id), |key| Lane::Key(self.aggregate_type, key.clone()))
    }

    /// Whether it was to be created with this key, and would be loaded if another had it.
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

/// How to read an engine's refusal of a commit.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    streams: Vec<Stream>,
}

impl Refusal {
    /// Turns "the key is taken" into a conflict where a rerun would load the aggregate that took it, and says where a
    /// rerun after a conflict waits for its turn.
    pub(super) fn explain(&self, error: Error) -> Refused {
        match &error {
            Error::KeyTaken { aggregate, key } => {
                let created = self.streams.iter().find(|own| own.would_be_loaded(aggregate, key));
                let Some(created) = created else { return Refused { error, lane: None } };
                let error = Error::Conflict {
                    aggregate: aggregate.clone(),
                    id: created.id,
                    reason: ConflictReason::Created,
                };
                Refused { error, lane: Some(Box::new(created.lane())) }
            }
            Error::Conflict { id, .. } => {
                let lane = self.streams.iter().find(|own| own.id == *id);
                let lane = lane.map(|own| Box::new(own.lane()));
                Refused { error, lane }
            }
            _ => Refused { error, lane: None },
        }
    }
}

pub(super) fn key_taken(aggregate_type: &str, key: &NaturalKey) -> Error {
    Error::KeyTaken { aggregate: aggregate_type.to_owned(), key: key.to_string() }
}
