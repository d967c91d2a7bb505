//! Makes a context wait for its turn where others already queue for an aggregate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Context;
use crate::Turn;
use crate::shared::{Lane, Shared};

/// The longest that one attempt waits for its turn, whatever the retry policy says.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a context waits where others queue.
#[derive(Debug)]
pub(crate) enum Queueing {
    /// The context joins the first queue that it meets.
    Joins,
    /// The context has its turn and waits for no other: waiting while holding a turn would block all who wait for that
    /// turn.
    Holds(Box<Turn<Lane>>),
    /// The context waits for no turn.
    Passes,
}

impl Queueing {
    /// Returns whether the context has its turn and has not been overtaken.
    pub(crate) fn has_turn(&self) -> bool {
        matches!(self, Self::Holds(turn) if !turn.is_over())
    }
}

impl Shared {
    /// Waits for a turn in a lane, however many wait already: an attempt that went ahead would conflict with those that
    /// wait. A turn that lasts too long is overtaken by one attempt, not by all.
    pub(crate) async fn queue(&self, lane: Lane) -> Queueing {
        let patience = self.longest_wait().min(MOST_PATIENCE);
        let place = self.turns.enter(lane, usize::MAX).expect("BUG: any number may wait");
        let turn = place.turn_within(patience).await;
        if turn.overtakes() {
            let lane = turn.key();
            warn!(
                ?lane,
                ?patience,
                "an attempt holds its turn for longer than others wait for it, so the next attempt runs at the same time: its closure is slow, or waits for a task that writes to the same aggregate"
            );
        }
        Queueing::Holds(Box::new(turn))
    }
}

impl Context {
    /// Joins the queue if others wait for an aggregate that is about to be read. The caller awaits the result before it
    /// reads. Boxed, to keep the rare wait out of the size of the futures of loads.
    pub(super) fn join_queue(
        &self,
        lane: impl FnOnce() -> Lane,
    ) -> Option<Pin<Box<dyn Future<Output = Queueing> + Send>>> {
        if self.store.turns.is_empty() || !matches!(self.queueing, Queueing::Joins) {
            return None;
        }
        let lane = lane();
        if !self.store.turns.has_queue(&lane) {
            return None;
        }
        let store = Arc::clone(&self.store);
        Some(Box::pin(async move { store.queue(lane).await }))
    }

    /// Takes the turn out of the context, to be held until its commit is answered.
    pub(crate) fn take_queueing(&mut self) -> Queueing {
        std::mem::replace(&mut self.queueing, Queueing::Passes)
    }
}
