//! Blocks a thread on a future, with a time-out.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Blocks until the future is done, or the time-out has passed. The future must not need a runtime, as a tokio timer
/// does.
pub(crate) fn block_on_timeout<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let started = Instant::now();
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
        let left = patience.saturating_sub(started.elapsed());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_on_when_what_it_waits_for_is_done_and_when_its_time_is_up() {
        let (send, receive) = tokio::sync::oneshot::channel();
        let sender = thread::spawn(move || send.send(7).expect("a caller waits"));
        let received = block_on_timeout(receive, Duration::from_secs(60));
        assert_eq!(received.expect("in time").expect("it was sent"), 7);
        sender.join().expect("no panic");
        assert!(block_on_timeout(std::future::pending::<()>(), Duration::from_millis(1)).is_none());
    }
}
