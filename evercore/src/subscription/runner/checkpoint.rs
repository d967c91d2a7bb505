//! Records the cursor of a partition, several batches at a time while it catches up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Runner, patiently};
use crate::Position;
use crate::engine::{CursorMove, Settlement};

/// The time that a cursor which has only moved past events that do not match may stay unrecorded.
const SKIPPED_WITHIN: Duration = Duration::from_millis(250);

/// The most batches that are recorded together.
const MOST_BATCHES: u32 = 32;

/// The distance between the stored cursor and the one that has been reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checkpoint {
    since: Instant,
    /// The number of batches that were handled. If it is 0, the cursor has only moved past events that are not
    /// followed.
    batches: u32,
}

impl Runner {
    /// Moves the cursor in memory past events that are handled, parked or not followed. It has to be recorded later.
    pub(super) fn moved(&mut self, to: Position, handled: usize) {
        self.cursor = to;
        if self.cursor > self.recorded {
            let fresh = || Checkpoint { since: Instant::now(), batches: 0 };
            let unrecorded = self.unrecorded.get_or_insert_with(fresh);
            unrecorded.batches += u32::from(handled > 0);
        }
        self.config.progress.moved(&self.lease, to, handled);
        self.observe_lag();
    }

    /// Notes that the stored cursor is the one that has been reached, and wakes the calls that wait for it.
    pub(super) fn is_recorded(&mut self) {
        (self.recorded, self.unrecorded) = (self.cursor, None);
        self.config.store.settled.notify();
    }

    /// Returns the time by which the cursor is to be recorded; `None` if it is recorded.
    pub(super) fn record_at(&self) -> Option<Instant> {
        let Checkpoint { since, batches } = self.unrecorded?;
        let within = match batches {
            0 => SKIPPED_WITHIN,
            1..MOST_BATCHES => self.config.record_within,
            _ => Duration::ZERO,
        };
        Some(since + within)
    }

    /// Returns whether any handled batch is unrecorded.
    pub(super) fn has_unrecorded_batches(&self) -> bool {
        self.unrecorded.is_some_and(|unrecorded| unrecorded.batches > 0)
    }

    /// Records the cursor if it has moved since the last record.
    pub(super) async fn record(&mut self) -> Result<(), Ended> {
        if self.unrecorded.is_some() {
            self.settle(self.settlement(self.cursor)).await?;
            self.is_recorded();
        }
        Ok(())
    }

    /// Records the cursor if that is due.
    pub(super) async fn record_if_due(&mut self) -> Result<(), Ended> {
        match self.record_at() {
            Some(at) if at <= Instant::now() => self.record().await,
            _ => Ok(()),
        }
    }

    /// Makes a settlement that says that everything up to a position is handled.
    pub(super) fn settlement(&self, to: Position) -> Settlement {
        Settlement {
            lease: self.lease.clone(),
            cursor: Some(CursorMove { from: self.recorded, to }),
            parked: Vec::new(),
            unparked: None,
            failure: None,
        }
    }

    pub(super) async fn settle(&mut self, settlement: Settlement) -> Result<(), Ended> {
        let engine = Arc::clone(&self.config.store.engine);
        patiently!(self, "record a batch", engine.settle(&settlement));
        Ok(())
    }
}
