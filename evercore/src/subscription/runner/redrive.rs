//! Redrives parked events: gives them to the handler again.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::info;

use super::{Ended, Runner, patiently};
use crate::engine::{LeaseKey, LeaseStatus, ParkedRequest, Settlement, WhichParked};
use crate::subscription::deliver::{Deliver, HandlerFailure, Recorded};
use crate::{ParkedEvent, Position};

impl Runner {
    /// Redrives up to one batch of the parked events that are due. Returns `false` if there may be more: new events of
    /// the log are handled in between, so that they do not wait for parked ones that fail again and again.
    pub(super) async fn redrive<D: Deliver>(&mut self, deliver: &mut D) -> Result<bool, Ended> {
        let request = ParkedRequest {
            subscription: self.lease.subscription.clone(),
            after: Position::START,
            limit: self.config.batch_size,
            partition: self.partition,
            which: WhichParked::ToRedrive,
        };
        let engine = Arc::clone(&self.config.store.engine);
        let parked = patiently!(self, "read parked events", engine.parked_events(&request));
        let is_done = parked.is_empty();
        let mut given_up = HashSet::new();
        for parked in parked {
            let lane = self.lane_of(&parked.event);
            if given_up.contains(&lane) {
                continue;
            }
            if self.stop.is_cancelled() {
                return Err(Ended::Stopped);
            }
            let status = self.registration.tick.borrow().status;
            if !matches!(status, LeaseStatus::Held { paused: false, wanted: false, .. }) {
                return Ok(false);
            }
            if !self.redrive_one(deliver, &parked).await? {
                given_up.insert(lane);
            }
        }
        Ok(is_done)
    }

    /// Redrives one event. Returns `false` if it stays parked.
    async fn redrive_one<D: Deliver>(
        &mut self,
        deliver: &mut D,
        parked: &ParkedEvent,
    ) -> Result<bool, Ended> {
        let event = &parked.event;
        let mut failed = 0;
        let mut settlement = Settlement { cursor: None, ..self.settlement(self.cursor) };
        settlement.unparked = Some(event.position());
        loop {
            let events = vec![event.clone()].into();
            match self.deliver(deliver, events, &settlement).await? {
                Ok(recorded) => {
                    if recorded != Recorded::WithItsEffects {
                        self.settle(settlement).await?;
                    }
                    self.config.progress.moved(&self.lease, self.cursor, 1);
                    let LeaseKey { subscription, partition, .. } = &self.lease;
                    info!(%subscription, partition, position = %event.position(), "a parked event was handled");
                    return Ok(true);
                }
                Err(HandlerFailure { error, .. }) => {
                    failed += 1;
                    // With a redrive policy the event is redriven later anyway, and only its lane waits until then.
                    let comes_again = self.config.policy.redrive.is_some();
                    if comes_again || !self.wait_to_retry(failed, event, &error).await? {
                        let (text, often) = (error.report().to_stored(), parked.attempts);
                        let given_up = self.given_up(event, text, often.saturating_add(1));
                        self.say_it_is_parked(event, &given_up, "the event stays parked");
                        settlement.unparked = None;
                        settlement.parked = vec![given_up];
                        self.settle(settlement).await?;
                        return Ok(false);
                    }
                }
            }
        }
    }
}
