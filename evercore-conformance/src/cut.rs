//! Drops a future at a chosen await point.

use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::timeout;

/// The time to wait for a future to be woken before it is dropped. It may wait for something that never comes.
const PATIENCE: Duration = Duration::from_millis(30);

/// The point at which a future is dropped.
#[derive(Debug)]
pub struct Cut {
    polls: u32,
    moment: Moment,
    has_cut: bool,
}

/// When, after the last poll, a future is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Immediately.
    Waiting,
    /// After the future was woken, before it is polled again.
    Woken,
}

/// Polls a future up to `polls` times and drops it immediately. Returns its output if it completed.
pub(crate) async fn drop_after_polls<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    Cut::after(polls, Moment::Waiting).short(future).await
}

impl Cut {
    pub(crate) const fn never() -> Self {
        Self::after(u32::MAX, Moment::Waiting)
    }

    pub(crate) const fn after(polls: u32, moment: Moment) -> Self {
        Self { polls, moment, has_cut: false }
    }

    /// Returns whether a future was dropped before it completed.
    pub(crate) const fn has_cut(&self) -> bool {
        self.has_cut
    }

    /// Polls a future up to the given number of times and drops it. Returns its output if it completed.
    pub(crate) async fn short<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut left = self.polls;
        let mut future = pin!(future);
        let output = poll_fn(|context| {
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
        .await;
        if output.is_none() && self.moment == Moment::Woken {
            // The future's last poll has registered this task's waker.
            let _late = timeout(PATIENCE, woken()).await;
        }
        self.has_cut |= output.is_none();
        output
    }
}

/// Completes when the task is woken.
async fn woken() {
    let mut is_first = true;
    poll_fn(|_| if mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }).await;
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
        for moment in [Moment::Waiting, Moment::Woken] {
            for (polls, expected) in
                [(0, (0, None)), (1, (1, None)), (3, (3, None)), (4, (3, Some(())))]
            {
                let (mut taken, mut cut) = (0, Cut::after(polls, moment));
                let output = cut.short(steps(&mut taken)).await;
                assert_eq!((taken, output), expected, "{polls} polls, {moment:?}");
                assert_eq!(cut.has_cut(), output.is_none());
            }
        }
    }

    #[tokio::test]
    async fn a_future_that_never_wakes_is_not_waited_for() {
        let mut cut = Cut::after(1, Moment::Woken);
        assert_eq!(cut.short(std::future::pending::<()>()).await, None);
    }
}
