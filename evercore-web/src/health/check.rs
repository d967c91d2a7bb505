//! Checks that the user adds to the judgement.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use evercore::engine::timeout;
use evercore::{BoxError, Report};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

type Run = dyn Fn() -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

/// A check under its name.
#[derive(Clone)]
pub(super) struct Check {
    name: String,
    run: Arc<Run>,
}

/// The outcome of a check.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) name: String,
    /// The failure in words.
    pub(super) failure: Option<String>,
}

impl Check {
    pub(super) fn new<F, Fut, E>(name: String, check: F) -> Self
    where
        F: FnOnce() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send,
        E: Into<BoxError>,
    {
        let run = move || {
            let check = check.clone();
            async move { check().await.map_err(Into::into) }.boxed()
        };
        Self { name, run: Arc::new(run) }
    }

    /// Runs the check for at most this long.
    pub(super) async fn run(&self, within: Duration) -> Checked {
        // Called within the guarded future: the closure may panic before its first await.
        let running = AssertUnwindSafe(async { (self.run)().await }).catch_unwind();
        let failure = match timeout(within, running).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(Report::new(&*error).to_string()),
            Ok(Err(_panic)) => Some("it panicked".to_owned()),
            Err(_) => Some(format!("it has not answered within {within:?}")),
        };
        Checked { name: self.name.clone(), failure }
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}
