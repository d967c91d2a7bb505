//! Drops a future at an await point of choice.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future up to `polls` times and drops it, wherever it stands then. Its output if it was ready.
pub(crate) async fn drop_after_polls<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut left = polls;
    let mut future = pin!(future);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
