//! Has a context wait where others queue for an aggregate.

use std::pin::Pin;
use std::sync::Arc;

use super::Context;
use crate::store::Inner;
use crate::{AggregateId, NaturalKey, Turn};

/// The most attempts that wait for one aggregate. Further ones go on without a turn.
const MOST_WAITING: usize = 1_000;

/// What attempts queue for: an aggregate, as the closure has asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Id(AggregateId),
    /// With the stored name of its type.
    Key(&'static str, NaturalKey),
}

/// Whether a context waits where others queue.
#[derive(Debug)]
pub(crate) enum Queueing {
    /// It joins the first queue that it comes upon.
    Joins,
    /// It has its turn, and waits for no other one: who holds one and waits for another is in the way of all.
    Holds(Box<Turn<Lane>>),
    /// It waits for nothing.
    Passes,
}

impl Inner {
    /// Waits for a turn, and goes on without one where one turn lasts longer than the longest wait for a rerun.
    pub(crate) async fn queue(&self, lane: Lane) -> Queueing {
        let place = self.turns.enter(lane, MOST_WAITING);
        let turn = match place {
            Some(place) => place.turn_within(self.patience()).await,
            None => None,
        };
        turn.map_or(Queueing::Passes, |turn| Queueing::Holds(Box::new(turn)))
    }
}

impl Context {
    /// Joins the queue if others wait for an aggregate that is about to be read: to be awaited before. In a box, so that
    /// the futures of loads, which seldom wait, need no room for it.
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

    /// The turn that it has, to be held until its commit is answered.
    pub(crate) fn take_queueing(&mut self) -> Queueing {
        std::mem::replace(&mut self.queueing, Queueing::Passes)
    }
}
