//! Shares one answer among all requests that arrive at the same time, and for a moment after.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// The time that an answer is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(1);

/// Asks a question in a task of its own, so that a request that is dropped does not take the answer from the others.
///
/// However many requests there are, at most one question is open, and the next one is asked when the answer is older
/// than [`KEPT`]. The question bounds its time itself.
pub(crate) struct Shared<T> {
    ask: Box<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>,
    current: Mutex<Option<watch::Receiver<Option<Answer<T>>>>>,
}

struct Answer<T> {
    value: Arc<T>,
    at: Instant,
}

impl<T: Send + Sync + 'static> Shared<T> {
    pub(crate) fn new(
        ask: impl Fn() -> BoxFuture<'static, T> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { ask: Box::new(ask), current: Mutex::default() })
    }

    /// Returns the answer. `None` if the question has panicked, or its runtime is shutting down.
    pub(crate) async fn get(&self) -> Option<Arc<T>> {
        let mut answered = self.answered();
        let answer = answered.wait_for(Option::is_some).await.ok()?;
        answer.as_ref().map(|answer| Arc::clone(&answer.value))
    }

    /// Returns the place of an answer that is fresh or on its way.
    fn answered(&self) -> watch::Receiver<Option<Answer<T>>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answered) = current.as_ref().filter(|answered| is_fresh(answered)) {
            return answered.clone();
        }
        let (answer, answered) = watch::channel(None);
        let question = (self.ask)();
        tokio::spawn(async move {
            let value = Arc::new(question.await);
            answer.send_replace(Some(Answer { value, at: Instant::now() }));
        });
        current.insert(answered).clone()
    }
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

    use futures_util::FutureExt;
    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn requests_at_the_same_time_share_one_question() {
        let (asked, release) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let shared = Shared::new({
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
            others.await.into_iter().map(|number| number.as_deref().copied()).collect();
        assert_eq!(numbers, [Some(0); 100]);
        assert_eq!(shared.get().await.as_deref(), Some(&0), "it is kept for a moment");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_question_that_panicked_is_asked_again() {
        let asked = Arc::new(AtomicU32::new(0));
        let shared = Shared::new({
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
        assert_eq!(shared.get().await, None);
        assert_eq!(shared.get().await.as_deref(), Some(&1));
    }
}
