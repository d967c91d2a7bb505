//! Runs many tasks concurrently.

use std::sync::Arc;

use evercore::Result;
use tokio::sync::Barrier;

/// Runs `runner(0)`, `runner(1)`, … as tasks that start together. Returns their results in that order.
pub(crate) async fn race<F, T>(runners: usize, mut runner: impl FnMut(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let start = Arc::new(Barrier::new(runners));
    let tasks: Vec<_> = (0..runners)
        .map(|index| {
            let (start, run) = (Arc::clone(&start), runner(index));
            tokio::spawn(async move {
                start.wait().await;
                run.await
            })
        })
        .collect();
    let mut outputs = Vec::with_capacity(runners);
    for task in tasks {
        outputs.push(task.await.expect("a racing task panicked"));
    }
    outputs
}

/// Like [`race`], but returns the first error if a runner fails.
pub(crate) async fn race_all<F, T>(runners: usize, runner: impl FnMut(usize) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<T>> + Send + 'static,
    T: Send + 'static,
{
    race(runners, runner).await.into_iter().collect()
}
