//! Drops futures before they complete.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// Polls a future this many times, letting other tasks run in between, and drops it.
pub(crate) async fn drop_after<F: Future>(polls: usize, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll(&mut future).await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Polls a future once.
pub(crate) async fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
}
