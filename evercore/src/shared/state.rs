//! Holds the state of a handle: owned by it, or shared with the cache.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::Aggregate;

/// A state. A shared one is copied before it is changed.
pub(crate) enum State<T> {
    Own(T),
    Shared(Arc<T>, Copied<T>),
}

/// A function that copies a state.
type Copied<T> = fn(&T) -> T;

impl<T> State<T> {
    pub(crate) fn get(&self) -> &T {
        match self {
            Self::Own(state) => state,
            Self::Shared(state, _) => state,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        match self {
            Self::Own(state) => state,
            Self::Shared(state, copied) => {
                if Arc::get_mut(state).is_none() {
                    *state = Arc::new(copied(state));
                }
                Arc::get_mut(state).expect("BUG: the copy is not shared yet")
            }
        }
    }

    pub(crate) fn into_inner(self) -> T {
        match self {
            Self::Own(state) => state,
            Self::Shared(state, copied) => {
                Arc::try_unwrap(state).unwrap_or_else(|state| copied(&state))
            }
        }
    }
}

impl<T: Aggregate> State<T> {
    /// Makes the state shareable, if the type can be copied.
    pub(crate) fn shareable(self) -> Self {
        match (self, T::CLONE) {
            (Self::Own(state), Some(copied)) => Self::Shared(Arc::new(state), copied),
            (state, _) => state,
        }
    }

    /// Downcasts a shared state to `T`; `None` if it is of another type or `T` cannot be copied.
    pub(crate) fn of_shared(state: Arc<dyn Any + Send + Sync>) -> Option<Self> {
        Some(Self::Shared(state.downcast().ok()?, T::CLONE?))
    }

    /// Returns the state for sharing, if it can be shared.
    pub(crate) fn share(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(state, _) => Some(Arc::<T>::clone(state)),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
