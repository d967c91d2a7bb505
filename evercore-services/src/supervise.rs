//! Runs one service until it has ended for good.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use evercore::service::{Lifecycle, ServiceError};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::entry::AnyService;
use crate::journal::Journal;
use crate::restart::RestartPolicy;

/// The end of a service.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It has done its work.
    Done,
    /// It was told to stop.
    Stopped,
    /// It has failed for good.
    Failed { error: ServiceError, failures: u32, while_stopping: bool },
}

/// Runs a service, again and again as long as it fails and `restart` allows it. Returns how it has ended.
pub(crate) async fn supervise(
    mut service: Box<dyn AnyService>,
    journal: Journal,
    restart: RestartPolicy,
    stop: CancellationToken,
) -> Ended {
    let mut ended = run_until_the_end(&mut *service, &journal, restart, &stop).await;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(service)))
        && !matches!(ended, Ended::Failed { .. })
    {
        let error = ServiceError::panicked(&*panic);
        ended = Ended::Failed { error, failures: 1, while_stopping: stop.is_cancelled() };
    }
    match &ended {
        Ended::Done => journal.done(),
        Ended::Stopped => journal.stopped(),
        Ended::Failed { error, while_stopping: true, .. } => journal.failed_to_stop(error),
        Ended::Failed { error, .. } => journal.failed(error),
    }
    ended
}

async fn run_until_the_end(
    service: &mut dyn AnyService,
    journal: &Journal,
    restart: RestartPolicy,
    stop: &CancellationToken,
) -> Ended {
    let mut failures = 0;
    while !stop.is_cancelled() {
        journal.starting();
        let began = Instant::now();
        let ended = run_once(service, journal, stop).await;
        let while_stopping = stop.is_cancelled();
        let error = match ended {
            Ok(()) if while_stopping => break,
            Ok(()) => return Ended::Done,
            Err(error) => error,
        };
        failures = restart.count(failures, began.elapsed());
        let wait = restart.wait_after(failures, fastrand::f64());
        let wait = wait.filter(|_| error.may_pass() && !while_stopping);
        let Some(wait) = wait else {
            return Ended::Failed { error, failures, while_stopping };
        };
        journal.restarting(&error, failures, wait);
        // After a stop, the loop ends.
        let _: Option<()> = stop.run_until_cancelled(sleep(wait)).await;
    }
    Ended::Stopped
}

/// Runs a service once, and notes when it becomes ready and when it is told to stop.
async fn run_once(
    service: &mut dyn AnyService,
    journal: &Journal,
    stop: &CancellationToken,
) -> Result<(), ServiceError> {
    let lifecycle = Lifecycle::new(stop.clone());
    let mut running = pin!(service.run_caught(&lifecycle));
    let (mut is_ready, mut is_stopping) = (false, false);
    let ended = loop {
        tokio::select! {
            biased;
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                journal.stopping();
            }
            () = lifecycle.until_ready(), if !(is_ready || is_stopping) => {
                is_ready = true;
                journal.ready();
            }
            ended = &mut running => break ended,
        }
    };
    // A service may become ready and end without a pause in between.
    if lifecycle.is_ready() && !(is_ready || is_stopping) {
        journal.ready();
    }
    ended
}
