//! Records the observations of clients.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use evercore::engine::StorageEngine;
use evercore::{Batch, Handler, HandlerError};

use super::observation::{Handled, Observation};
use super::observed::Observed;
use super::sessions::History;

/// Records the observations of the clients of one process, in order. Clones share one list.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<Sink>>);

/// A handler whose handled events are recorded, created by [`Recorder::handler`].
#[derive(Clone, Debug)]
pub struct Recorded<H> {
    recorder: Recorder,
    subscription: String,
    handler: H,
}

enum Sink {
    Memory(Vec<Observation>),
    Lines(Box<dyn Write + Send>),
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Creates a recorder that keeps everything in memory; read it with [`history`](Self::history).
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Sink::Memory(Vec::new()))))
    }

    /// Creates a recorder that writes each observation as a line of JSON, in one `write_all`, and flushes it. Read the
    /// lines with [`History::read`].
    #[must_use]
    pub fn lines(to: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Sink::Lines(Box::new(to)))))
    }

    /// Wraps an engine. Open the store on the result with
    /// [`EventStoreBuilder::open_shared`](evercore::EventStoreBuilder::open_shared). Features of the concrete engine
    /// type, such as transactions of user code, are not available through the wrapper.
    ///
    /// The recorder adds a field to the metadata of each event after the event's hash was computed. In a store with
    /// [chained events](evercore::EventStoreBuilder::chain_events), `verify` therefore reports every event as changed.
    ///
    /// A commit that cannot be recorded is not sent; it fails with [`Error::Storage`](evercore::Error::Storage).
    #[must_use]
    pub fn observe(&self, engine: Arc<dyn StorageEngine>) -> Arc<dyn StorageEngine> {
        Arc::new(Observed::new(engine, self.clone()))
    }

    /// Wraps a handler and records the events that it has handled.
    #[must_use]
    pub fn handler<H: Handler>(&self, subscription: impl Into<String>, handler: H) -> Recorded<H> {
        Recorded { recorder: self.clone(), subscription: subscription.into(), handler }
    }

    /// Records an observation made elsewhere, such as the effect of a handler in a database.
    ///
    /// # Errors
    /// The error of the writer given to [`lines`](Self::lines).
    pub fn note(&self, observation: Observation) -> io::Result<()> {
        match &mut *self.sink() {
            Sink::Memory(observations) => observations.push(observation),
            Sink::Lines(to) => {
                let mut line = serde_json::to_vec(&observation)?;
                line.push(b'\n');
                to.write_all(&line)?;
                to.flush()?;
            }
        }
        Ok(())
    }

    /// Returns the observations so far; always empty for a recorder that writes [`lines`](Self::lines).
    #[must_use]
    pub fn history(&self) -> History {
        match &*self.sink() {
            Sink::Memory(observations) => History::of(observations.clone()),
            Sink::Lines(_) => History::default(),
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Handler> Handler for Recorded<H> {
    async fn handle(&mut self, batch: Batch) -> Result<(), HandlerError> {
        let mut events: Vec<Handled> = batch.iter().map(Handled::from).collect();
        let handled = self.handler.handle(batch).await;
        if let Err(error) = &handled {
            events.truncate(error.failed_at().unwrap_or(0));
        }
        if !events.is_empty() {
            let subscription = self.subscription.clone();
            self.recorder.note(Observation::Handled { subscription, events })?;
        }
        handled
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*self.sink() {
            Sink::Memory(_) => "memory",
            Sink::Lines(_) => "lines",
        };
        f.debug_tuple("Recorder").field(&kind).finish()
    }
}
