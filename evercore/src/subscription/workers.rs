//! Keeps track of the workers that a store has started, and of the failures that they ended with.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::name::SubscriptionName;
use super::progress::Progress;
use crate::engine::LogSignal;
use crate::shared::workers::{Failed, Workers};
use crate::{Error, Report, Result};

/// The failure of a worker that was dropped.
const DROPPED: &str = "its worker was dropped while it ran; keep the handle or the future, and stop the worker with `shutdown` or `stop_on`";

/// The registration of a worker, from its set-up to its end. Dropping it without [`end`](Self::end) records that the
/// worker was dropped.
#[derive(Debug)]
pub(super) struct Worker {
    all: Workers,
    name: SubscriptionName,
    progress: Arc<Progress>,
    /// Signalled when the worker ends, so that calls which wait for the subscription look again.
    settled: LogSignal,
    is_starting: bool,
    has_ended: bool,
}

impl Workers {
    /// Registers a worker that is being started.
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
        progress.begin();
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
    /// Notes that the worker has stored the subscription, or never will.
    pub(super) fn is_stored(&mut self) {
        if std::mem::take(&mut self.is_starting)
            && let Some(here) = self.all.lock().get_mut(&self.name)
        {
            here.starting -= 1;
        }
    }

    /// Records and logs the result that the worker has ended with. A supervisor decides what a failure means, and says
    /// so.
    pub(super) fn end(mut self, result: &Result<()>, is_supervised: bool) {
        let (name, position) = (self.name.clone(), self.progress.status().position);
        match result {
            Ok(()) => {
                info!(subscription = %name, %position, "a worker was stopped");
                self.leave(None, None);
            }
            Err(error) => {
                let failure = Report::new(error).to_string();
                if is_supervised || matches!(error, Error::Closed) {
                    warn!(subscription = %name, %position, error = failure, "a worker has ended");
                } else {
                    error!(subscription = %name, %position, error = failure, "a worker has ended");
                }
                // Calls that wait for a deleted subscription find that out by themselves.
                let is_gone = matches!(error, Error::UnknownSubscription { .. });
                self.leave(Some(&failure), (!is_gone).then_some(&failure));
            }
        }
    }

    /// Records and logs that the worker has panicked outside of its handler.
    pub(super) fn panicked(mut self, message: &str) {
        let (name, failure) = (&self.name, format!("its worker panicked: {message}"));
        error!(subscription = %name, error = failure, "a worker has ended");
        self.leave(Some(&failure), Some(&failure));
    }

    /// Removes the worker. `failure` is shown by its progress, and `told` is returned to calls that wait for the
    /// subscription.
    fn leave(&mut self, failure: Option<&str>, told: Option<&str>) {
        self.has_ended = true;
        self.is_stored();
        self.progress.end(failure);
        let mut all = self.all.lock();
        if let Some(here) = all.get_mut(&self.name) {
            here.running -= 1;
            if let Some(told) = told {
                let position = self.progress.reached();
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
            warn!(subscription = %name, %position, "a worker was dropped while it ran; any lease that it holds expires by itself");
            if let Some(here) = self.all.lock().get_mut(&self.name) {
                here.abandoned = self.progress.tokens();
            }
            self.leave(Some(DROPPED), Some(DROPPED));
        }
    }
}
