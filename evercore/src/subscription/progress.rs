//! Tracks the progress of a running subscription.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Position;
use crate::engine::LeaseKey;

/// The progress of a running subscription.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its condition.
    pub state: SubscriptionState,
    /// The position up to which this worker's partitions have handled everything.
    pub position: Position,
    /// The position of the last event of the log, as of the last look. Never before `position`.
    pub head: Position,
    /// The number of events handled since the worker was started.
    pub handled: u64,
    /// The number of events handled per second, averaged over the last five seconds or so.
    pub rate: f64,
    /// The numbers of the partitions that this worker owns.
    pub partitions: Vec<u32>,
    /// The last failure, with all causes: the one that the worker has ended with, or the one that it retries. `None`
    /// once the worker has made progress.
    pub failure: Option<String>,
}

/// The state of a running subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// It waits for a lease that another worker holds.
    StandingBy,
    /// It is behind the end of the log.
    CatchingUp,
    /// It has handled everything in the log, for its partitions.
    Live,
    /// It waits before it retries something that has failed: an event, or a call of the store.
    Retrying,
    /// It was paused.
    Paused,
    /// It has ended; [`SubscriptionStatus::failure`] says why, unless it was stopped.
    Ended,
}

/// Watches a subscription that runs in this process. Made by
/// [`SubscriptionBuilder::progress`](crate::subscription::SubscriptionBuilder::progress). Clones watch the same
/// subscription.
#[derive(Clone, Debug)]
pub struct SubscriptionProgress(Arc<Progress>);

impl SubscriptionProgress {
    pub(super) fn new(progress: &Arc<Progress>) -> Self {
        Self(Arc::clone(progress))
    }

    /// Returns the progress of the subscription.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        self.0.status()
    }
}

/// The time constant of the average of the rate.
const MEMORY: Duration = Duration::from_secs(5);

/// The progress that the parts of a running subscription report to.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Numbers>);

#[derive(Debug)]
struct Numbers {
    state: SubscriptionState,
    /// Sorted by the numbers of the partitions.
    places: Vec<Place>,
    /// The position at which the work on a partition ended, or is. `None` if there never was a partition.
    last_position: Option<Position>,
    head: Position,
    handled: u64,
    rate: f64,
    rated_at: Instant,
    /// The last failure outside of any partition.
    failure: Option<String>,
}

/// The cursor of a partition, under the lease that it was last acquired with.
#[derive(Debug)]
struct Place {
    partition: u32,
    token: i64,
    position: Position,
    /// The last failure, unless the partition has made progress since.
    failure: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Numbers {
            state: SubscriptionState::StandingBy,
            places: Vec::new(),
            last_position: None,
            head: Position::START,
            handled: 0,
            rate: 0.0,
            rated_at: Instant::now(),
            failure: None,
        }))
    }

    pub(super) fn status(&self) -> SubscriptionStatus {
        let mut numbers = self.numbers();
        numbers.rate_after(0);
        let position = numbers.reached().unwrap_or(Position::START);
        let state = match numbers.state {
            // One partition is at the end of the log, and another one is not.
            SubscriptionState::Live if position < numbers.head => SubscriptionState::CatchingUp,
            state => state,
        };
        SubscriptionStatus {
            state,
            position,
            head: numbers.head,
            handled: numbers.handled,
            rate: numbers.rate,
            partitions: numbers.places.iter().map(|place| place.partition).collect(),
            failure: numbers
                .failure
                .as_ref()
                .or_else(|| numbers.places.iter().find_map(|place| place.failure.as_ref()))
                .cloned(),
        }
    }

    pub(super) fn set_state(&self, state: SubscriptionState) {
        self.numbers().state = state;
    }

    /// Records that a partition is at the end of the log, with nothing left to retry.
    pub(super) fn is_live(&self, lease: &LeaseKey) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::Live;
        if let Some(place) = numbers.place_of(lease) {
            place.failure = None;
        }
    }

    /// Records a failure that is retried.
    pub(super) fn retries(&self, lease: Option<&LeaseKey>, failure: String) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::Retrying;
        match lease {
            Some(lease) => {
                if let Some(place) = numbers.place_of(lease) {
                    place.failure = Some(failure);
                }
            }
            None => numbers.failure = Some(failure),
        }
    }

    /// Records that a worker begins, or another one after the last has ended.
    pub(super) fn begin(&self) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::StandingBy;
        numbers.failure = None;
        numbers.places.clear();
    }

    /// Records that the worker has ended: by a failure, or because it was stopped.
    pub(super) fn end(&self, failure: Option<&str>) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::Ended;
        numbers.failure = failure.map(str::to_owned);
    }

    /// Records that the log reaches this position at least.
    pub(super) fn saw_head(&self, head: Position) {
        let mut numbers = self.numbers();
        numbers.head = numbers.head.max(head);
    }

    /// Returns the position up to which everything is handled in the worker's partitions, or was in the last one. `None`
    /// if it never had one.
    pub(super) fn reached(&self) -> Option<Position> {
        self.numbers().reached()
    }

    /// Returns the tokens of the leases that the worker holds.
    pub(super) fn tokens(&self) -> Vec<i64> {
        self.numbers().places.iter().map(|place| place.token).collect()
    }

    /// Records that the worker has acquired a partition. It may have had it before, under a lease that has ended
    /// meanwhile.
    pub(super) fn took(&self, lease: &LeaseKey, position: Position) {
        let LeaseKey { partition, token, .. } = *lease;
        let mut numbers = self.numbers();
        numbers.last_position = Some(position);
        numbers.head = numbers.head.max(position);
        numbers.failure = None;
        numbers.places.retain(|place| place.partition != partition);
        numbers.places.push(Place { partition, token, position, failure: None });
        numbers.places.sort_unstable_by_key(|place| place.partition);
    }

    /// Records that a partition's cursor has moved, and how many events were handled.
    pub(super) fn moved(&self, lease: &LeaseKey, position: Position, handled: usize) {
        let mut numbers = self.numbers();
        let handled = u64::try_from(handled).unwrap_or(u64::MAX);
        numbers.handled += handled;
        if handled > 0 {
            numbers.rate_after(handled);
        }
        if let Some(place) = numbers.place_of(lease) {
            place.position = position;
            if handled > 0 {
                place.failure = None;
            }
            numbers.last_position = Some(position);
            numbers.head = numbers.head.max(position);
        }
    }

    pub(super) fn gave_back(&self, lease: &LeaseKey) {
        self.numbers().places.retain(|place| !place.is_of(lease));
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn is_of(&self, lease: &LeaseKey) -> bool {
        (self.partition, self.token) == (lease.partition, lease.token)
    }
}

impl Numbers {
    fn reached(&self) -> Option<Position> {
        self.places.iter().map(|place| place.position).min().or(self.last_position)
    }

    fn place_of(&mut self, lease: &LeaseKey) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.is_of(lease))
    }

    /// Updates the rate, an exponentially weighted mean: events that were handled longer than [`MEMORY`] ago count for
    /// little.
    #[expect(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
    fn rate_after(&mut self, handled: u64) {
        let now = Instant::now();
        let passed = now.duration_since(self.rated_at).as_secs_f64();
        let kept = (-passed / MEMORY.as_secs_f64()).exp();
        self.rate = self.rate * kept + handled as f64 / MEMORY.as_secs_f64();
        self.rated_at = now;
    }
}
