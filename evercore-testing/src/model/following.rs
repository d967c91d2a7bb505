//! Durable subscriptions that park what their handler fails on.

use std::collections::BTreeSet;

use super::{Logged, Model};

/// What is known of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    cursor: usize,
    paused: bool,
    parked: Vec<Parked>,
    discarded: BTreeSet<usize>,
}

/// An event that was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its place in the log.
    pub place: usize,
    /// Whether the handler has failed on it; if not, it waits for an earlier one of its aggregate.
    pub failed: bool,
    /// Whether it is to be handled again.
    pub redrive: Redrive,
}

/// Whether a parked event is to be handled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redrive {
    /// Not unless somebody asks for it.
    No,
    /// When the subscription runs.
    Due,
}

/// What a subscription does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Following {
    /// It does not follow it.
    Passes,
    /// Its handler succeeds.
    Handles,
    /// Its handler fails.
    Fails,
}

impl Subscription {
    /// Everything before this place in the log is handled or parked.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Whether it is paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// What is parked, in the order of the log.
    #[must_use]
    pub fn parked(&self) -> &[Parked] {
        &self.parked
    }

    /// The places in the log of what was discarded, in its order.
    pub fn discarded(&self) -> impl Iterator<Item = usize> {
        self.discarded.iter().copied()
    }

    fn first_beside<E>(&self, log: &[Logged<E>], place: usize) -> Option<usize> {
        let is_beside = |parked: &&Parked| log[parked.place].aggregate == log[place].aggregate;
        self.parked.iter().find(is_beside).map(|first| first.place)
    }
}

impl<E: Clone> Model<E> {
    /// What is known of a subscription; one that never ran is at the beginning of the log.
    pub fn subscription(&mut self, name: &str) -> &mut Subscription {
        self.subscriptions.entry(name.to_owned()).or_default()
    }

    /// Has a subscription handle the first parked event of the aggregate that an event belongs to, and then the later ones,
    /// when it runs. The place of that one; `None` if nothing is parked there.
    pub fn ask_to_redrive_event(&mut self, name: &str, place: usize) -> Option<usize> {
        let subscription = self.subscriptions.get_mut(name)?;
        let first = subscription.first_beside(&self.log, place)?;
        let parked = subscription.parked.iter_mut().find(|parked| parked.place == first)?;
        parked.redrive = Redrive::Due;
        Some(first)
    }

    /// Discards a parked event. If it was the first of its aggregate, the later ones are handled when it runs.
    pub fn discard(&mut self, name: &str, place: usize) {
        let Some(subscription) = self.subscriptions.get_mut(name) else { return };
        let is_first = subscription.first_beside(&self.log, place) == Some(place);
        subscription.parked.retain(|parked| parked.place != place);
        subscription.discarded.insert(place);
        if is_first {
            make_due(&mut subscription.parked, &self.log, place);
        }
    }

    /// Runs a subscription until there is nothing left to do. The places of what was handled, in an order that holds
    /// within each aggregate.
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
    /// Has it handle nothing until resumed.
    pub const fn pause(&mut self) {
        self.paused = true;
    }

    /// Lets it go on.
    pub const fn resume(&mut self) {
        self.paused = false;
    }

    /// Has it go on from another place; what was parked is forgotten.
    pub fn reset(&mut self, cursor: usize) {
        self.cursor = cursor;
        self.parked.clear();
    }

    /// Has it handle what is parked when it runs.
    pub fn ask_to_redrive(&mut self) {
        for parked in &mut self.parked {
            parked.redrive = Redrive::Due;
        }
    }

    /// What fails again stays parked, with the later ones of its aggregate.
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

/// Has what is parked of the same aggregate handled when the subscription runs.
fn make_due<E>(parked: &mut [Parked], log: &[Logged<E>], place: usize) {
    for other in parked {
        if log[other.place].aggregate == log[place].aggregate {
            other.redrive = Redrive::Due;
        }
    }
}

/// Whether an event of the same aggregate is parked.
fn is_behind<E>(parked: &[Parked], log: &[Logged<E>], place: usize) -> bool {
    parked.iter().any(|earlier| log[earlier.place].aggregate == log[place].aggregate)
}
