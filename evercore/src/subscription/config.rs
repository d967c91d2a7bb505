//! Holds and checks the options of a durable subscription.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failure::FailurePolicy;
use super::filter_names::ResolvedFilter;
use super::name::{MAX_SUBSCRIPTION_NAME_BYTES, SubscriptionName};
use super::partition::Partition;
use super::progress::Progress;
use super::start::Start;
use crate::engine::IfDifferent;
use crate::service::Lifecycle;
use crate::shared::Shared;
use crate::{Error, Result};

/// The shortest lease.
const SHORTEST_LEASE: Duration = Duration::from_millis(50);

/// The number of round trips to the database that a lease must have room for.
const ROUND_TRIPS: u32 = 5;

/// The most extra looks at the database to measure a round trip.
const LOOKS: u32 = 3;

/// The problem with `handle_within(Duration::ZERO)`.
pub(super) const NO_TIME: &str =
    "a handler that has no time would always fail; make `handle_within` longer, or leave it out";

/// The options of a durable subscription.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) store: Arc<Shared>,
    pub(super) name: SubscriptionName,
    pub(super) followed: ResolvedFilter,
    pub(super) start: Start,
    pub(super) partitions: u32,
    pub(super) batch_size: u32,
    /// `None` stands for the engine's interval.
    pub(super) poll_interval: Option<Duration>,
    pub(super) lease: Duration,
    /// The time that handled batches may stay unrecorded while the subscription catches up.
    pub(super) record_within: Duration,
    pub(super) owner: String,
    pub(super) policy: FailurePolicy,
    /// The time that the handler may take.
    pub(super) handle_within: Option<Duration>,
    pub(super) if_different: IfDifferent,
    pub(super) when_owned: WhenOwned,
    pub(super) stop: CancellationToken,
    pub(super) progress: Arc<Progress>,
    /// Told when the subscription is stored.
    pub(super) lifecycle: Option<Lifecycle>,
}

/// The reaction to another worker that owns the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenOwned {
    Refuse,
    StandBy,
}

/// The most batches in a page. Several, since some look-ups are made once for each page rather than for each batch.
const BATCHES: u32 = 4;

impl Config {
    /// Returns the most events that are read together.
    pub(super) fn page_size(&self) -> u32 {
        self.batch_size.saturating_mul(BATCHES).min(self.store.limits.page_events)
    }

    pub(super) fn check(&self) -> Result<()> {
        Partition::new(0, self.partitions)?;
        self.start.check()?;
        let poll_interval =
            self.poll_interval.unwrap_or_else(|| self.store.engine.watch_log().poll_interval());
        let problem = if self.batch_size == 0 {
            "a batch of 0 events would never end; the minimum is 1".to_owned()
        } else if self.batch_size > self.store.limits.page_events {
            format!(
                "a batch of {} events exceeds the limit of {} on pages; make the batch smaller, or raise `Limits::page_events`",
                self.batch_size, self.store.limits.page_events
            )
        } else if self.lease < SHORTEST_LEASE {
            format!("a lease of {:?} is too short; the minimum is {SHORTEST_LEASE:?}", self.lease)
        } else if self.lease < poll_interval {
            format!(
                "a lease of {:?} is shorter than the poll interval of {poll_interval:?}; make the lease a few times as long",
                self.lease
            )
        } else if self.record_within > self.lease {
            format!(
                "`record_within` is {:?}, but the lease lasts {:?}: another worker may own the partition before the cursor is recorded; make `record_within` shorter",
                self.record_within, self.lease
            )
        } else if self.handle_within.is_some_and(|limit| limit.is_zero()) {
            NO_TIME.to_owned()
        } else if poll_interval.is_zero() {
            "a poll interval of zero would poll without a pause".to_owned()
        } else if self.owner.is_empty()
            || self.owner.len() > MAX_SUBSCRIPTION_NAME_BYTES
            || self.owner.contains(char::is_control)
        {
            format!(
                "the owner's name must have 1 to {MAX_SUBSCRIPTION_NAME_BYTES} bytes and no control characters"
            )
        } else {
            return Ok(());
        };
        Err(self.invalid(problem))
    }

    /// Refuses a lease that a few round trips to the database use up: it would be lost as soon as anything is slow.
    ///
    /// A round trip that took long may have waited for another transaction's lock, so the shortest of a few counts.
    pub(super) async fn check_round_trip(&self, mut took: Duration) -> Result<()> {
        let mut looks = 0;
        while self.lease < took * ROUND_TRIPS {
            if looks == LOOKS {
                return Err(self.invalid(format!(
                    "a lease of {:?} is too short for a database that takes {took:?} to answer; make the lease a few times as long",
                    self.lease
                )));
            }
            let began = Instant::now();
            self.store.engine.heartbeat(&[]).await?;
            took = took.min(began.elapsed());
            looks += 1;
        }
        Ok(())
    }

    fn invalid(&self, problem: String) -> Error {
        Error::InvalidSubscription { name: self.name.to_string(), problem }
    }
}
