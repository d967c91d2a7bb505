//! A state in a handle: its own, or shared with the cache.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::Aggregate;

/// A state. What is shared is copied before it is changed.
pub(crate) enum State<T> {
    Own(T),
    Shared(Arc<T>, Copied<T>),
}

/// How a state is copied.
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
                Arc::get_mut(state).expect("BUG: nobody else knows of the copy")
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
    /// One that can be shared, if the type allows for it.
    pub(crate) fn shareable(self) -> Self {
        match (self, T::CLONE) {
            (Self::Own(state), Some(copied)) => Self::Shared(Arc::new(state), copied),
            (state, _) => state,
        }
    }

    /// What somebody shares as a `T`. `None` if it is none.
    pub(crate) fn of_shared(state: Arc<dyn Any + Send + Sync>) -> Option<Self> {
        Some(Self::Shared(state.downcast().ok()?, T::CLONE?))
    }

    /// Lets somebody else share it, if it can be shared.
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
