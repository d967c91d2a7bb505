//! Shows the states of the services while they run.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

/// A watch on the services of a program, which a health check can look at. Made by
/// [`Services::status`](crate::Services::status). Clones show the same services.
///
/// # Example
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), evercore_services::ServicesError> {
/// use evercore::service::{Lifecycle, ServiceError, service};
/// use evercore_services::{ServiceState, Services};
///
/// let services = Services::new().with(service("idle", async |lifecycle: Lifecycle| -> Result<(), ServiceError> {
///     lifecycle.ready();
///     lifecycle.stopped().await;
///     Ok(())
/// }));
/// let status = services.status();
/// assert_eq!(status.services()[0].state, ServiceState::Waiting);
///
/// let until_ready = async { assert!(status.wait_until_ready().await) };
/// services.run_until(until_ready).await?;
/// assert_eq!(status.services()[0].state, ServiceState::Stopped);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServicesStatus(watch::Receiver<Vec<ServiceStatus>>);

/// A service as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// Its name.
    pub name: Arc<str>,
    /// Its state.
    pub state: ServiceState,
    /// The moment at which it got into this state.
    pub since: Instant,
    /// Whether it has reported once that it works, or has done its work: the next stage need not wait for it.
    pub has_started: bool,
    /// The number of times that it was run again.
    pub restarts: u64,
    /// Its last failure, with all causes, even if it has run well since.
    pub last_failure: Option<Arc<str>>,
}

/// The state of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceState {
    /// It is not started yet: a service of a former stage is not ready.
    Waiting,
    /// It runs, and has not reported yet that it works.
    Starting,
    /// It runs and works.
    Ready,
    /// It has failed, and waits before it runs again.
    Restarting {
        /// The number of its failures in a row.
        failures: u32,
        /// The moment at which it runs again.
        at: Instant,
    },
    /// It was told to stop, and has not done so yet.
    Stopping,
    /// It has done all of its work before it was told to stop. It does not run again.
    Done,
    /// It has stopped because it was told to, or before it was started.
    Stopped,
    /// It has failed for good, or while it stopped.
    Failed,
    /// It was dropped while it ran: it did not stop in time, or the future that runs the services was dropped.
    Aborted,
}

impl ServicesStatus {
    /// Returns all services, in the order in which they were added.
    #[must_use]
    pub fn services(&self) -> Vec<ServiceStatus> {
        self.0.borrow().clone()
    }

    /// Returns the service with this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<ServiceStatus> {
        self.0.borrow().iter().find(|service| &*service.name == name).cloned()
    }

    /// Returns whether each service is ready or has done its work.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        all_ready(&self.0.borrow())
    }

    /// Waits until each service is ready or has done its work. Returns `false` if the services have ended and not all
    /// were ready at one time, or if they were never run.
    pub async fn wait_until_ready(&self) -> bool {
        self.wait_until(all_ready).await
    }

    /// Waits until the services are as `condition` says, which is asked at each change; changes in quick succession may
    /// be seen as one. Returns `false` if the services have ended and `condition` never held, or if they were never run.
    pub async fn wait_until<F>(&self, mut condition: F) -> bool
    where
        F: FnMut(&[ServiceStatus]) -> bool + Send,
    {
        let mut changes = self.0.clone();
        changes.wait_for(|services| condition(services)).await.is_ok()
    }
}

impl ServiceState {
    /// Returns whether the service has ended for good.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self, Self::Done | Self::Stopped | Self::Failed | Self::Aborted)
    }
}

fn all_ready(services: &[ServiceStatus]) -> bool {
    let is_ready =
        |service: &ServiceStatus| matches!(service.state, ServiceState::Ready | ServiceState::Done);
    services.iter().all(is_ready)
}

/// The states of all services, for the tasks that change them.
#[derive(Clone, Debug)]
pub(crate) struct Board(Arc<watch::Sender<Vec<ServiceStatus>>>);

impl Board {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    pub(crate) fn watch(&self) -> ServicesStatus {
        ServicesStatus(self.0.subscribe())
    }

    pub(crate) fn add(&self, name: Arc<str>) {
        let added = ServiceStatus {
            name,
            state: ServiceState::Waiting,
            since: Instant::now(),
            has_started: false,
            restarts: 0,
            last_failure: None,
        };
        self.0.send_modify(|services| services.push(added));
    }

    /// Changes a service, unless it has ended. Returns whether it was changed.
    pub(crate) fn change(&self, index: usize, change: impl FnOnce(&mut ServiceStatus)) -> bool {
        self.0.send_if_modified(|services| {
            let changed = services.get_mut(index).filter(|service| !service.state.has_ended());
            changed.map(change).is_some()
        })
    }

    /// Returns the names of those services that have not started.
    pub(crate) fn not_started(&self, indexes: &[usize]) -> Vec<Arc<str>> {
        let services = self.0.borrow();
        let these = indexes.iter().filter_map(|&index| services.get(index));
        these.filter(|service| !service.has_started).map(|service| service.name.clone()).collect()
    }

    /// Waits until each of these services has started.
    pub(crate) async fn have_started(&self, indexes: &[usize]) {
        let mut changes = self.0.subscribe();
        let have_started = changes.wait_for(|services| {
            indexes
                .iter()
                .all(|&index| services.get(index).is_none_or(|service| service.has_started))
        });
        have_started.await.expect("BUG: this board holds the sender");
    }
}
