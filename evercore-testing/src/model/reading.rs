//! A read of events by their tags, on which a unit of work rests.

use std::fmt;
use std::sync::Arc;

use super::Logged;

/// Returns whether an event is selected.
type Selects<E> = dyn Fn(&Logged<E>) -> bool + Send + Sync;

/// A selection of events, and the number of those that were found.
pub(super) struct Reading<E> {
    name: String,
    selects: Arc<Selects<E>>,
    /// The log only grows, so as many events are the same events.
    found: usize,
}

impl<E> Reading<E> {
    pub(super) fn new(
        name: String,
        selects: impl Fn(&Logged<E>) -> bool + Send + Sync + 'static,
        log: &[Logged<E>],
    ) -> Self {
        let found = log.iter().filter(|logged| selects(logged)).count();
        Self { name, selects: Arc::new(selects), found }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_outdated(&self, log: &[Logged<E>]) -> bool {
        log.iter().filter(|logged| (self.selects)(logged)).count() != self.found
    }
}

impl<E> Clone for Reading<E> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), selects: Arc::clone(&self.selects), found: self.found }
    }
}

impl<E> fmt::Debug for Reading<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("name", &self.name)
            .field("found", &self.found)
            .finish_non_exhaustive()
    }
}
