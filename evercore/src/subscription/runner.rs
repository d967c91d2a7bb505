//! Works on one partition for as long as its lease is held.

mod batches;
mod checkpoint;
mod observe;
mod redrive;
mod suspects;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::Config;
use super::deliver::Deliver;
use super::read_ahead::ReadAhead;
use crate::engine::{Backoff, Grant, LeaseKey, LeaseStatus, Settlement};
use crate::shared::heartbeat::{Registration, Tick};
use crate::{Error, Partition, Position, Report, Result};
use checkpoint::Checkpoint;
use suspects::Suspects;

/// Calls the store, and tries again while it cannot be reached. A macro, since a closure that borrows its arguments
/// would cost the future its `Send`.
macro_rules! patiently {
    ($runner:ident, $what:literal, $work:expr) => {{
        let mut waited = 0;
        loop {
            match $work.await {
                Ok(value) => break value,
                Err(error) => $runner.wait_for_store($what, error, &mut waited).await?,
            }
        }
    }};
}
use patiently;

/// The waits while the store cannot be reached.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(5), Duration::from_secs(2));

/// Works on one partition.
#[derive(Debug)]
pub(super) struct Runner {
    config: Arc<Config>,
    stop: CancellationToken,
    lease: LeaseKey,
    partition: Partition,
    registration: Registration,
    pages: ReadAhead,
    /// The position up to which everything is handled.
    cursor: Position,
    /// The cursor as it is stored.
    recorded: Position,
    /// The difference between the two cursors; `None` if they are equal.
    unrecorded: Option<Checkpoint>,
    /// Whether any event of the partition may be parked.
    has_parked: bool,
    suspects: Suspects,
    /// The last event that has failed in a batch of its own, and the number of failures.
    failing: Option<(Position, u32)>,
    /// Whether an observer knows the lag of the partition.
    has_told_lag: bool,
}

/// The reason why the work on a partition has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The worker was asked to stop.
    Stopped,
    /// Another worker asked for the partition.
    HandedOver,
    /// The subscription was paused.
    Paused,
    /// The lease was lost: another worker has it, or the subscription was reset, replaced or deleted.
    Lost,
    /// The work cannot continue.
    Failed(Error),
}

impl Runner {
    pub(super) fn new(config: Arc<Config>, stop: CancellationToken, grant: Grant) -> Self {
        let Grant { lease, cursor, partition, has_parked } = grant;
        let engine = &config.store.engine;
        let renewed = Some((lease.clone(), config.lease));
        let registration = config.store.heartbeats.join(engine, renewed, config.poll_interval);
        let limit = config.page_size();
        let pages = ReadAhead::new(engine, &config.followed.read, partition, limit);
        config.progress.took(&lease, cursor);
        info!(subscription = %lease.subscription, partition = lease.partition, position = %cursor, "a worker acquired a partition, and continues after this position");
        let (recorded, unrecorded) = (cursor, None);
        Self {
            config,
            stop,
            lease,
            partition,
            registration,
            pages,
            cursor,
            recorded,
            unrecorded,
            has_parked,
            suspects: Suspects::none(),
            failing: None,
            has_told_lag: false,
        }
    }

    /// Works until something ends it, then gives the lease back, and returns the partition's number and the reason.
    pub(super) async fn run<D: Deliver>(mut self, mut deliver: D) -> (u32, Ended) {
        let ended = match self.follow(&mut deliver).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        self.config.progress.gave_back(&self.lease);
        // Before another worker has the partition, which may be one of this process.
        self.observe_released();
        match &ended {
            Ended::Lost => {}
            // `fail` has recorded this failure already.
            Ended::Failed(Error::HandlerFailed { .. }) => self.give_back(None).await,
            Ended::Failed(error) => self.give_back(Some(Report::new(error).to_stored())).await,
            Ended::Stopped | Ended::HandedOver | Ended::Paused => self.give_back(None).await,
        }
        (self.lease.partition, ended)
    }

    async fn follow<D: Deliver>(
        &mut self,
        deliver: &mut D,
    ) -> Result<std::convert::Infallible, Ended> {
        // Not known before the first page is read.
        let mut at_end = false;
        loop {
            if self.stop.is_cancelled() {
                return Err(Ended::Stopped);
            }
            let tick = self.registration.tick.borrow_and_update().clone();
            tick.check().map_err(Ended::Failed)?;
            self.config.progress.saw_head(tick.head);
            self.observe_lag();
            let has_redriven = match tick.status {
                LeaseStatus::Lost => return Err(Ended::Lost),
                LeaseStatus::Held { paused: true, .. } => return Err(Ended::Paused),
                LeaseStatus::Held { wanted: true, .. } => return Err(Ended::HandedOver),
                LeaseStatus::Held { redrive: true, .. } => self.redrive(deliver).await?,
                LeaseStatus::Held { .. } => true,
            };
            if at_end && tick.head <= self.cursor && has_redriven {
                self.config.progress.is_live(&self.lease);
                self.wait().await?;
                continue;
            }
            let stop = self.stop.clone();
            let reading = async {
                Ok::<_, Ended>(patiently!(self, "read the log", self.pages.next(self.cursor)))
            };
            let page = stop.run_until_cancelled(reading).await.ok_or(Ended::Stopped)??;
            let (end, is_last) = (page.end, page.at_end);
            self.config.progress.saw_head(page.end);
            self.process(deliver, page).await?;
            at_end = is_last && self.cursor >= end;
        }
    }

    /// Waits for the next heartbeat, and records the cursor if that falls due meanwhile.
    async fn wait(&mut self) -> Result<(), Ended> {
        let record_at = self.record_at();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Ended::Stopped),
            changed = self.registration.tick.changed() => {
                changed.expect("BUG: the heartbeat has dropped a subscriber");
                Ok(())
            }
            () = sleep_until(record_at.unwrap_or_else(Instant::now)), if record_at.is_some() => self.record().await,
        }
    }

    /// Records what is left to record and gives the lease back, so that another worker can take the partition at once.
    async fn give_back(&mut self, failure: Option<String>) {
        let cursor = self.unrecorded.is_some().then(|| self.settlement(self.cursor).cursor);
        let last = (cursor.is_some() || failure.is_some()).then(|| Settlement {
            cursor: cursor.flatten(),
            failure,
            ..self.settlement(self.cursor)
        });
        let Self { config, lease, .. } = self;
        let engine = Arc::clone(&config.store.engine);
        let given_back = async {
            if let Some(settlement) = last {
                engine.settle(&settlement).await?;
            }
            engine.release(lease).await
        };
        // A lease that cannot be given back expires.
        match tokio::time::timeout(config.lease, given_back).await {
            Ok(Ok(())) => config.store.settled.notify(),
            Ok(Err(error)) => {
                warn!(subscription = %lease.subscription, partition = lease.partition, error = %Report::new(&error), "the lease was not released; it expires by itself");
            }
            Err(_) => {
                warn!(subscription = %lease.subscription, partition = lease.partition, "the lease was not released in time; it expires by itself");
            }
        }
    }

    /// Waits before a call is made again that the store has failed at, or returns the end of the work if retrying is of
    /// no use.
    async fn wait_for_store(
        &mut self,
        what: &'static str,
        error: Error,
        waited: &mut u32,
    ) -> Result<(), Ended> {
        match error {
            Error::LeaseLost { .. } => Err(Ended::Lost),
            error if error.is_retryable() || matches!(error, Error::OutcomeUnknown { .. }) => {
                *waited += 1;
                let wait = BACKOFF.wait_after(*waited, self.config.store.random());
                let LeaseKey { subscription, partition, .. } = &self.lease;
                let error = Report::new(&error).to_string();
                warn!(%subscription, partition, position = %self.cursor, error, ?wait, "cannot {what}; retrying");
                self.config.progress.retries(Some(&self.lease), error);
                self.pause(wait).await
            }
            error => {
                let LeaseKey { subscription, partition, .. } = &self.lease;
                warn!(%subscription, partition, position = %self.cursor, error = %Report::new(&error), "cannot {what}; the worker stops");
                Err(Ended::Failed(error))
            }
        }
    }

    /// Waits for a time, unless something ends the work.
    async fn pause(&mut self, wait: Duration) -> Result<(), Ended> {
        let mut tick = self.registration.tick.clone();
        let mut paused = self.registration.tick.clone();
        let is_paused = |tick: &Tick| matches!(tick.status, LeaseStatus::Held { paused: true, .. });
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Ended::Stopped),
            _ = tick.wait_for(|tick| tick.status == LeaseStatus::Lost) => Err(Ended::Lost),
            _ = paused.wait_for(is_paused) => Err(Ended::Paused),
            error = self.registration.failed() => Err(Ended::Failed(error)),
            () = sleep(wait) => Ok(()),
        }
    }
}
