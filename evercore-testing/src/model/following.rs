//! Durable subscriptions that park what their handler fails on.

use super::{Logged, Model};

/// What is known of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    cursor: usize,
    paused: bool,
    parked: Vec<Parked>,
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
}

impl<E: Clone> Model<E> {
    /// What is known of a subscription; one that never ran is at the beginning of the log.
    pub fn subscription(&mut self, name: &str) -> &mut Subscription {
        self.subscriptions.entry(name.to_owned()).or_default()
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
        for mut parked in std::mem::take(&mut self.parked) {
            let waits = is_behind(&left, log, parked.place);
            if parked.redrive == Redrive::Due && !waits {
                if follow(&log[parked.place]) == Following::Handles {
                    handled.push(parked.place);
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

/// Whether an event of the same aggregate is parked.
fn is_behind<E>(parked: &[Parked], log: &[Logged<E>], place: usize) -> bool {
    parked.iter().any(|earlier| log[earlier.place].aggregate == log[place].aggregate)
}
