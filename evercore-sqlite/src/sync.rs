//! What threads wait with. `tests/interleavings` has others in their place.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
