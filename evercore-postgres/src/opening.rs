//! Waits for the driver's pools by the machine's clock.
//!
//! A pool bounds its waits by tokio's clock, which a test may have paused. A paused clock jumps ahead whenever all
//! tasks wait, so that no connection is opened in time, unless a blocking thread is at work meanwhile. So the engine
//! waits for a pool on a blocking thread. This is seldom and brief: only while the pool opens a connection or pings
//! one.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::task::Poll;
use std::time::Duration;

use evercore::engine::timeout;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

/// Waits for a connection of a pool. The connection is opened completely even if this future is dropped.
pub(crate) async fn opened<T: Send + 'static>(
    patience: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>> + Send + 'static,
) -> Result<T, sqlx::Error> {
    let mut work = Box::pin(work);
    let at_once = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
    if let Poll::Ready(opened) = at_once {
        return opened;
    }
    let runtime = Handle::current();
    let opened = spawn_blocking(move || runtime.block_on(timeout(patience, work))).await;
    match opened {
        Ok(opened) => opened.unwrap_or(Err(sqlx::Error::PoolTimedOut)),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(sqlx::Error::PoolClosed),
        },
    }
}
