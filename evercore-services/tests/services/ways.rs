//! The ways in which a service can fail.

use std::future::pending;
use std::sync::Arc;

use evercore::service::{Lifecycle, ServiceError};
use tokio::sync::watch;

use crate::members::broken;

/// A way in which a service fails, and how often it was run.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) fault: Fault,
    runs: Arc<watch::Sender<u32>>,
    /// Whether the service works until it is stopped if nothing fails, rather than for a moment.
    pub(crate) lasts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails for good before it is ready.
    AtStart,
    /// It fails in each run.
    ForEver,
    /// It fails in its first two runs.
    NowAndThen,
    /// It panics in its first run, before its first await point.
    PanicsAtOnce,
    /// It panics in its first run, after it is ready.
    Panics,
    /// It does not stop.
    Hangs,
    /// It ends before it is told to.
    EndsEarly,
}

pub(crate) const FAULTS: [Fault; 7] = [
    Fault::AtStart,
    Fault::ForEver,
    Fault::NowAndThen,
    Fault::PanicsAtOnce,
    Fault::Panics,
    Fault::Hangs,
    Fault::EndsEarly,
];

impl Way {
    pub(crate) fn new(fault: Fault, lasts: bool) -> Self {
        Self { fault, runs: Arc::new(watch::Sender::new(0)), lasts }
    }

    /// Counts a run, and returns the number of those before.
    pub(crate) fn begin(&self) -> u32 {
        let mut before = 0;
        self.runs.send_modify(|runs| before = std::mem::replace(runs, *runs + 1));
        before
    }

    /// Waits until this many runs have begun.
    pub(crate) async fn until_begun(&self, runs: u32) {
        let mut begun = self.runs.subscribe();
        begun.wait_for(|&begun| begun >= runs).await.expect("the way has the sender");
    }

    /// Does what the service does after it has begun.
    pub(crate) async fn go_on(
        &self,
        before: u32,
        lifecycle: &Lifecycle,
    ) -> Result<(), ServiceError> {
        if self.fault == Fault::AtStart {
            return Err(ServiceError::permanent(broken()));
        }
        if self.lasts {
            lifecycle.ready();
        }
        tokio::task::yield_now().await;
        match self.fault {
            Fault::ForEver => return Err(broken().into()),
            Fault::NowAndThen if before < 2 => return Err(broken().into()),
            Fault::Panics if before == 0 => panic!("there is a spider in it"),
            Fault::Hangs => return pending().await,
            Fault::EndsEarly => return Ok(()),
            _ => {}
        }
        if self.lasts {
            lifecycle.stopped().await;
        }
        Ok(())
    }
}
