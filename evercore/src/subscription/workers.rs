//! Knows the workers that were started from a store, and what they have ended with.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::name::SubscriptionName;
use super::progress::Progress;
use crate::engine::LogSignal;
use crate::shared::workers::{Failed, Workers};
use crate::{Error, Report, Result};

/// What is known of a worker that was dropped.
const DROPPED: &str = "its worker was dropped while it ran; keep the handle or the future, and end it by `shutdown` or `stop_on`";

/// A worker, from the moment that it is set up until it has ended. Dropping it without [`end`](Self::end) says that the
/// worker was dropped.
#[derive(Debug)]
pub(super) struct Worker {
    all: Workers,
    name: SubscriptionName,
    progress: Arc<Progress>,
    /// Given when it ends, so that those who wait for the subscription look again.
    settled: LogSignal,
    is_starting: bool,
    has_ended: bool,
}

impl Workers {
    /// Begins with a worker.
    pub(super) fn begin(
        &self,
        name: &SubscriptionName,
        progress: &Arc<Progress>,
        settled: &LogSignal,
    ) -> Worker {
        let mut all = self.lock();
        let here = all.entry(name.clone()).or_default();
        here.running += 1;
        here.starting += 1;
        here.failure = None;
        Worker {
            all: self.clone(),
            name: name.clone(),
            progress: Arc::clone(progress),
            settled: settled.clone(),
            is_starting: true,
            has_ended: false,
        }
    }
}

impl Worker {
    /// The subscription is stored, or never will be.
    pub(super) fn is_stored(&mut self) {
        if std::mem::take(&mut self.is_starting)
            && let Some(here) = self.all.lock().get_mut(&self.name)
        {
            here.starting -= 1;
        }
    }

    /// Says what the worker has ended with.
    pub(super) fn end(mut self, result: &Result<()>) {
        let (name, position) = (self.name.clone(), self.progress.status().position);
        match result {
            Ok(()) => {
                info!(subscription = %name, %position, "a worker was stopped");
                self.leave(None, None);
            }
            Err(error) => {
                let failure = Report::new(error).to_string();
                if matches!(error, Error::Closed) {
                    warn!(subscription = %name, %position, error = failure, "a worker has ended");
                } else {
                    error!(subscription = %name, %position, error = failure, "a worker has ended");
                }
                // Those who wait for one that was deleted find that out by themselves.
                let is_gone = matches!(error, Error::UnknownSubscription { .. });
                self.leave(Some(&failure), (!is_gone).then_some(&failure));
            }
        }
    }

    /// Says that the worker has panicked, outside of its handler.
    pub(super) fn panicked(mut self, message: &str) {
        let (name, failure) = (&self.name, format!("its worker panicked: {message}"));
        error!(subscription = %name, error = failure, "a worker has ended");
        self.leave(Some(&failure), Some(&failure));
    }

    /// `failure` is for those who watch the worker, `told` for those who wait for the subscription.
    fn leave(&mut self, failure: Option<&str>, told: Option<&str>) {
        self.has_ended = true;
        self.is_stored();
        self.progress.end(failure);
        let mut all = self.all.lock();
        if let Some(here) = all.get_mut(&self.name) {
            here.running -= 1;
            if let Some(told) = told {
                let position = self.progress.status().position;
                here.failure = Some(Failed { failure: told.into(), position });
            }
            if here.running == 0 && here.failure.is_none() {
                all.remove(&self.name);
            }
        }
        drop(all);
        self.settled.notify();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.has_ended {
            let (name, position) = (&self.name, self.progress.status().position);
            warn!(subscription = %name, %position, "a worker was dropped while it ran; the lease that it may hold ends by itself");
            if let Some(here) = self.all.lock().get_mut(&self.name) {
                here.abandoned = self.progress.tokens();
            }
            self.leave(Some(DROPPED), Some(DROPPED));
        }
    }
}
