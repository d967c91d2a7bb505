//! Works on one partition for as long as its lease is held.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::config::Config;
use super::deliver::{Deliver, Undelivered};
use super::failure::AtLast;
use super::handler::{Batch, HandlerError};
use super::hub::Seat;
use super::progress::SubscriptionState;
use crate::engine::{
    CursorMove, Grant, LeaseKey, LeaseStatus, LogPage, MatchRequest, NewlyParked, ParkedRequest,
    Settlement, WhichParked,
};
use crate::{AggregateId, Error, Partition, Position, RecordedEvent, Result};

/// Does something with the store, again and again while it cannot be reached. A macro, since a closure that borrows what
/// it needs would cost the future its `Send`.
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

/// How long a cursor that only moves past what does not match may go unsaved.
const SAVE_AFTER: Duration = Duration::from_millis(250);

/// The longest wait while the store cannot be reached.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The longest text of a failure that is stored.
const MOST_FAILURE_CHARS: usize = 2_000;

/// Works on one partition.
#[derive(Debug)]
pub(super) struct Runner {
    config: Arc<Config>,
    stop: CancellationToken,
    lease: LeaseKey,
    partition: Partition,
    seat: Seat,
    /// Everything up to here is handled.
    cursor: Position,
    /// The cursor as it is stored.
    saved: Position,
    /// Since when the two are apart.
    unsaved_since: Option<Instant>,
    /// Whether any event of the partition may be parked.
    has_parked: bool,
}

/// Why the work on a partition has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It was to stop.
    Stopped,
    /// Somebody else asked for the partition.
    HandedOver,
    /// The subscription was paused.
    Paused,
    /// Somebody else has the lease.
    Lost,
    /// It cannot go on.
    Failed(Error),
}

/// What became of a delivery.
type Delivered = std::result::Result<(), HandlerError>;

impl Runner {
    pub(super) fn new(config: Arc<Config>, stop: CancellationToken, grant: Grant) -> Self {
        let Grant { lease, cursor, partition, has_parked } = grant;
        let renewed = Some((lease.clone(), config.lease));
        let seat = config.store.hub.join(&config.store.engine, renewed, config.poll_interval);
        config.progress.moved(lease.partition, cursor, 0);
        debug!(subscription = %lease.subscription, partition = lease.partition, %cursor, "took the lease");
        let (saved, unsaved_since) = (cursor, None);
        Self { config, stop, lease, partition, seat, cursor, saved, unsaved_since, has_parked }
    }

    /// Works until something ends it, and gives the lease back.
    pub(super) async fn run<D: Deliver>(mut self, mut deliver: D) -> (u32, Ended) {
        let ended = match self.follow(&mut deliver).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        self.config.progress.gave_back(self.lease.partition);
        if !matches!(ended, Ended::Lost) {
            self.give_back().await;
        }
        (self.lease.partition, ended)
    }

    async fn follow<D: Deliver>(
        &mut self,
        deliver: &mut D,
    ) -> Result<std::convert::Infallible, Ended> {
        // Unknown until the first page.
        let mut at_end = false;
        loop {
            if self.stop.is_cancelled() {
                return Err(Ended::Stopped);
            }
            let pulse = self.seat.pulse.borrow_and_update().clone();
            pulse.check().map_err(Ended::Failed)?;
            self.config.progress.saw_head(pulse.head.max(self.cursor));
            match pulse.status {
                LeaseStatus::Lost => return Err(Ended::Lost),
                LeaseStatus::Held { paused: true, .. } => return Err(Ended::Paused),
                LeaseStatus::Held { wanted: true, .. } => return Err(Ended::HandedOver),
                LeaseStatus::Held { redrive: true, .. } => self.redrive(deliver).await?,
                LeaseStatus::Held { .. } => {}
            }
            if at_end && pulse.head <= self.cursor {
                self.config.progress.set_state(SubscriptionState::Live);
                self.wait().await?;
                continue;
            }
            let page = self.read().await?;
            at_end = page.at_end;
            self.process(deliver, page).await?;
        }
    }

    /// Waits for the next look at the log.
    async fn wait(&mut self) -> Result<(), Ended> {
        let save_at = self.unsaved_since.map(|since| since + SAVE_AFTER);
        tokio::select! {
            () = self.stop.cancelled() => Err(Ended::Stopped),
            changed = self.seat.pulse.changed() => {
                changed.expect("BUG: a hub has let go of a member");
                Ok(())
            }
            () = sleep_until(save_at.unwrap_or_else(Instant::now)), if save_at.is_some() => self.save().await,
        }
    }

    async fn read(&mut self) -> Result<LogPage, Ended> {
        let request = MatchRequest {
            after: self.cursor,
            limit: self.config.batch_size,
            filter: Arc::clone(&self.config.followed.read),
            partition: self.partition,
        };
        let engine = Arc::clone(&self.config.store.engine);
        Ok(patiently!(self, "read the log", engine.read_matching(request.clone())))
    }

    async fn process<D: Deliver>(&mut self, deliver: &mut D, page: LogPage) -> Result<(), Ended> {
        if page.events.is_empty() {
            return self.skip(page.end).await;
        }
        self.config.progress.set_state(SubscriptionState::CatchingUp);
        let mut behind = self.parked_among(&page.events).await?;
        let mut rest = &page.events[..];
        // Up to here, events are given one by one, to find the one that fails.
        let mut singly = Position::START;
        let mut failed = 0;
        while let Some(first) = rest.first() {
            let count = if first.position() <= singly { 1 } else { rest.len() };
            let (chunk, later) = rest.split_at(count);
            let to = if later.is_empty() { page.end } else { last_position(chunk) };
            let (waiting, events): (Vec<_>, Vec<_>) =
                chunk.iter().cloned().partition(|event| behind.contains(&event.aggregate_id()));
            let mut settlement = self.settlement(to);
            settlement.parked = waiting.iter().map(|event| newly_parked(event, None)).collect();

            let delivered = self.deliver(deliver, &events, settlement.clone()).await?;
            let Err(error) = delivered else {
                self.moved(to, events.len());
                (rest, failed) = (later, 0);
                continue;
            };
            if let [event] = &*events {
                failed += 1;
                if self.wait_to_retry(failed, event, &error).await? {
                    continue;
                }
                if self.config.policy.at_last == AtLast::Stop {
                    return Err(self.fail(event.position(), error).await);
                }
                let text = failure_text(&error);
                warn!(subscription = %self.lease.subscription, position = %event.position(), error = text, "parking an event");
                settlement.parked.push(newly_parked(event, Some(text)));
                settlement.parked.sort_unstable_by_key(|parked| parked.position);
                self.settle(settlement).await?;
                self.has_parked = true;
                behind.insert(event.aggregate_id());
                self.moved(to, 0);
                (rest, failed) = (later, 0);
                continue;
            }
            match error.failed_at().filter(|&index| index < events.len()) {
                // Those before the failed one are handled.
                Some(index) => {
                    singly = events[index].position();
                    if let Some(before) = index.checked_sub(1) {
                        let to = events[before].position();
                        let mut settlement = self.settlement(to);
                        let parked = waiting.iter().filter(|event| event.position() <= to);
                        settlement.parked = parked.map(|event| newly_parked(event, None)).collect();
                        self.settle(settlement).await?;
                        self.moved(to, index);
                        rest = &rest[rest.partition_point(|event| event.position() <= to)..];
                    }
                }
                None if self.config.policy == super::FailurePolicy::stop() => {
                    return Err(self.fail(first.position(), error).await);
                }
                None => singly = last_position(&events),
            }
        }
        Ok(())
    }

    /// Gives events to the handler, if there are any, and records them. Only what the handler says comes back; whatever
    /// else can go wrong is tried again or ends the work.
    async fn deliver<D: Deliver>(
        &mut self,
        deliver: &mut D,
        events: &[RecordedEvent],
        settlement: Settlement,
    ) -> Result<Delivered, Ended> {
        if events.is_empty() {
            return self.settle(settlement).await.map(Ok);
        }
        let batch = Batch::new(events, &self.config.store.registry);
        let mut waited = 0;
        loop {
            let mut pulse = self.seat.pulse.clone();
            let lost = pulse.wait_for(|pulse| pulse.status == LeaseStatus::Lost);
            let delivered = tokio::select! {
                biased;
                delivered = deliver.deliver(batch.clone(), settlement.clone()) => delivered,
                // Its effects are to stop: somebody else has the events now.
                _ = lost => return Err(Ended::Lost),
            };
            match delivered {
                Ok(()) => return Ok(Ok(())),
                Err(Undelivered::Handler(error)) => return Ok(Err(error)),
                Err(Undelivered::Store(error)) => {
                    self.wait_for_store("record a batch", error, &mut waited).await?;
                }
            }
        }
    }

    /// Waits before an event is tried again. `false` if it is not to be.
    async fn wait_to_retry(
        &mut self,
        failed: u32,
        event: &RecordedEvent,
        error: &HandlerError,
    ) -> Result<bool, Ended> {
        let random = self.config.store.random();
        let Some(wait) =
            self.config.policy.retry.and_then(|retry| retry.wait_after(failed, random))
        else {
            return Ok(false);
        };
        warn!(subscription = %self.lease.subscription, position = %event.position(), %error, ?wait, "a handler failed; trying again");
        self.config.progress.set_state(SubscriptionState::Retrying);
        self.pause(wait).await?;
        self.config.progress.set_state(SubscriptionState::CatchingUp);
        Ok(true)
    }

    /// Handles parked events again.
    async fn redrive<D: Deliver>(&mut self, deliver: &mut D) -> Result<(), Ended> {
        loop {
            let request = ParkedRequest {
                subscription: self.lease.subscription.clone(),
                after: Position::START,
                limit: self.config.batch_size,
                partition: self.partition,
                which: WhichParked::ToRedrive,
            };
            let engine = Arc::clone(&self.config.store.engine);
            let parked = patiently!(self, "read parked events", engine.parked_events(&request));
            if parked.is_empty() {
                return Ok(());
            }
            let mut given_up = HashSet::new();
            for event in parked.into_iter().map(|parked| parked.event) {
                if given_up.contains(&event.aggregate_id()) {
                    continue;
                }
                if self.stop.is_cancelled() {
                    return Err(Ended::Stopped);
                }
                if !self.redrive_one(deliver, &event).await? {
                    given_up.insert(event.aggregate_id());
                }
            }
        }
    }

    /// Handles a parked event again. `false` if it stays parked.
    async fn redrive_one<D: Deliver>(
        &mut self,
        deliver: &mut D,
        event: &RecordedEvent,
    ) -> Result<bool, Ended> {
        let mut failed = 0;
        let mut settlement = Settlement { cursor: None, ..self.settlement(self.cursor) };
        settlement.unparked = Some(event.position());
        loop {
            let events = std::slice::from_ref(event);
            let Err(error) = self.deliver(deliver, events, settlement.clone()).await? else {
                return Ok(true);
            };
            failed += 1;
            if !self.wait_to_retry(failed, event, &error).await? {
                settlement.unparked = None;
                settlement.parked = vec![newly_parked(event, Some(failure_text(&error)))];
                self.settle(settlement).await?;
                return Ok(false);
            }
        }
    }

    /// Moves past events that are not followed.
    async fn skip(&mut self, to: Position) -> Result<(), Ended> {
        self.cursor = to;
        self.config.progress.moved(self.lease.partition, to, 0);
        if self.cursor > self.saved {
            let since = *self.unsaved_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= SAVE_AFTER {
                self.save().await?;
            }
        }
        Ok(())
    }

    /// Stores a cursor that has moved past events that are not followed.
    async fn save(&mut self) -> Result<(), Ended> {
        if self.cursor > self.saved {
            let to = self.cursor;
            self.settle(self.settlement(to)).await?;
            self.moved(to, 0);
        }
        Ok(())
    }

    fn moved(&mut self, to: Position, handled: usize) {
        (self.cursor, self.saved, self.unsaved_since) = (to, to, None);
        self.config.progress.moved(self.lease.partition, to, handled);
        self.config.store.settled.notify();
    }

    fn settlement(&self, to: Position) -> Settlement {
        Settlement {
            lease: self.lease.clone(),
            cursor: Some(CursorMove { from: self.saved, to }),
            parked: Vec::new(),
            unparked: None,
            failure: None,
        }
    }

    async fn settle(&mut self, settlement: Settlement) -> Result<(), Ended> {
        let engine = Arc::clone(&self.config.store.engine);
        patiently!(self, "record a batch", engine.settle(&settlement));
        Ok(())
    }

    async fn parked_among(
        &mut self,
        events: &[RecordedEvent],
    ) -> Result<HashSet<AggregateId>, Ended> {
        if !self.has_parked {
            return Ok(HashSet::new());
        }
        let mut aggregates: Vec<_> = events.iter().map(RecordedEvent::aggregate_id).collect();
        aggregates.sort_unstable();
        aggregates.dedup();
        let (engine, name) =
            (Arc::clone(&self.config.store.engine), self.lease.subscription.clone());
        let parked =
            patiently!(self, "read parked events", engine.parked_aggregates(&name, &aggregates));
        Ok(parked.into_iter().collect())
    }

    /// Records what the handler failed with, and gives the error to stop with.
    async fn fail(&mut self, position: Position, error: HandlerError) -> Ended {
        let settlement = Settlement {
            cursor: None,
            failure: Some(failure_text(&error)),
            ..self.settlement(self.cursor)
        };
        if let Err(ended) = self.settle(settlement).await {
            debug!(?ended, "the failure of a handler was not recorded");
        }
        let (name, source) = (self.lease.subscription.to_string(), error.into_source());
        Ended::Failed(Error::HandlerFailed { name, position, source })
    }

    /// Gives the lease back, so that somebody else can have it at once.
    async fn give_back(&mut self) {
        let Self { config, lease, .. } = self;
        let engine = Arc::clone(&config.store.engine);
        let mut last = (self.cursor > self.saved).then(|| Settlement {
            lease: lease.clone(),
            cursor: Some(CursorMove { from: self.saved, to: self.cursor }),
            parked: Vec::new(),
            unparked: None,
            failure: None,
        });
        let given_back = async {
            if let Some(settlement) = last.take() {
                engine.settle(&settlement).await?;
            }
            engine.release(lease).await
        };
        // If it cannot be given back it ends by itself.
        match tokio::time::timeout(config.lease, given_back).await {
            Ok(Ok(())) => config.store.settled.notify(),
            Ok(Err(error)) => debug!(%error, "a lease was not given back"),
            Err(_) => debug!("a lease was not given back in time"),
        }
    }

    /// Waits before something is tried again that the store has failed at; or ends the work.
    async fn wait_for_store(
        &mut self,
        what: &'static str,
        error: Error,
        waited: &mut u32,
    ) -> Result<(), Ended> {
        match error {
            Error::LeaseLost { .. } => Err(Ended::Lost),
            error if error.is_retryable() || matches!(error, Error::OutcomeUnknown { .. }) => {
                let longest = Duration::from_millis(5) * 2_u32.pow((*waited).min(9));
                let wait = longest.min(LONGEST_WAIT).mul_f64(self.config.store.random());
                *waited += 1;
                warn!(subscription = %self.lease.subscription, %error, ?wait, "cannot {what}; trying again");
                self.pause(wait).await
            }
            error => Err(Ended::Failed(error)),
        }
    }

    /// Waits, unless something ends the work.
    async fn pause(&mut self, wait: Duration) -> Result<(), Ended> {
        let mut pulse = self.seat.pulse.clone();
        tokio::select! {
            () = self.stop.cancelled() => Err(Ended::Stopped),
            _ = pulse.wait_for(|pulse| pulse.status == LeaseStatus::Lost) => Err(Ended::Lost),
            () = sleep(wait) => Ok(()),
        }
    }
}

fn last_position(events: &[RecordedEvent]) -> Position {
    events.last().map_or(Position::START, RecordedEvent::position)
}

fn newly_parked(event: &RecordedEvent, reason: Option<String>) -> NewlyParked {
    NewlyParked { position: event.position(), aggregate_id: event.aggregate_id(), reason }
}

/// The failure with all its causes, as it is stored.
fn failure_text(error: &HandlerError) -> String {
    let mut text = error.to_string();
    let mut cause = error.cause();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    // Databases refuse it in a text.
    text.chars().filter(|c| *c != '\0').take(MOST_FAILURE_CHARS).collect()
}
