//! Keeps the leases that a worker holds, and renews them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::warn;

use super::TaskId;
use crate::engine::{Backoff, StorageEngine, TaskLease};
use crate::{Report, Result};

/// The waits after renewals that have failed.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(40), Duration::from_secs(2));

/// The time that a handler has to report the outcome that it has recorded, before the end of its lease counts as a loss.
const REPORT: Duration = Duration::from_millis(100);

/// The leases that a worker holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<BTreeMap<TaskId, Held>>>);

#[derive(Debug)]
struct Held {
    lease: TaskLease,
    /// The task that handles it, once it has begun.
    handling: Option<AbortHandle>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hold(&self, lease: TaskLease) {
        self.lock().insert(lease.id, Held { lease, handling: None });
    }

    /// Takes note of what handles a task. Returns `false` if the lease was lost before.
    pub(super) fn begin(&self, lease: &TaskLease, handling: AbortHandle) -> bool {
        match self.lock().get_mut(&lease.id) {
            Some(held) if held.lease == *lease => {
                held.handling = Some(handling);
                true
            }
            _ => false,
        }
    }

    pub(super) fn holds(&self, lease: &TaskLease) -> bool {
        self.lock().get(&lease.id).is_some_and(|held| held.lease == *lease)
    }

    /// Forgets a task whose outcome is recorded, or that was given back.
    pub(super) fn forget(&self, lease: &TaskLease) {
        let mut all = self.lock();
        if all.get(&lease.id).is_some_and(|held| held.lease == *lease) {
            all.remove(&lease.id);
        }
    }

    /// Renews all leases three times within each lease's time. Never ends by itself.
    pub(super) async fn keep(&self, engine: &dyn StorageEngine, lease: Duration) -> ! {
        let mut failed = 0;
        loop {
            match failed {
                0 => sleep(lease / 3).await,
                failed => sleep(BACKOFF.wait_after(failed, 1.0).min(lease / 6)).await,
            }
            failed = match self.renew(engine, lease).await {
                Ok(()) => 0,
                Err(error) => {
                    warn!(error = %Report::new(&error), "cannot renew the leases of tasks; retrying");
                    failed.saturating_add(1)
                }
            };
        }
    }

    async fn renew(&self, engine: &dyn StorageEngine, lasts: Duration) -> Result<()> {
        let leases: Vec<_> = self.lock().values().map(|held| held.lease.clone()).collect();
        if leases.is_empty() {
            return Ok(());
        }
        let tasks = engine.tasks().expect("BUG: a worker has checked that the engine has tasks");
        let are_held = tasks.renew(&leases, lasts).await?;
        let not_held = leases.iter().zip(are_held).filter(|(_, is_held)| !is_held);
        let not_held: Vec<_> = not_held.map(|(lease, _)| lease).collect();
        if !not_held.is_empty() {
            // The lease of a task also ends when its outcome is recorded, which its handler is about to report.
            sleep(REPORT.min(lasts / 6)).await;
            not_held.into_iter().for_each(|lease| self.lose(lease));
        }
        Ok(())
    }

    /// Stops the work on a task that was cancelled, replaced, or claimed by another worker, unless its outcome was reported.
    fn lose(&self, lease: &TaskLease) {
        let mut all = self.lock();
        let Some(held) = all.get(&lease.id).filter(|held| held.lease == *lease) else { return };
        if let Some(handling) = &held.handling {
            handling.abort();
        }
        all.remove(&lease.id);
        drop(all);
        let TaskLease { queue, id, .. } = lease;
        warn!(%queue, task = %id, "the lease of a task was lost, since it was cancelled, replaced or claimed by another worker; its handler is stopped");
    }
}
