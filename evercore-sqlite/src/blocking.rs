//! Work that waits for the disk.

use evercore::{Error, Result};

/// Does it on a thread where no task waits for it. It is done to its end, even if this is dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(error) => Err(Error::Unavailable { source: Box::new(error) }),
        },
    }
}
