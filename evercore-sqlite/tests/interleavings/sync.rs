//! Locks of which loom decides who gets them next.

pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
