//! The primitives that synchronize threads. `tests/interleavings` replaces them.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
