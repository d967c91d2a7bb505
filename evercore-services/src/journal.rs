//! Changes the state of a service, and logs each change.

use std::sync::Arc;
use std::time::Duration;

use evercore::Report;
use evercore::service::ServiceError;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::error::{AbortedService, Cut};
use crate::status::{Board, ServiceState, ServiceStatus};

/// The changes of state of one service.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    board: Board,
    index: usize,
    pub(crate) name: Arc<str>,
    if_aborted: &'static str,
}

impl Journal {
    pub(crate) const fn new(
        board: Board,
        index: usize,
        name: Arc<str>,
        if_aborted: &'static str,
    ) -> Self {
        Self { board, index, name, if_aborted }
    }

    pub(crate) fn starting(&self) {
        let changed = self.enter(ServiceState::Starting, |service| {
            if matches!(service.state, ServiceState::Restarting { .. }) {
                service.restarts = service.restarts.saturating_add(1);
            }
        });
        if changed {
            info!(service = %self.name, "starting a service");
        }
    }

    pub(crate) fn ready(&self) {
        if self.enter(ServiceState::Ready, |service| service.has_started = true) {
            info!(service = %self.name, "a service is ready");
        }
    }

    pub(crate) fn restarting(&self, failure: &ServiceError, failures: u32, wait: Duration) {
        let state = ServiceState::Restarting { failures, at: Instant::now() + wait };
        if self.enter(state, noting(failure)) {
            let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            warn!(service = %self.name, failures, ?wait, error = %Report::new(failure.as_ref()), "a service has failed; restarting it after `wait`");
        }
    }

    pub(crate) fn stopping(&self) {
        if self.enter(ServiceState::Stopping, |_| {}) {
            info!(service = %self.name, "stopping a service");
        }
    }

    pub(crate) fn done(&self) {
        if self.enter(ServiceState::Done, |service| service.has_started = true) {
            info!(service = %self.name, "a service has done its work");
        }
    }

    pub(crate) fn stopped(&self) {
        if self.enter(ServiceState::Stopped, |_| {}) {
            info!(service = %self.name, "a service has stopped");
        }
    }

    /// Notes a failure that ends the program.
    pub(crate) fn failed(&self, failure: &ServiceError) {
        if self.enter(ServiceState::Failed, noting(failure)) {
            error!(service = %self.name, error = %Report::new(failure.as_ref()), "a service has failed for good; stopping all services");
        }
    }

    pub(crate) fn failed_to_stop(&self, failure: &ServiceError) {
        if self.enter(ServiceState::Failed, noting(failure)) {
            warn!(service = %self.name, error = %Report::new(failure.as_ref()), "a service has failed while it stopped");
        }
    }

    /// Notes that the future that runs the services was dropped while the service ran.
    pub(crate) fn dropped(&self) {
        if self.enter(ServiceState::Aborted, |_| {}) {
            warn!(service = %self.name, consequence = self.if_aborted, "a service was dropped while it ran");
        }
    }

    /// Notes that the service did not stop in time, and returns what to report of it. `blocks` says that it goes on
    /// nevertheless.
    pub(crate) fn aborted(&self, cut: Cut, blocks: bool) -> AbortedService {
        let name = Arc::clone(&self.name);
        let aborted = AbortedService { name, cut, consequence: self.if_aborted, blocks };
        if self.enter(ServiceState::Aborted, |_| {}) {
            warn!(service = %self.name, consequence = aborted.consequence(), "a service {cut} and was aborted");
        }
        aborted
    }

    /// Notes that the service is never started.
    pub(crate) fn left_out(&self) {
        if self.enter(ServiceState::Stopped, |_| {}) {
            info!(service = %self.name, "a service is not started, since all are stopping");
        }
    }

    /// Changes the state, unless the service has ended. Returns whether it was changed.
    fn enter(&self, state: ServiceState, also: impl FnOnce(&mut ServiceStatus)) -> bool {
        self.board.change(self.index, |service| {
            also(service);
            service.state = state;
            service.since = Instant::now();
        })
    }
}

fn noting(failure: &ServiceError) -> impl FnOnce(&mut ServiceStatus) {
    let text = Report::new(failure.as_ref()).to_string();
    move |service| service.last_failure = Some(text.into())
}
