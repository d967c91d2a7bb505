//! Holds the observer of an engine.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::observer::{CommitAnswer, Observation, Observer};
use crate::{Committed, Result};

/// The place for an engine's observer, which a store sets when it is opened. Clones share it.
///
/// Until an observer is set, an observation costs one look at memory. If several stores are opened on one engine, the
/// engine reports to the first observer that was set.
#[derive(Clone, Debug, Default)]
pub struct ObserverSlot(Arc<OnceLock<Arc<dyn Observer>>>);

impl ObserverSlot {
    /// Makes an empty place.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the observer, unless one is set.
    pub fn set(&self, observer: Arc<dyn Observer>) {
        // The first one stays, as the docs say.
        let _: Result<(), Arc<dyn Observer>> = self.0.set(observer);
    }

    /// Tells the observer of a commit whose caller has gone before the answer, so that the store could not tell it. The
    /// duration begins with the group that the commit was sent in.
    pub fn unheard(&self, answer: &Result<Committed>, events: usize, began: Instant) {
        if let Some(observer) = self.get() {
            let (duration, answer) = (began.elapsed(), CommitAnswer::of(answer));
            observer.observe(&Observation::Commit { duration, answer, events });
        }
    }

    /// Returns the observer.
    #[must_use]
    pub fn get(&self) -> Option<&dyn Observer> {
        self.0.get().map(|observer| &**observer)
    }
}
