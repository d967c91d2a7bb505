//! Runs blocking work outside of the runtime's worker threads.

use evercore::error::RuntimeProblem;
use evercore::{Error, Result};
use tokio::runtime::Handle;

/// Runs `work` on a thread for blocking work. It runs to its end even if this future is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let runtime = current()?;
    match runtime.spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(Error::NoRuntime { problem: RuntimeProblem::Ended }),
        },
    }
}

/// Returns the runtime of the caller.
pub(crate) fn current() -> Result<Handle> {
    Handle::try_current().map_err(|_| Error::NoRuntime { problem: RuntimeProblem::Missing })
}
