//! Builds the states of boundaries from given events, without a store.

use std::fmt;
use std::marker::PhantomData;

use super::reading::{Boundaries, Reading};
use crate::{Decision, RecordedEvent, Registry, Result};

/// Boundaries whose states are built from given events, for tests.
///
/// # Example
/// ```standalone_crate
/// use evercore::boundary::{Facts, Replay};
/// use evercore::chrono::DateTime;
/// use evercore::{Apply, Boundary, Error, EventDraft, EventMeta, RecordedEvent, Registry, event};
///
/// #[event(tags(course))]
/// struct SeatTaken { course: u32 }
///
/// #[derive(Boundary, Default)]
/// #[boundary(key(course: u32), events(SeatTaken))]
/// struct Seats { taken: u32 }
///
/// impl Apply<SeatTaken> for Seats {
///     fn apply(&mut self, _: &SeatTaken, _: &EventMeta) {
///         self.taken += 1;
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let registry = Registry::linked()?;
/// let events = [41, 42].map(|course| {
///     let draft = EventDraft::<Facts>::from(SeatTaken { course });
///     draft.into_row(DateTime::UNIX_EPOCH).map(RecordedEvent::from)
/// });
/// let [of_other, own] = events;
/// let replay = Replay::new(&registry, Seats::of(42))?;
/// let seats = replay.states(&registry, &[of_other?, own?])?;
/// assert_eq!(seats.taken, 1);
/// # Ok(())
/// # }
/// ```
pub struct Replay<K> {
    /// The boundaries before their first events.
    readings: Vec<Reading>,
    keys: PhantomData<fn() -> K>,
}

impl<K: Boundaries> Replay<K> {
    /// Makes a replay of the boundaries with these keys.
    ///
    /// # Errors
    /// - [`Error::InvalidTag`](crate::Error::InvalidTag) if a value of a key cannot be that of a tag.
    /// - [`Error::Unregistered`](crate::Error::Unregistered) if the registry does not know an event of a boundary.
    pub fn new(registry: &Registry, keys: K) -> Result<Self> {
        let mut readings = Vec::new();
        keys.begin(registry, &mut readings)?;
        Ok(Self { readings, keys: PhantomData })
    }

    /// Returns the states after those of the events that match, in the given order.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`](crate::Error::UnknownEvent), [`Error::Decode`](crate::Error::Decode),
    /// [`Error::Upcast`](crate::Error::Upcast) or [`Error::MissingCodec`](crate::Error::MissingCodec) if an event cannot
    /// be read.
    pub fn states(&self, registry: &Registry, events: &[RecordedEvent]) -> Result<K::States> {
        let mut readings: Vec<_> = self.readings.iter().map(Reading::fresh).collect();
        for reading in &mut readings {
            for event in events {
                let (of, name) = (event.aggregate_type(), event.event_type());
                if reading.query.matches(of, name, event.tags()) {
                    reading.stored(registry, event)?;
                }
            }
        }
        let count = readings.len();
        Ok(K::finish(count, &mut readings.into_iter().map(Reading::into_state)))
    }

    /// Starts a decision on states of these boundaries. An event that is emitted is applied to each state whose boundary
    /// it matches.
    pub fn decision<'a>(&self, states: &'a mut K::States) -> Decision<'a, K::States> {
        let queries = self.readings.iter().map(|reading| reading.query.clone()).collect();
        Decision::on(states).within(queries)
    }
}

impl<K> fmt::Debug for Replay<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("readings", &self.readings).finish_non_exhaustive()
    }
}
