//! From stored events to a state.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};

use crate::engine::{HistoryRequest, LoadRequest, LoadedAggregate, Reader, StoredSnapshot, Target};
use crate::registry::AggregateEntry;
use crate::store::Inner;
use crate::{
    Aggregate, AggregateId, Error, NaturalKey, RecordedEvent, Registry, Result, Sequence,
    UnknownEvents,
};

/// Up to where an aggregate is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AsOf {
    /// Up to the event with this sequence, or the last one if there are fewer.
    Sequence(Sequence),
    /// Up to, and without, the first event whose event time is later.
    Time(DateTime<Utc>),
}

/// A state and where it stands.
#[derive(Debug)]
pub(crate) struct Rehydrated<T> {
    pub(crate) id: AggregateId,
    pub(crate) key: Option<NaturalKey>,
    pub(crate) sequence: Sequence,
    pub(crate) state: T,
    /// Whether there were events that the program does not know.
    pub(crate) has_unknown: bool,
}

/// Loads an aggregate, which is stored under this name of its type. `None` if there is none.
pub(crate) async fn rehydrate<T: Aggregate>(
    reader: &dyn Reader,
    store: &Inner,
    aggregate_type: &'static str,
    target: Target,
    as_of: Option<AsOf>,
) -> Result<Option<Rehydrated<T>>> {
    let limit = store.limits.page_events;
    // A snapshot may hold events that are later than the wanted time.
    let policy = || T::SNAPSHOTS.filter(|_| until(as_of).is_none());
    let mut replay = Replay::new(store.registry.aggregate::<T>()?);
    let snapshot = policy().map(|policy| replay.entry.fingerprint(policy.fingerprint()));
    let request = LoadRequest { aggregate_type, target, snapshot, up_to: up_to(as_of), limit };
    let Some(mut loaded) = checked::<T>(reader.load(request).await?, aggregate_type)? else {
        return Ok(None);
    };

    if let (Some(policy), Some(StoredSnapshot { sequence, state })) = (policy(), &loaded.snapshot) {
        if let Some(state) = policy.decode(state) {
            (replay.sequence, replay.state) = (*sequence, state);
        } else {
            let (target, snapshot) = (Target::Id(loaded.id), None);
            let request =
                LoadRequest { aggregate_type, target, snapshot, up_to: up_to(as_of), limit };
            loaded =
                checked::<T>(reader.load(request).await?, aggregate_type)?.ok_or_else(|| {
                    Error::corrupt("aggregate", "it was there a moment ago and is gone")
                })?;
        }
    }

    let page = usize::try_from(limit).unwrap_or(usize::MAX);
    while replay.all(&loaded.events, until(as_of))?.is_continue() && loaded.events.len() >= page {
        let (id, after) = (loaded.id, replay.sequence);
        let request = HistoryRequest { id, after, up_to: up_to(as_of), limit };
        loaded.events = reader.read_history(request).await?;
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
        Some(AsOf::Time(time)) => Some(time),
        _ => None,
    }
}

impl Registry {
    /// For tests and tools: what becomes of a state by stored events, as when it is loaded. `at` is the last event that
    /// the state contains; the events go on from there.
    ///
    /// # Errors
    /// - [`Error::Unregistered`] if the registry does not hold the aggregate's type.
    /// - [`Error::UnknownEvent`], [`Error::Decode`] or [`Error::Upcast`] if an event cannot be read.
    /// - [`Error::Corrupt`] if the sequences do not follow each other.
    pub fn replay<T: Aggregate>(
        &self,
        state: T,
        at: Sequence,
        events: &[RecordedEvent],
    ) -> Result<T> {
        let entry = self.aggregate::<T>()?;
        let mut replay = Replay { entry, sequence: at, state, has_unknown: false };
        for event in events {
            replay.one(event)?;
        }
        Ok(replay.state)
    }
}

/// What was loaded, if it is a `T`.
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

/// A replay under way.
struct Replay<'a, T> {
    entry: &'a AggregateEntry,
    sequence: Sequence,
    state: T,
    has_unknown: bool,
}

impl<'a, T: Aggregate> Replay<'a, T> {
    fn new(entry: &'a AggregateEntry) -> Self {
        Self { entry, sequence: Sequence::ZERO, state: T::default(), has_unknown: false }
    }

    /// Applies a page of events. Breaks at the first one after `until`.
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
                format!("after sequence {} comes {}", self.sequence, event.place()),
            ));
        }
        match self.entry.find(event.event_type(), event.version()) {
            Some(known) => known
                .apply(&mut self.state, event.payload(), event.version(), event.meta())
                .map_err(|problem| event.unreadable(problem))?,
            None => self.unknown(event)?,
        }
        self.sequence = event.sequence();
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
        let Self { sequence, state, has_unknown, .. } = self;
        Rehydrated { id, key, sequence, state, has_unknown }
    }
}
