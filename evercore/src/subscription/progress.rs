//! How a running subscription is getting on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Position;
use crate::engine::LeaseKey;

/// How a running subscription is getting on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// What it is doing.
    pub state: SubscriptionState,
    /// Everything up to here is handled, by this worker's partitions.
    pub position: Position,
    /// The last event of the log, as of the last look. Never before `position`.
    pub head: Position,
    /// The events handled since it was started.
    pub handled: u64,
    /// The events handled in a second, averaged over the last few.
    pub rate: f64,
    /// The partitions that this worker owns.
    pub partitions: Vec<u32>,
    /// What failed last, with all causes: what the worker has ended with, or what it tries again. `None` once it has
    /// gone on.
    pub failure: Option<String>,
}

/// What a running subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscriptionState {
    /// It waits for a lease that somebody else holds.
    StandingBy,
    /// It is behind the end of the log.
    CatchingUp,
    /// It has handled all there is, of its partitions.
    Live,
    /// It waits before it tries again what has failed: an event, or a call of the store.
    Retrying,
    /// It was paused.
    Paused,
    /// It has ended; [`SubscriptionStatus::failure`] says why, unless it was stopped.
    Ended,
}

/// Watches a subscription that runs in this process. Made by
/// [`SubscriptionBuilder::progress`](crate::SubscriptionBuilder::progress). Clones watch the same one.
#[derive(Clone, Debug)]
pub struct SubscriptionProgress(Arc<Progress>);

impl SubscriptionProgress {
    pub(super) fn new(progress: &Arc<Progress>) -> Self {
        Self(Arc::clone(progress))
    }

    /// How it is getting on.
    #[must_use]
    pub fn status(&self) -> SubscriptionStatus {
        self.0.status()
    }
}

/// Over how long the rate is averaged.
const MEMORY: Duration = Duration::from_secs(5);

/// What the parts of a running subscription report.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Numbers>);

#[derive(Debug)]
struct Numbers {
    state: SubscriptionState,
    /// In the order of the partitions.
    places: Vec<Place>,
    last_position: Position,
    head: Position,
    handled: u64,
    rate: f64,
    rated_at: Instant,
    /// What failed last outside of any partition.
    failure: Option<String>,
}

/// How far a partition is, under the lease that it was taken by last.
#[derive(Debug)]
struct Place {
    partition: u32,
    token: i64,
    position: Position,
    /// What failed last, unless it has gone on since.
    failure: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Numbers {
            state: SubscriptionState::StandingBy,
            places: Vec::new(),
            last_position: Position::START,
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
        let position = numbers.places.iter().map(|place| place.position).min();
        let position = position.unwrap_or(numbers.last_position);
        let state = match numbers.state {
            // One of its partitions is; another one is not.
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

    /// Nothing failed that is still to be tried again, in a partition that is at the end of the log.
    pub(super) fn is_live(&self, lease: &LeaseKey) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::Live;
        if let Some(place) = numbers.place_of(lease) {
            place.failure = None;
        }
    }

    /// Something has failed, and is tried again.
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

    /// The worker has ended: by a failure, or because it was stopped.
    pub(super) fn end(&self, failure: Option<&str>) {
        let mut numbers = self.numbers();
        numbers.state = SubscriptionState::Ended;
        numbers.failure = failure.map(str::to_owned);
    }

    /// The log goes up to here, at least.
    pub(super) fn saw_head(&self, head: Position) {
        let mut numbers = self.numbers();
        numbers.head = numbers.head.max(head);
    }

    /// The tokens of the leases that it holds.
    pub(super) fn tokens(&self) -> Vec<i64> {
        self.numbers().places.iter().map(|place| place.token).collect()
    }

    /// A partition was taken. The worker may have had it before, under a lease that has ended meanwhile.
    pub(super) fn took(&self, lease: &LeaseKey, position: Position) {
        let LeaseKey { partition, token, .. } = *lease;
        let mut numbers = self.numbers();
        numbers.last_position = position;
        numbers.head = numbers.head.max(position);
        numbers.failure = None;
        numbers.places.retain(|place| place.partition != partition);
        numbers.places.push(Place { partition, token, position, failure: None });
        numbers.places.sort_unstable_by_key(|place| place.partition);
    }

    /// A partition has moved on.
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
            numbers.last_position = position;
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
    fn place_of(&mut self, lease: &LeaseKey) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.is_of(lease))
    }

    /// An exponentially weighted mean: what is older than [`MEMORY`] counts for little.
    #[expect(clippy::cast_precision_loss, reason = "a rate is a rough figure")]
    fn rate_after(&mut self, handled: u64) {
        let now = Instant::now();
        let passed = now.duration_since(self.rated_at).as_secs_f64();
        let kept = (-passed / MEMORY.as_secs_f64()).exp();
        self.rate = self.rate * kept + handled as f64 / MEMORY.as_secs_f64();
        self.rated_at = now;
    }
}
