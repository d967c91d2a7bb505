//! Shares one answer among all requests that arrive at the same time, and for a moment after.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evercore::engine::timeout;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::task::block_in_place;

/// The time that an answer is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(1);

/// The time that a question has to say that it was not answered in its own time.
const GRACE: Duration = Duration::from_millis(250);

/// Asks a question in a task of its own, so that a request that is dropped does not take the answer from the others.
///
/// However many requests there are, at most one question is open, and the next one is asked when the answer is older
/// than [`KEPT`]. The question bounds its time itself; should it block its thread, requests do not wait for it.
pub(crate) struct Shared<T> {
    within: Duration,
    ask: Box<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>,
    current: Mutex<Option<watch::Receiver<Option<Answer<T>>>>>,
}

struct Answer<T> {
    value: Arc<T>,
    at: Instant,
}

impl<T: Send + Sync + 'static> Shared<T> {
    /// Shares a question that takes at most this long, unless it blocks its thread.
    pub(crate) fn new(
        within: Duration,
        ask: impl Fn() -> BoxFuture<'static, T> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { within, ask: Box::new(ask), current: Mutex::default() })
    }

    /// Returns the answer, or why there is none, in words.
    pub(crate) async fn get(&self) -> Result<Arc<T>, String> {
        let within = self.within.saturating_add(GRACE);
        let mut answered = self.answered();
        let answer = timeout(within, answered.wait_for(Option::is_some)).await.map_err(|_| {
            format!("the look has not ended within {within:?}: the database or a check blocks its thread, or the machine is overloaded")
        })?;
        // It has panicked, or its runtime is shutting down.
        let broken_off = || "the look has broken off; the log says why".to_owned();
        let answer = answer.map_err(|_| broken_off())?;
        answer.as_ref().map(|answer| Arc::clone(&answer.value)).ok_or_else(broken_off)
    }

    /// Returns the place of an answer that is fresh or on its way.
    fn answered(&self) -> watch::Receiver<Option<Answer<T>>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answered) = current.as_ref().filter(|answered| is_fresh(answered)) {
            return answered.clone();
        }
        let (answer, answered) = watch::channel(None);
        let question = aside((self.ask)());
        tokio::spawn(async move {
            let value = Arc::new(question.await);
            answer.send_replace(Some(Answer { value, at: Instant::now() }));
        });
        current.insert(answered).clone()
    }
}

/// Lets other threads take over the work of the one that polls a question, timers and connections included, so that a
/// question that blocks its thread holds up nothing else. A runtime with a single thread has no other.
async fn aside<T>(mut question: BoxFuture<'static, T>) -> T {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return question.await;
    }
    poll_fn(|context| block_in_place(|| question.poll_unpin(context))).await
}

fn is_fresh<T>(answered: &watch::Receiver<Option<Answer<T>>>) -> bool {
    match &*answered.borrow() {
        Some(answer) => answer.at.elapsed() < KEPT,
        // On its way, unless its task has ended without an answer.
        None => answered.has_changed().is_ok(),
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    /// Longer than any test waits.
    const WITHIN: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn requests_at_the_same_time_share_one_question() {
        let (asked, release) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let shared = Shared::new(WITHIN, {
            let (asked, release) = (Arc::clone(&asked), Arc::clone(&release));
            move || {
                let (number, release) =
                    (asked.fetch_add(1, Ordering::SeqCst), Arc::clone(&release));
                async move {
                    release.notified().await;
                    number
                }
                .boxed()
            }
        });
        // The first request is dropped while the question is open.
        assert!(shared.get().now_or_never().is_none());
        let others = join_all((0..100).map(|_| shared.get()));
        release.notify_one();
        let numbers: Vec<_> =
            others.await.into_iter().map(|number| number.as_deref().copied().ok()).collect();
        assert_eq!(numbers, [Some(0); 100]);
        assert_eq!(shared.get().await.as_deref(), Ok(&0), "it is kept for a moment");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_question_that_panicked_is_asked_again() {
        let asked = Arc::new(AtomicU32::new(0));
        let shared = Shared::new(WITHIN, {
            let asked = Arc::clone(&asked);
            move || {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert_ne!(number, 0, "the first question panics");
                    number
                }
                .boxed()
            }
        });
        let broken_off = shared.get().await.expect_err("it panicked");
        assert_eq!(broken_off, "the look has broken off; the log says why");
        assert_eq!(shared.get().await.as_deref(), Ok(&1));
    }
}
