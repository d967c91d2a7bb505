//! Drops a future at a chosen await point.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

/// Polls a future up to `polls` times, then drops it. Returns its output if it completed.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A future that counts its steps, one per poll except the last.
    async fn steps(taken: &mut u32) {
        for _ in 0..3 {
            *taken += 1;
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_future_is_polled_so_often_and_dropped() {
        for (polls, expected) in
            [(0, (0, None)), (1, (1, None)), (3, (3, None)), (4, (3, Some(())))]
        {
            let mut taken = 0;
            let output = drop_after_polls(polls, steps(&mut taken)).await;
            assert_eq!((taken, output), expected, "{polls} polls");
        }
    }
}
