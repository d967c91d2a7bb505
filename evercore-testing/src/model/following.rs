//! Durable subscriptions that park the events on which their handler fails.

use std::collections::BTreeSet;

use super::{Logged, Model};

/// The state of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    cursor: usize,
    paused: bool,
    parked: Vec<Parked>,
    discarded: BTreeSet<usize>,
}

/// A parked event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The position of the event in the log.
    pub place: usize,
    /// Whether the handler failed on the event; otherwise it waits for an earlier event of its aggregate.
    pub failed: bool,
    /// Whether the event is to be redriven.
    pub redrive: Redrive,
}

/// Whether a parked event is to be redriven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Only when a redrive is requested.
    No,
    /// The next time that the subscription runs.
    Due,
}

/// The result of a subscription's handling of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// The subscription does not follow the event.
    Passes,
    /// The handler succeeds.
    Handles,
    /// The handler fails.
    Fails,
}

impl Subscription {
    /// Returns the index in the log before which all events are handled or parked.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Returns whether the subscription is paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Returns the parked events, in the order of the log.
    #[must_use]
    pub fn parked(&self) -> &[Parked] {
        &self.parked
    }

    /// Returns the indices in the log of the discarded events, in order.
    pub fn discarded(&self) -> impl Iterator<Item = usize> {
        self.discarded.iter().copied()
    }

    fn first_beside<E>(&self, log: &[Logged<E>], place: usize) -> Option<usize> {
        let is_beside = |parked: &&Parked| log[parked.place].aggregate == log[place].aggregate;
        self.parked.iter().find(is_beside).map(|first| first.place)
    }
}

impl<E: Clone> Model<E> {
    /// Returns a subscription; one that never ran is at the beginning of the log.
    pub fn subscription(&mut self, name: &str) -> &mut Subscription {
        self.subscriptions.entry(name.to_owned()).or_default()
    }

    /// Requests a redrive for the aggregate of the event at `place`: the next run handles its first parked event, and
    /// then the later ones. Returns the index of that first event, or `None` if the aggregate has no parked events.
    pub fn ask_to_redrive_event(&mut self, name: &str, place: usize) -> Option<usize> {
        let subscription = self.subscriptions.get_mut(name)?;
        let first = subscription.first_beside(&self.log, place)?;
        let parked = subscription.parked.iter_mut().find(|parked| parked.place == first)?;
        parked.redrive = Redrive::Due;
        Some(first)
    }

    /// Discards a parked event. If it was the first of its aggregate, the next run redrives the later ones.
    pub fn discard(&mut self, name: &str, place: usize) {
        let Some(subscription) = self.subscriptions.get_mut(name) else { return };
        let is_first = subscription.first_beside(&self.log, place) == Some(place);
        subscription.parked.retain(|parked| parked.place != place);
        subscription.discarded.insert(place);
        if is_first {
            make_due(&mut subscription.parked, &self.log, place);
        }
    }

    /// Runs a subscription until nothing is left to do. Returns the indices of the handled events, in an order that is
    /// correct within each aggregate.
    pub fn run(&mut self, name: &str, follow: impl Fn(&Logged<E>) -> Following) -> Vec<usize> {
        let mut subscription = std::mem::take(self.subscription(name));
        let mut handled = Vec::new();
        if !subscription.paused {
            subscription.redrive(&self.log, &follow, &mut handled);
            subscription.go_on(&self.log, &follow, &mut handled);
        }
        *self.subscription(name) = subscription;
        handled
    }
}

impl Subscription {
    /// Pauses the subscription.
    pub const fn pause(&mut self) {
        self.paused = true;
    }

    /// Resumes the subscription.
    pub const fn resume(&mut self) {
        self.paused = false;
    }

    /// Moves the cursor to another index and forgets the parked events.
    pub fn reset(&mut self, cursor: usize) {
        self.cursor = cursor;
        self.parked.clear();
    }

    /// Requests a redrive of all parked events in the next run.
    pub fn ask_to_redrive(&mut self) {
        for parked in &mut self.parked {
            parked.redrive = Redrive::Due;
        }
    }

    /// Redrives the due events. One that fails again stays parked, together with the later ones of its aggregate.
    fn redrive<E>(
        &mut self,
        log: &[Logged<E>],
        follow: impl Fn(&Logged<E>) -> Following,
        handled: &mut Vec<usize>,
    ) {
        let mut left: Vec<Parked> = Vec::new();
        let mut all = std::mem::take(&mut self.parked);
        for index in 0..all.len() {
            let mut parked = all[index];
            let waits = is_behind(&left, log, parked.place);
            if parked.redrive == Redrive::Due && !waits {
                if follow(&log[parked.place]) == Following::Handles {
                    handled.push(parked.place);
                    make_due(&mut all[index..], log, parked.place);
                    continue;
                }
                parked.failed = true;
            }
            left.push(Parked { redrive: Redrive::No, ..parked });
        }
        self.parked = left;
    }

    fn go_on<E>(
        &mut self,
        log: &[Logged<E>],
        follow: impl Fn(&Logged<E>) -> Following,
        handled: &mut Vec<usize>,
    ) {
        for place in self.cursor..log.len() {
            let follows = follow(&log[place]);
            let redrive = Redrive::No;
            if follows == Following::Passes {
                continue;
            } else if is_behind(&self.parked, log, place) {
                self.parked.push(Parked { place, failed: false, redrive });
            } else if follows == Following::Fails {
                self.parked.push(Parked { place, failed: true, redrive });
            } else {
                handled.push(place);
            }
        }
        self.cursor = log.len();
    }
}

/// Makes the parked events of the same aggregate due in the next run.
fn make_due<E>(parked: &mut [Parked], log: &[Logged<E>], place: usize) {
    for other in parked {
        if log[other.place].aggregate == log[place].aggregate {
            other.redrive = Redrive::Due;
        }
    }
}

/// Returns whether an event of the same aggregate is parked.
fn is_behind<E>(parked: &[Parked], log: &[Logged<E>], place: usize) -> bool {
    parked.iter().any(|earlier| log[earlier.place].aggregate == log[place].aggregate)
}
