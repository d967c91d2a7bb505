//! Bounds how long a handler may take: for each event if it handles them one by one, and for its batch otherwise.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::handler::HandlerError;
use crate::Error;
use crate::engine::LONGEST_WAIT;

/// The time that the handler of a batch may take, and since when it counts. Clones belong to the same batch.
#[derive(Clone, Debug)]
pub(super) struct TimeLimit {
    limit: Duration,
    current: Arc<Mutex<Current>>,
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

    fn exceeded(&self, event: Option<usize>) -> HandlerError {
        let error = Error::HandlerTimedOut { limit: self.limit };
        match event {
            Some(index) => HandlerError::at(index, error),
            None => HandlerError::new(error),
        }
    }
}

/// Awaits the handling of a batch, and drops it when its limit is exceeded.
pub(super) async fn in_time<T>(
    limit: Option<TimeLimit>,
    handling: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    let Some(limit) = limit else { return handling.await };
    limit.begin(None);
    let mut handling = pin!(handling);
    loop {
        let current = limit.current();
        tokio::select! {
            biased;
            handled = &mut handling => return handled,
            () = sleep_until(current.began + limit.limit) => {}
        }
        // The handler may have begun another event meanwhile.
        if limit.current() == current {
            return Err(limit.exceeded(current.event));
        }
    }
}
