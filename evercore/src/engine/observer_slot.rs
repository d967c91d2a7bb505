//! Holds the observer of an engine.

use std::sync::{Arc, OnceLock};

use crate::observer::Observer;

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

    /// Returns the observer.
    #[must_use]
    pub fn get(&self) -> Option<&dyn Observer> {
        self.0.get().map(|observer| &**observer)
    }
}
