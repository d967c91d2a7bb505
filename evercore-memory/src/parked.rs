//! Keeps parked events, in the order of the log and by lane.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use chrono::{DateTime, Utc};
use evercore::engine::{Lane, NewlyParked};
use evercore::subscription::{ParkedEvent, Partition};
use evercore::{Position, RecordedEvent};

use crate::subscriptions::later;

/// The parked events of a subscription.
#[derive(Debug, Default)]
pub(crate) struct ParkedEvents {
    by_position: BTreeMap<Position, Parked>,
    queues: BTreeMap<Lane, Queue>,
}

#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) lane: Lane,
    pub(crate) reason: Option<String>,
    pub(crate) attempts: u32,
    pub(crate) parked_at: DateTime<Utc>,
    redrive_at: Option<DateTime<Utc>>,
}

/// The parked events of a lane. All of them are to be redriven, or none is.
#[derive(Debug, Default)]
struct Queue {
    positions: BTreeSet<Position>,
    redrive: bool,
}

impl ParkedEvents {
    pub(crate) fn len(&self) -> usize {
        self.by_position.len()
    }

    pub(crate) fn contains(&self, position: Position) -> bool {
        self.by_position.contains_key(&position)
    }

    pub(crate) fn has_lane(&self, id: Lane) -> bool {
        self.queues.contains_key(&id)
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.queues.keys().copied()
    }

    pub(crate) fn get(&self, position: Position) -> Option<&Parked> {
        self.by_position.get(&position)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Position, &Parked)> {
        self.by_position.iter().map(|(position, parked)| (*position, parked))
    }

    pub(crate) fn after(&self, position: Position) -> impl Iterator<Item = (Position, &Parked)> {
        let rest = self.by_position.range((Bound::Excluded(position), Bound::Unbounded));
        rest.map(|(position, parked)| (*position, parked))
    }

    /// Returns the first parked event of the lane that a parked event belongs to.
    pub(crate) fn first_beside(&self, position: Position) -> Option<Position> {
        let parked = self.by_position.get(&position)?;
        self.queues.get(&parked.lane)?.positions.first().copied()
    }

    pub(crate) fn is_due(&self, parked: &Parked, now: DateTime<Utc>) -> bool {
        let is_redriven = self.queues.get(&parked.lane).is_some_and(|queue| queue.redrive);
        is_redriven || parked.redrive_at.is_some_and(|at| at <= now)
    }

    /// Whether any event of a partition is due to be redriven.
    pub(crate) fn are_due(&self, partition: Partition, now: DateTime<Utc>) -> bool {
        let mut of_partition = self.queues.iter().filter(|(id, _)| partition.contains(**id));
        of_partition.any(|(_, queue)| queue.redrive)
            || self.by_position.values().any(|parked| {
                parked.redrive_at.is_some_and(|at| at <= now) && partition.contains(parked.lane)
            })
    }

    pub(crate) fn show(
        &self,
        parked: &Parked,
        event: RecordedEvent,
        now: DateTime<Utc>,
    ) -> ParkedEvent {
        let mut shown = ParkedEvent::new(event, parked.parked_at);
        shown.reason = parked.reason.clone();
        shown.attempts = parked.attempts;
        shown.redrive = self.is_due(parked, now);
        shown.redrive_at = parked.redrive_at;
        shown
    }

    pub(crate) fn redrive_all(&mut self) {
        self.queues.values_mut().for_each(|queue| queue.redrive = true);
    }

    /// Marks the parked events of a lane to be redriven.
    pub(crate) fn redrive(&mut self, lane: Lane) {
        if let Some(queue) = self.queues.get_mut(&lane) {
            queue.redrive = true;
        }
    }

    pub(crate) fn park(&mut self, event: &NewlyParked, now: DateTime<Utc>) {
        let NewlyParked { position, lane, reason, redrive_after } = event;
        let queue = self.queues.entry(*lane).or_default();
        let is_behind = queue.positions.first().is_some_and(|first| first < position);
        let is_new = queue.positions.insert(*position);
        if reason.is_some() {
            queue.redrive = false;
        } else if is_new && !is_behind {
            // The event that it waits for was discarded meanwhile.
            queue.redrive = true;
        }
        let parked = self.by_position.entry(*position).or_insert(Parked {
            lane: *lane,
            reason: None,
            attempts: 0,
            parked_at: now,
            redrive_at: None,
        });
        parked.parked_at = now;
        parked.redrive_at = redrive_after.map(|wait| later(now, wait));
        if reason.is_some() {
            parked.reason.clone_from(reason);
            parked.attempts += 1;
        }
    }

    pub(crate) fn remove(&mut self, position: Position) -> Option<Parked> {
        let parked = self.by_position.remove(&position)?;
        if let Some(queue) = self.queues.get_mut(&parked.lane) {
            queue.positions.remove(&position);
            if queue.positions.is_empty() {
                self.queues.remove(&parked.lane);
            }
        }
        Some(parked)
    }

    pub(crate) fn clear(&mut self) {
        self.by_position.clear();
        self.queues.clear();
    }
}
