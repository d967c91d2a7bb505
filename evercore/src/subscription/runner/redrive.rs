//! Handling parked events again.

use std::collections::HashSet;
use std::sync::Arc;

use super::batches::{failure_text, newly_parked};
use super::{Ended, Runner, patiently};
use crate::engine::{ParkedRequest, Settlement, WhichParked};
use crate::subscription::deliver::{Deliver, Recorded};
use crate::{Position, RecordedEvent};

impl Runner {
    pub(super) async fn redrive<D: Deliver>(&mut self, deliver: &mut D) -> Result<(), Ended> {
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
            let events = vec![event.clone()].into();
            match self.deliver(deliver, events, &settlement).await? {
                Ok(recorded) => {
                    if recorded == Recorded::NotYet {
                        self.settle(settlement).await?;
                    }
                    return Ok(true);
                }
                Err(error) => {
                    failed += 1;
                    if !self.wait_to_retry(failed, event, &error).await? {
                        let text = failure_text(error.report());
                        self.say_it_failed(
                            event,
                            &text,
                            "a handler failed; the event stays parked",
                        );
                        settlement.unparked = None;
                        settlement.parked = vec![newly_parked(event, Some(text))];
                        self.settle(settlement).await?;
                        return Ok(false);
                    }
                }
            }
        }
    }
}
