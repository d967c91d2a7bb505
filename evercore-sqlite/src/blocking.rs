//! Work that waits for the disk.

use evercore::{Error, Result, RuntimeProblem};
use tokio::runtime::Handle;

/// Does it on a thread where no task waits for it. It is done to its end, even if this is dropped.
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

/// The runtime that this is called in.
pub(crate) fn current() -> Result<Handle> {
    Handle::try_current().map_err(|_| Error::NoRuntime { problem: RuntimeProblem::Missing })
}
