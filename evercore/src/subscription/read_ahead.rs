//! Reads the log one page ahead of the handler.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::engine::{LogQuery, StorageEngine};
use crate::{EventFilter, LogPage, Partition, Position, Result};

/// Reads pages of the events that a subscription follows, at most one page ahead.
///
/// A page that was read ahead stays valid: nothing can be inserted into it, though more events may follow it by now.
/// Parking, pauses and lost leases are checked when a page is handled. Dropping this drops that page.
#[derive(Debug)]
pub(super) struct ReadAhead {
    engine: Arc<dyn StorageEngine>,
    filter: Arc<EventFilter>,
    partition: Partition,
    limit: u32,
    ahead: Option<Ahead>,
}

/// A page that is being read ahead. A task reads it, so that the read makes progress while nothing awaits it: a handler
/// may wait for something that the read holds, such as a connection.
#[derive(Debug)]
struct Ahead {
    after: Position,
    page: AbortOnDropHandle<Result<LogPage>>,
}

impl ReadAhead {
    /// Makes a reader of pages with at most `limit` events.
    pub(super) fn new(
        engine: &Arc<dyn StorageEngine>,
        filter: &Arc<EventFilter>,
        partition: Partition,
        limit: u32,
    ) -> Self {
        let (engine, filter) = (Arc::clone(engine), Arc::clone(filter));
        Self { engine, filter, partition, limit, ahead: None }
    }

    /// Returns the page after a position, and starts to read the one after that, if there is more.
    pub(super) async fn next(&mut self, after: Position) -> Result<LogPage> {
        let page = match self.ahead.as_mut().filter(|ahead| ahead.after == after) {
            Some(ahead) => match (&mut ahead.page).await {
                Ok(read) => Some(read),
                Err(ended) => match ended.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_cancelled) => None,
                },
            },
            None => None,
        };
        self.ahead = None;
        let page = match page {
            Some(page) => page?,
            None => self.engine.read_log(self.query(after)).await?,
        };
        if !page.at_end {
            self.begin(page.end);
        }
        Ok(page)
    }

    fn begin(&mut self, after: Position) {
        let (engine, query) = (Arc::clone(&self.engine), self.query(after));
        let page = tokio::spawn(async move { engine.read_log(query).await });
        self.ahead = Some(Ahead { after, page: AbortOnDropHandle::new(page) });
    }

    fn query(&self, after: Position) -> LogQuery {
        LogQuery::new(after, self.limit).filter(Arc::clone(&self.filter)).partition(self.partition)
    }
}
