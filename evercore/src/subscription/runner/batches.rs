//! Gives the events of a page to the handler batch by batch, and retries, parks or stops when it fails.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use super::suspects::Suspects;
use super::{Ended, Runner, patiently};
use crate::engine::{Lane, LeaseKey, LeaseStatus, NewlyParked, Settlement};
use crate::recorded::page::PageEvents;
use crate::shared::heartbeat::UNDISTURBED;
use crate::subscription::config::Config;
use crate::subscription::deliver::{Deliver, HandlerFailure, Recorded, Undelivered};
use crate::subscription::failure::AtLast;
use crate::subscription::handler::{Batch, HandlerError};
use crate::subscription::interrupt::Interrupt;
use crate::subscription::progress::SubscriptionState;
use crate::{Error, LogPage, Position, RecordedEvent};

/// The outcome of a delivery.
type Delivered = Result<Recorded, HandlerFailure>;

impl Runner {
    /// Handles a page batch by batch, and returns early if something else has to be dealt with first.
    pub(super) async fn process<D: Deliver>(
        &mut self,
        deliver: &mut D,
        page: LogPage,
    ) -> Result<(), Ended> {
        let LogPage { events, end, at_end } = page;
        if events.is_empty() {
            return self.skip(end, at_end).await;
        }
        self.config.progress.set_state(SubscriptionState::CatchingUp);
        let mut behind = self.parked_among(&events).await?;
        let mut rest = PageEvents::from(events);
        // One batch goes first even if events are to be redriven: events that fail again and again would let no others
        // through.
        let mut redrive_waits = true;
        let batch_size = usize::try_from(self.config.batch_size).unwrap_or(usize::MAX);
        while !rest.is_empty() {
            if self.is_interrupted(redrive_waits) {
                return Ok(());
            }
            redrive_waits = false;
            let (chunk, later) = rest.split_at(self.suspects.next_batch(&rest, batch_size));
            let to = if later.is_empty() { end } else { last_position(&chunk) };
            let (waiting, events) = self.set_aside(chunk, &behind);

            let settlement = Settlement { parked: waiting.clone(), ..self.settlement(to) };
            let delivered = self.deliver(deliver, events.clone(), &settlement).await?;
            let HandlerFailure { error, handled } = match delivered {
                Ok(Recorded::NotYet(count)) if count < events.len() => {
                    rest = self.handled_first(count, &events, waiting, &rest).await?;
                    continue;
                }
                Ok(recorded) => {
                    let is_last = at_end && later.is_empty();
                    self.handled(to, events.len(), recorded, waiting, is_last).await?;
                    rest = later;
                    continue;
                }
                Err(failure) => failure,
            };
            self.record().await?;
            if let [event] = &*events {
                let failed = self.fails_again(event);
                if self.wait_to_retry(failed, event, &error).await? {
                    continue;
                }
                if self.config.policy.at_last == AtLast::Stop {
                    return Err(self.fail(event, error).await);
                }
                let given_up = self.given_up(event, error.report().to_stored(), 1);
                self.say_it_is_parked(event, &given_up, "parking the event");
                let mut parked = waiting;
                parked.push(given_up);
                parked.sort_unstable_by_key(|parked| parked.position);
                self.park(to, parked, 0).await?;
                self.has_parked = true;
                behind.insert(self.lane_of(event));
                rest = later;
                continue;
            }
            match error.failed_at().filter(|&index| index < events.len()) {
                Some(index) => self.suspects = Suspects::among(&events[index..=index]),
                None if self.config.policy.stops_at_once() => {
                    return Err(self.fail(&events[0], error).await);
                }
                None => self.suspects = Suspects::among(&events),
            }
            if handled > 0 {
                rest = self.handled_first(handled, &events, waiting, &rest).await?;
            }
        }
        Ok(())
    }

    /// Records that the first `count` of the given events are handled, and returns the events of the page after them.
    async fn handled_first(
        &mut self,
        count: usize,
        given: &PageEvents,
        waiting: Vec<NewlyParked>,
        page: &PageEvents,
    ) -> Result<PageEvents, Ended> {
        let to = given[count - 1].position();
        let waiting = waiting.into_iter().filter(|event| event.position <= to);
        self.park(to, waiting.collect(), count).await?;
        Ok(page.split_at(page.partition_point(|event| event.position() <= to)).1)
    }

    /// Counts a failure of an event that was given alone, and returns the number so far. Other work may have come
    /// between the failures.
    fn fails_again(&mut self, event: &RecordedEvent) -> u32 {
        let position = event.position();
        let before = self.failing.filter(|(failing, _)| *failing == position);
        let failed = before.map_or(0, |(_, failed)| failed).saturating_add(1);
        self.failing = Some((position, failed));
        failed
    }

    /// Returns whether something else goes before the next batch: a stop, a pause, a hand-over or a redrive.
    fn is_interrupted(&self, redrive_waits: bool) -> bool {
        let tick = &self.registration.tick;
        let has_news = tick.has_changed().unwrap_or(true);
        let is_disturbed = || match tick.borrow().status {
            LeaseStatus::Held { paused: false, wanted: false, redrive } => {
                redrive && !redrive_waits
            }
            _ => true,
        };
        self.stop.is_cancelled() || (has_news && is_disturbed())
    }

    /// Gives events to the handler, if there are any, and returns its outcome. Any other failure is retried here, or
    /// ends the work.
    pub(super) async fn deliver<D: Deliver>(
        &mut self,
        deliver: &mut D,
        events: PageEvents,
        settlement: &Settlement,
    ) -> Result<Delivered, Ended> {
        if events.is_empty() {
            return Ok(Ok(Recorded::NotYet(0)));
        }
        let count = events.len();
        let Config { store, handle_within, followed, .. } = &*self.config;
        if let Some((index, error)) = followed.read.without_lane(&events) {
            let error = HandlerError::at(index, error);
            return Ok(Err(HandlerFailure { error, handled: 0 }));
        }
        let batch = Batch::of(events, &store.registry, *handle_within);
        let (interrupt, mut waited) = (Interrupt::of(self.stop.clone()), 0);
        loop {
            let began = self.observed_from();
            let delivery = deliver.deliver(batch.clone(), settlement.clone(), &interrupt);
            match self.attend(delivery, &interrupt).await? {
                Ok(recorded) => {
                    self.observe_handled(recorded, count, began);
                    return Ok(Ok(recorded));
                }
                Err(Undelivered::Handler(failure)) => {
                    if failure.handled > 0 {
                        self.observe_handled(Recorded::NotYet(failure.handled), count, began);
                    }
                    return Ok(Err(failure));
                }
                Err(Undelivered::Store(error)) => {
                    self.wait_for_store("record a batch", error, &mut waited).await?;
                }
            }
        }
    }

    /// Waits for a delivery, unless the lease is lost. If it takes long, the batches before it are recorded meanwhile.
    async fn attend(
        &mut self,
        delivery: impl Future<Output = Result<Recorded, Undelivered>>,
        interrupt: &Interrupt,
    ) -> Result<Result<Recorded, Undelivered>, Ended> {
        let mut tick = self.registration.tick.clone();
        let mut lost = pin!(tick.wait_for(|tick| tick.status == LeaseStatus::Lost));
        let mut delivery = pin!(delivery);
        let mut interrupting = pin!(self.interrupt(interrupt.clone()));
        let record_at = self.record_at().filter(|_| self.has_unrecorded_batches());
        tokio::select! {
            biased;
            // Checked first: the delivery must stop, or not begin, since another worker has the events now.
            _ = &mut lost => return Err(Ended::Lost),
            delivered = &mut delivery => return Ok(delivered),
            never = &mut interrupting => match never {},
            () = sleep_until(record_at.unwrap_or_else(Instant::now)), if record_at.is_some() => {}
        }
        let settlement = self.settlement(self.cursor);
        let store = Arc::clone(&self.config.store);
        // Both at the same time: the handler may hold something that the record waits for, such as a lock.
        let record = async {
            let settled = store.engine.settle(&settlement).await;
            store.settled.notify();
            settled
        };
        let (delivered, settled) = tokio::select! {
            biased;
            _ = &mut lost => return Err(Ended::Lost),
            both = async { tokio::join!(delivery, record) } => both,
            never = &mut interrupting => match never {},
        };
        if settled.is_err() {
            self.settle(settlement).await?;
        }
        self.is_recorded();
        Ok(delivered)
    }

    /// Asks the handler to return before the rest of its batch, once the handled events are to be recorded or something
    /// else has come up. The future never ends.
    fn interrupt(&self, interrupt: Interrupt) -> impl Future<Output = Infallible> + use<> {
        let (stop, mut tick) = (self.stop.clone(), self.registration.tick.clone());
        let (lease, cursor, within) = (self.lease.clone(), self.cursor, self.config.record_within);
        if within.is_zero() {
            interrupt.request();
        }
        let interrupting = async move {
            let disturbed = async {
                while tick.changed().await.is_ok() && tick.borrow_and_update().status == UNDISTURBED
                {
                }
            };
            tokio::select! {
                () = disturbed => {}
                () = sleep(within) => {}
            }
            interrupt.request();
        };
        let stopping = async move {
            stop.cancelled().await;
            let LeaseKey { subscription, partition, .. } = &lease;
            info!(%subscription, partition, position = %cursor, "a worker is stopping, and waits for its handler, which has events after this position");
        };
        async {
            tokio::join!(interrupting, stopping);
            pending().await
        }
    }

    /// Moves the cursor past a batch that was handled, and records it unless it is to wait for later batches.
    async fn handled(
        &mut self,
        to: Position,
        count: usize,
        recorded: Recorded,
        waiting: Vec<NewlyParked>,
        is_last: bool,
    ) -> Result<(), Ended> {
        match recorded {
            Recorded::WithItsEffects => {
                self.say_they_wait(&waiting);
                self.observe_parked(waiting.len());
                self.moved(to, count);
                self.is_recorded();
                Ok(())
            }
            Recorded::NotYet(_) if !waiting.is_empty() => self.park(to, waiting, count).await,
            Recorded::NotYet(_) => {
                self.moved(to, count);
                if is_last { self.record().await } else { self.record_if_due().await }
            }
        }
    }

    /// Records the events that are parked together with a cursor at `to`, and then moves the cursor in memory. That
    /// must not come first: the cursor alone must not move past parked events.
    async fn park(
        &mut self,
        to: Position,
        parked: Vec<NewlyParked>,
        handled: usize,
    ) -> Result<(), Ended> {
        self.say_they_wait(&parked);
        let count = parked.len();
        self.settle(Settlement { parked, ..self.settlement(to) }).await?;
        self.observe_parked(count);
        self.moved(to, handled);
        self.is_recorded();
        Ok(())
    }

    /// Moves the cursor past events that are not followed.
    async fn skip(&mut self, to: Position, at_end: bool) -> Result<(), Ended> {
        self.moved(to, 0);
        if at_end && self.has_unrecorded_batches() {
            return self.record().await;
        }
        self.record_if_due().await
    }

    /// Waits before an event is retried. Returns `false` if its retries are used up.
    pub(super) async fn wait_to_retry(
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
        self.config.progress.saw_head(self.registration.tick.borrow().head);
        let error = error.report().to_string();
        self.say_it_failed(event, &error, &format!("a handler failed; retrying in {wait:?}"));
        self.config.progress.retries(Some(&self.lease), error);
        self.observe_retry(failed, wait);
        self.pause(wait).await?;
        self.config.progress.set_state(SubscriptionState::CatchingUp);
        Ok(true)
    }

    /// Logs a handler's failure and what follows it.
    pub(super) fn say_it_failed(&self, event: &RecordedEvent, error: &str, what_follows: &str) {
        let LeaseKey { subscription, partition, .. } = &self.lease;
        let (position, aggregate_id) = (event.position(), event.aggregate_id());
        let event = event.event_type();
        warn!(%subscription, partition, %position, %aggregate_id, event, error, "{what_follows}");
    }

    /// Logs that an event is parked, and whether it is redriven by itself.
    pub(super) fn say_it_is_parked(&self, event: &RecordedEvent, parked: &NewlyParked, how: &str) {
        let what_follows = match parked.redrive_after {
            Some(after) => format!("the event is redriven in {after:?}"),
            None => "redrive or discard the event".to_owned(),
        };
        let error = parked.reason.as_deref().unwrap_or_default();
        self.say_it_failed(event, error, &format!("a handler failed; {how}: {what_follows}"));
    }

    /// Makes the parking record of an event that the handler has failed on. `given_up` counts how often the event was
    /// parked, this time included.
    pub(super) fn given_up(
        &self,
        event: &RecordedEvent,
        reason: String,
        given_up: u32,
    ) -> NewlyParked {
        let redrive_after = self.config.policy.redrive_after(given_up, self.config.store.random());
        NewlyParked { reason: Some(reason), redrive_after, ..self.waiting(event) }
    }

    async fn parked_among(&mut self, events: &[RecordedEvent]) -> Result<HashSet<Lane>, Ended> {
        if !self.has_parked {
            return Ok(HashSet::new());
        }
        let mut lanes: Vec<Lane> = events.iter().map(|event| self.lane_of(event)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        let (engine, name) =
            (Arc::clone(&self.config.store.engine), self.lease.subscription.clone());
        let parked = patiently!(self, "read parked events", engine.parked_lanes(&name, &lanes));
        Ok(parked.into_iter().collect())
    }

    /// Logs that events are parked because earlier ones of their lanes are.
    fn say_they_wait(&self, parked: &[NewlyParked]) {
        let mut waiting = parked.iter().filter(|event| event.reason.is_none());
        if let Some(first) = waiting.next() {
            let LeaseKey { subscription, partition, .. } = &self.lease;
            let (position, events) = (first.position, waiting.count() + 1);
            warn!(%subscription, partition, %position, events, "parking events behind parked events of the same lanes");
        }
    }

    /// Splits events into those that wait for a parked event of their lane, and the others.
    fn set_aside(
        &self,
        events: PageEvents,
        behind: &HashSet<Lane>,
    ) -> (Vec<NewlyParked>, PageEvents) {
        let waits = |event: &RecordedEvent| behind.contains(&self.lane_of(event));
        if behind.is_empty() || !events.iter().any(waits) {
            return (Vec::new(), events);
        }
        let (waiting, others): (Vec<_>, Vec<_>) = events.iter().partition(|event| waits(event));
        let waiting = waiting.into_iter().map(|event| self.waiting(event)).collect();
        (waiting, others.into_iter().cloned().collect::<Vec<_>>().into())
    }

    /// Makes the parking record of an event that waits for an earlier parked one of its lane.
    fn waiting(&self, event: &RecordedEvent) -> NewlyParked {
        let (position, lane) = (event.position(), self.lane_of(event));
        NewlyParked { position, lane, reason: None, redrive_after: None }
    }

    pub(super) fn lane_of(&self, event: &RecordedEvent) -> Lane {
        self.config.followed.read.lane_of(event.aggregate_id(), event.tags())
    }

    /// Records the handler's failure, and returns the error to stop with.
    async fn fail(&mut self, event: &RecordedEvent, error: HandlerError) -> Ended {
        let (position, text) = (event.position(), error.report().to_stored());
        self.say_it_failed(event, &text, "a handler failed; the worker stops");
        let settlement =
            Settlement { cursor: None, failure: Some(text), ..self.settlement(self.cursor) };
        if let Err(ended) = self.settle(settlement).await {
            let LeaseKey { subscription, partition, .. } = &self.lease;
            warn!(%subscription, partition, %position, ?ended, "the failure of a handler was not recorded");
        }
        let (name, source) = (self.lease.subscription.to_string(), error.into_source());
        Ended::Failed(Error::HandlerFailed { name, position, source })
    }
}

fn last_position(events: &[RecordedEvent]) -> Position {
    events.last().map_or(Position::START, RecordedEvent::position)
}
