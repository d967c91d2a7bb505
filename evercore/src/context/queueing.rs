//! Makes a context wait for its turn where others already queue for an aggregate.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use super::Context;
use crate::Turn;
use crate::shared::{Shared, TurnKey};

/// The longest that one attempt waits for its turn, whatever the retry policy says.
const MOST_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a context waits where others queue.
#[derive(Debug)]
pub(crate) enum Queueing {
    /// The context joins the first queue that it meets.
    Joins,
    /// The context has its turn and waits for no other: waiting while holding a turn would block all who wait for that
    /// turn.
    Holds(Box<Turn<TurnKey>>),
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
    /// Waits for a turn in a queue, however many wait already: an attempt that went ahead would conflict with those that
    /// wait. A turn that lasts too long is overtaken by one attempt, not by all.
    pub(crate) async fn queue(&self, turn_key: TurnKey) -> Queueing {
        let patience = self.longest_wait().min(MOST_PATIENCE);
        let place = self.turns.enter(turn_key, usize::MAX).expect("BUG: any number may wait");
        let turn = place.turn_within(patience).await;
        if turn.overtakes() {
            let turn_key = turn.key();
            warn!(
                ?turn_key,
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
        turn_key: impl FnOnce() -> TurnKey,
    ) -> Option<Pin<Box<dyn Future<Output = Queueing> + Send>>> {
        if self.store.turns.is_empty() || !matches!(self.queueing, Queueing::Joins) {
            return None;
        }
        let turn_key = turn_key();
        if !self.store.turns.has_queue(&turn_key) {
            return None;
        }
        let store = Arc::clone(&self.store);
        Some(Box::pin(async move { store.queue(turn_key).await }))
    }

    /// Takes the turn out of the context, to be held until its commit is answered.
    pub(crate) fn take_queueing(&mut self) -> Queueing {
        std::mem::replace(&mut self.queueing, Queueing::Passes)
    }
}
