//! Bounds how long a handler may take: for each event if it handles them one by one, and for its batch otherwise.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::engine::LONGEST_WAIT;

/// The time that the handler of a batch may take, and since when it counts. Clones belong to the same batch.
#[derive(Clone, Debug)]
pub(super) struct TimeLimit {
    limit: Duration,
    current: Arc<Mutex<Current>>,
}

/// A limit that a handler has exceeded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exceeded {
    pub(super) limit: Duration,
    /// The index of the event that was being handled; `None` for the batch as a whole.
    pub(super) event: Option<usize>,
}

/// The work that the limit applies to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    /// The index of the event that is being handled; `None` for the batch as a whole.
    event: Option<usize>,
    began: Instant,
}

impl TimeLimit {
    pub(super) fn new(limit: Duration) -> Self {
        let current = Current { event: None, began: Instant::now() };
        Self { limit: limit.min(LONGEST_WAIT), current: Arc::new(Mutex::new(current)) }
    }

    /// Begins to measure anew: for the event with this index, or for the whole batch.
    pub(super) fn begin(&self, event: Option<usize>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Current { event, began: Instant::now() };
    }

    fn current(&self) -> Current {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Awaits the handling of a batch, and drops it when its limit is exceeded.
pub(super) async fn in_time<T>(
    limit: Option<TimeLimit>,
    handling: impl Future<Output = T>,
) -> Result<T, Exceeded> {
    let Some(limit) = limit else { return Ok(handling.await) };
    limit.begin(None);
    let mut handling = pin!(handling);
    loop {
        let current = limit.current();
        tokio::select! {
            biased;
            handled = &mut handling => return Ok(handled),
            () = sleep_until(current.began + limit.limit) => {}
        }
        // The handler may have begun another event meanwhile.
        if limit.current() == current {
            return Err(Exceeded { limit: limit.limit, event: current.event });
        }
    }
}
