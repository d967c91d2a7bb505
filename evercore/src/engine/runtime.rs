//! Tells whether the tokio runtime that an engine runs on still exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::{Error, Result, RuntimeProblem};

/// The tokio runtime that an engine was opened in. For engines whose tasks and connections end with their runtime.
#[derive(Debug)]
pub struct EngineRuntime {
    handle: Handle,
    has_ended: Arc<AtomicBool>,
    /// A task that lives as long as the runtime does.
    witness: AbortHandle,
}

/// Sets its flag when it is dropped.
struct Ending(Arc<AtomicBool>);

impl EngineRuntime {
    /// Returns the runtime that this is called in.
    ///
    /// # Errors
    /// [`Error::NoRuntime`] if it is called outside of one.
    pub fn current() -> Result<Self> {
        let handle = Handle::try_current().map_err(|_| missing())?;
        let has_ended = Arc::default();
        let ending = Ending(Arc::clone(&has_ended));
        let witness = handle.spawn(async move {
            let _ending = ending;
            std::future::pending::<()>().await;
        });
        Ok(Self { handle, has_ended, witness: witness.abort_handle() })
    }

    /// Returns a handle to the runtime.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Checks that the engine can work: its own runtime has not ended, and this is called in a runtime, possibly
    /// another one.
    ///
    /// # Errors
    /// [`Error::NoRuntime`] if it cannot work.
    pub fn check(&self) -> Result<()> {
        if self.has_ended.load(Ordering::Acquire) {
            return Err(Error::NoRuntime { problem: RuntimeProblem::Ended });
        }
        in_runtime()
    }

    /// Returns the reason why a call has failed: the end of the runtime, if it has ended by now and `error` may follow
    /// from that, and `error` otherwise.
    #[must_use]
    pub fn reason(&self, error: Error) -> Error {
        let is_trouble =
            matches!(error, Error::Unavailable { .. } | Error::Closed | Error::Storage { .. });
        match self.check() {
            Err(ended) if is_trouble => ended,
            _ => error,
        }
    }
}

/// Checks that this is called within a tokio runtime.
pub(crate) fn in_runtime() -> Result<()> {
    Handle::try_current().map(drop).map_err(|_| missing())
}

const fn missing() -> Error {
    Error::NoRuntime { problem: RuntimeProblem::Missing }
}

impl Drop for EngineRuntime {
    fn drop(&mut self) {
        self.witness.abort();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().expect("it is built")
    }

    fn problem(result: Result<()>) -> Option<RuntimeProblem> {
        match result {
            Ok(()) => None,
            Err(Error::NoRuntime { problem }) => Some(problem),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_end_of_the_runtime_is_seen_from_another_one() {
        let outside = EngineRuntime::current().map(drop);
        assert_eq!(problem(outside), Some(RuntimeProblem::Missing));
        let (first, second) = (runtime(), runtime());
        let opened = first.block_on(async { EngineRuntime::current() }).expect("it is in one");
        assert_eq!(problem(second.block_on(async { opened.check() })), None);
        assert_eq!(problem(opened.check()), Some(RuntimeProblem::Missing));
        drop(first);
        assert_eq!(problem(second.block_on(async { opened.check() })), Some(RuntimeProblem::Ended));
        let reason = second.block_on(async { opened.reason(Error::Closed) });
        assert_eq!(problem(Err(reason)), Some(RuntimeProblem::Ended));
        let verdict = second.block_on(async { opened.reason(Error::TransactionEnded) });
        assert!(matches!(verdict, Error::TransactionEnded), "{verdict}");
    }

    #[test]
    fn a_runtime_that_is_there_explains_nothing() {
        let runtime = runtime();
        runtime.block_on(async {
            let opened = EngineRuntime::current().expect("it is in one");
            assert!(matches!(opened.reason(Error::Closed), Error::Closed));
            drop(opened);
            while runtime.metrics().num_alive_tasks() > 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}
