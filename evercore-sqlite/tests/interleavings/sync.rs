//! Locks that loom schedules.

pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
