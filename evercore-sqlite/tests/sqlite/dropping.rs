//! Futures that are dropped before their end.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Polls a future so many times, letting others work in between, and drops it.
pub(crate) async fn drop_after<F: Future>(polls: usize, future: F) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if polled.await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
