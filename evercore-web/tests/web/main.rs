//! Health, metrics and the HTTP server, over HTTP.

mod client;
mod dashboard;
mod engine;
mod exposition;
mod health;
mod lamps;
mod metrics;
mod server;
mod storm;

use std::time::Duration;

use tokio::time::Instant;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until an answer is there.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
