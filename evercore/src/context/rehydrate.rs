//! Rebuilds a state from a snapshot and stored events.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use crate::chain::split_snapshot;
use crate::clock::to_stored_precision;
use crate::engine::{
    HistoryRequest, LoadRequest, LoadTarget, LoadedAggregate, Reader, StoredSnapshot,
};
use crate::format::link::Link;
use crate::registry::AggregateEntry;
use crate::shared::Shared;
use crate::{
    Aggregate, AggregateId, Error, NaturalKey, RecordedEvent, Registry, Result, Sequence,
    SnapshotPolicy, UnknownEvents,
};

/// The point up to which an aggregate is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// Up to the event with this sequence, or the last event if there are fewer.
    Sequence(Sequence),
    /// Up to, but excluding, the first event whose event time is later.
    Time(DateTime<Utc>),
}

/// A rebuilt state, with the last sequence that it contains.
#[derive(Debug)]
pub(crate) struct Rehydrated<T> {
    pub(crate) id: AggregateId,
    pub(crate) key: Option<NaturalKey>,
    pub(crate) sequence: Sequence,
    pub(crate) state: T,
    /// Whether the aggregate has events that the program does not know.
    pub(crate) has_unknown: bool,
    /// The hash of the last event.
    pub(crate) link: Option<Link>,
}

/// Loads an aggregate that is stored under this name of its type. `None` if there is none.
pub(crate) async fn rehydrate<T: Aggregate>(
    reader: &dyn Reader,
    store: &Shared,
    aggregate_type: &'static str,
    target: LoadTarget,
    as_of: Option<AsOf>,
) -> Result<Option<Rehydrated<T>>> {
    let limit = store.limits.page_events;
    // A snapshot may contain events that are later than the requested time.
    let policy = || T::SNAPSHOTS.filter(|_| until(as_of).is_none());
    let mut replay = Replay::new(store.registry.aggregate::<T>()?);
    let snapshot = policy().map(|policy| replay.entry.fingerprint(policy.fingerprint()));
    let request = LoadRequest { aggregate_type, target, snapshot, up_to: up_to(as_of), limit };
    let Some(mut loaded) = checked::<T>(store.load(reader, request).await?, aggregate_type)? else {
        return Ok(None);
    };

    let is_unusable = match (policy(), loaded.snapshot.take()) {
        (Some(policy), Some(snapshot)) => !replay.starts_at(&policy, &snapshot),
        _ => false,
    };
    if is_unusable {
        let (target, snapshot) = (LoadTarget::Id(loaded.id), None);
        let request = LoadRequest { aggregate_type, target, snapshot, up_to: up_to(as_of), limit };
        loaded =
            checked::<T>(store.load(reader, request).await?, aggregate_type)?.ok_or_else(|| {
                Error::corrupt("aggregate", "its row has disappeared between two reads")
            })?;
    }

    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    while replay.all(&loaded.events, until(as_of))?.is_continue() && loaded.events.len() >= page {
        let (id, after) = (loaded.id, replay.sequence);
        let request = HistoryRequest { id, after, up_to: up_to(as_of), limit };
        loaded.events = reader.read_history(request).await?;
    }
    // The snapshot was taken before events were chained, so the hash is read from the event itself.
    if store.writing.chained && replay.link.is_none() && loaded.events.is_empty() {
        replay.link = Box::pin(link_at(reader, loaded.id, replay.sequence)).await?;
    }
    Ok(Some(replay.into_rehydrated(loaded.id, loaded.key)))
}

fn up_to(as_of: Option<AsOf>) -> Option<Sequence> {
    match as_of {
        Some(AsOf::Sequence(sequence)) => Some(sequence),
        _ => None,
    }
}

fn until(as_of: Option<AsOf>) -> Option<DateTime<Utc>> {
    match as_of {
        // Event times are stored in this precision, so the bound needs the same.
        Some(AsOf::Time(time)) => Some(to_stored_precision(time)),
        _ => None,
    }
}

impl Registry {
    /// Applies stored events to a state, as a load does. `at` is the sequence of the last event that the state
    /// contains; the events continue from there. For tests and tools.
    ///
    /// # Errors
    /// - [`Error::Unregistered`] if the registry does not hold the aggregate's type.
    /// - [`Error::UnknownEvent`], [`Error::Decode`] or [`Error::Upcast`] if an event cannot be read.
    /// - [`Error::Corrupt`] if the events' sequences are not consecutive.
    pub fn replay<T: Aggregate>(
        &self,
        state: T,
        at: Sequence,
        events: &[RecordedEvent],
    ) -> Result<T> {
        let entry = self.aggregate::<T>()?;
        let mut replay = Replay { entry, sequence: at, state, has_unknown: false, link: None };
        for event in events {
            replay.one(event)?;
        }
        Ok(replay.state)
    }
}

/// Checks that the loaded aggregate is of type `T`.
fn checked<T: Aggregate>(
    loaded: Option<LoadedAggregate>,
    aggregate_type: &str,
) -> Result<Option<LoadedAggregate>> {
    match loaded {
        Some(loaded) if *loaded.aggregate_type != *aggregate_type => {
            Err(Error::WrongAggregateType {
                id: loaded.id,
                expected: T::NAME.to_owned(),
                found: loaded.aggregate_type.as_ref().to_owned(),
            })
        }
        loaded => Ok(loaded),
    }
}

/// Returns the hash of an event, if the event exists and has one.
pub(crate) async fn link_at(
    reader: &dyn Reader,
    id: AggregateId,
    sequence: Sequence,
) -> Result<Option<Link>> {
    if sequence == Sequence::ZERO {
        return Ok(None);
    }
    let (after, up_to) = (sequence.previous(), Some(sequence));
    let events = reader.read_history(HistoryRequest { id, after, up_to, limit: 1 }).await?;
    Ok(events.first().and_then(|event| event.payload().link()))
}

/// A replay in progress.
struct Replay<'a, T> {
    entry: &'a AggregateEntry,
    sequence: Sequence,
    state: T,
    has_unknown: bool,
    /// The hash of the last event.
    link: Option<Link>,
}

impl<'a, T: Aggregate> Replay<'a, T> {
    fn new(entry: &'a AggregateEntry) -> Self {
        let (sequence, state) = (Sequence::ZERO, T::default());
        Self { entry, sequence, state, has_unknown: false, link: None }
    }

    /// Starts from a snapshot. `false` if its state cannot be decoded.
    fn starts_at(&mut self, policy: &SnapshotPolicy<T>, snapshot: &StoredSnapshot) -> bool {
        let (state, link) = split_snapshot(&snapshot.state);
        let Some(state) = policy.decode(&state) else { return false };
        (self.sequence, self.state, self.link) = (snapshot.sequence, state, link);
        true
    }

    /// Applies a page of events. Breaks at the first event that is later than `until`.
    fn all(
        &mut self,
        events: &[RecordedEvent],
        until: Option<DateTime<Utc>>,
    ) -> Result<ControlFlow<()>> {
        for event in events {
            if until.is_some_and(|until| event.event_time() > until) {
                return Ok(ControlFlow::Break(()));
            }
            self.one(event)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn one(&mut self, event: &RecordedEvent) -> Result<()> {
        if event.sequence() != self.sequence.next() {
            return Err(Error::corrupt(
                "events",
                format!("sequence {} is followed by {}", self.sequence, event.place()),
            ));
        }
        match self.entry.find(event.event_type(), event.version()) {
            Some(known) => known
                .apply(&mut self.state, event.payload(), event.version(), event.meta())
                .map_err(|problem| event.unreadable(problem))?,
            None => self.unknown(event)?,
        }
        self.sequence = event.sequence();
        self.link = event.payload().link();
        Ok(())
    }

    fn unknown(&mut self, event: &RecordedEvent) -> Result<()> {
        self.has_unknown = true;
        match T::UNKNOWN_EVENTS {
            UnknownEvents::Fail => return Err(Error::UnknownEvent(Box::new(event.place()))),
            UnknownEvents::Skip => {}
            UnknownEvents::HandTo(hand_to) => hand_to(&mut self.state, event),
        }
        Ok(())
    }

    fn into_rehydrated(self, id: AggregateId, key: Option<NaturalKey>) -> Rehydrated<T> {
        let Self { sequence, state, has_unknown, link, .. } = self;
        Rehydrated { id, key, sequence, state, has_unknown, link }
    }
}
