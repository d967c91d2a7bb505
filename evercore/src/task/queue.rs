//! Sets up a worker of a queue and runs it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempting, Outcome};
use super::config::{Config, SHORTEST_WAIT};
use super::handlers::Handlers;
use super::{QueueName, worker};
use crate::engine::{Capability, LONGEST_WAIT, in_runtime, require};
use crate::service::Lifecycle;
use crate::shared::Shared;
use crate::{Error, EventStore, HandlerRetry, Result};

/// The default time that a lease lasts without renewal.
const LEASE: Duration = Duration::from_secs(30);

/// Sets up a worker that does the tasks of a queue, and runs it. Made by [`EventStore::queue`].
///
/// Any number of workers, in any number of processes, share a queue. Each claims tasks under leases, which it renews
/// while it works. If a worker is gone, its tasks are given to others once their leases have ended.
///
/// # Example
/// ```standalone_crate
/// use evercore::task::{Claimed, Handlers, TaskError};
/// use evercore::{EventStore, task};
/// # use evercore_memory as _;
///
/// #[task(queue = "mail")]
/// struct SendReceipt { order: u32, to: String }
///
/// # #[tokio::main]
/// # async fn main() -> evercore::Result<()> {
/// let store = EventStore::connect("memory:").await?;
/// let handlers = Handlers::new().on(async |task: Claimed<SendReceipt>| -> Result<(), TaskError> {
///     println!("to {}: thank you for order {}", task.to, task.order);
///     Ok(())
/// });
/// let worker = store.queue("mail").concurrency(4).spawn(handlers)?;
///
/// store.enqueue(SendReceipt { order: 42, to: "ada@example.com".to_owned() }).await?;
/// store.queues().wait_until_idle("mail").await?;
/// worker.shutdown().await
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a worker does nothing until `run`, `spawn` or the like is called, or its service is run"]
pub struct QueueBuilder {
    store: Arc<Shared>,
    name: Result<QueueName>,
    concurrency: u32,
    lease: Duration,
    retry: HandlerRetry,
    time_limit: Option<Duration>,
    poll_interval: Option<Duration>,
    owner: Option<String>,
    stop: CancellationToken,
}

/// A worker that runs in a task of its own. Dropping the handle stops it at once, and what it was doing is given to
/// another worker after the leases. [`shutdown`](Self::shutdown) is the graceful way.
#[derive(Debug)]
#[must_use = "dropping the handle stops the worker immediately, and its tasks stay claimed until their leases end: keep the handle, and call `shutdown`"]
pub struct QueueHandle {
    task: JoinHandle<Result<()>>,
    stop: CancellationToken,
}

/// The number of tasks that [`QueueBuilder::run_due`] has worked on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worked {
    /// Tasks that are done.
    pub done: usize,
    /// Attempts that have failed, and are made again later.
    pub failed: usize,
    /// Tasks that have failed for good.
    pub dead: usize,
    /// Tasks that were cancelled, replaced, or claimed by another worker meanwhile.
    pub lost: usize,
}

impl EventStore {
    /// Sets up a worker that does the tasks of a queue. An invalid name is reported when the worker is run.
    pub fn queue(&self, name: impl TryInto<QueueName, Error: Into<Error>>) -> QueueBuilder {
        QueueBuilder {
            store: Arc::clone(&self.inner),
            name: name.try_into().map_err(Into::into),
            concurrency: 1,
            lease: LEASE,
            retry: HandlerRetry::default(),
            time_limit: None,
            poll_interval: None,
            owner: None,
            stop: CancellationToken::new(),
        }
    }
}

impl QueueBuilder {
    /// Sets how many handlers run at the same time, from 1 to 10,000. Default: 1.
    ///
    /// A task whose handler has returned, and which is being committed, does not count: the next one begins meanwhile,
    /// and the commits of small tasks are stored together. With 1, each task has ended before the next one begins.
    pub const fn concurrency(mut self, tasks: u32) -> Self {
        self.concurrency = tasks;
        self
    }

    /// Sets how long a lease lasts without renewal, which is also how long other workers wait when this one is gone. At
    /// least 50 ms. Default: 30 s.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how often a task is tried, and how long to wait in between. Default: [`HandlerRetry::default`], ten attempts
    /// within some nine minutes.
    pub const fn retry(mut self, retry: HandlerRetry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long the handler may take for one task. It is dropped then, which counts as a failure,
    /// [`Error::TaskTimedOut`]. Default: no limit.
    pub const fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Sets the longest time until the worker looks for tasks that it was not told of: those that another process has
    /// enqueued, as far as the engine does not learn of it. At least 1 ms. Default: the engine's.
    pub const fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    /// Sets the name under which the worker claims tasks, of 1 to 128 bytes. Default: the process id, a random part, and
    /// the number of the worker in the process.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Stops the worker when the token is cancelled: it claims nothing more, gives back what it has not begun, and
    /// finishes the rest.
    pub fn stop_on(mut self, token: CancellationToken) -> Self {
        self.stop = token;
        self
    }

    /// Runs the worker in the caller's task, until it is stopped ([`stop_on`](Self::stop_on)) or cannot continue. Each
    /// task of the queue is handled in a tokio task of its own.
    ///
    /// Dropping the future stops it at once; its tasks are given to other workers after their leases.
    ///
    /// # Errors
    /// - [`Error::InvalidTask`] if the name of the queue or of the owner, the lease or the concurrency are out of range.
    /// - [`Error::Unsupported`] if the engine has no tasks.
    /// - [`Error::NoRuntime`] outside of a tokio runtime.
    /// - The engine's errors. While the database cannot be reached, the worker waits and tries again.
    pub async fn run(self, handlers: Handlers) -> Result<()> {
        let stop = self.stop.clone();
        worker::run(&self.config(handlers, stop, None)?).await
    }

    /// Runs the worker in a task of its own.
    ///
    /// # Errors
    /// Those of [`run`](Self::run) that can be told at once. The handle returns all others.
    pub fn spawn(self, handlers: Handlers) -> Result<QueueHandle> {
        let stop = self.stop.child_token();
        let config = self.config(handlers, stop.clone(), None)?;
        let task = tokio::spawn(async move { worker::run(&config).await });
        Ok(QueueHandle { task, stop })
    }

    /// Does the tasks that are due now, one after the other, and those that become due meanwhile, until none is left or
    /// the worker is stopped ([`stop_on`](Self::stop_on)). For tests, which need no sleep then, and for programs that are
    /// started now and then.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    ///
    /// # Example
    /// ```standalone_crate
    /// use std::sync::Arc;
    ///
    /// use evercore::chrono::{DateTime, TimeDelta};
    /// use evercore::task::{Claimed, Handlers, Task, TaskError};
    /// use evercore::{Clock, EventStore, ManualClock, task};
    /// use evercore_memory::MemoryEngine;
    ///
    /// #[task(queue = "reminders")]
    /// struct RemindToPay { order: u32 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    /// let engine = MemoryEngine::with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    /// let store = EventStore::builder().open(engine).await?;
    /// let day = TimeDelta::days(1);
    /// store.enqueue(Task::new(RemindToPay { order: 42 }).after(day.to_std()?)).await?;
    ///
    /// let remind = Handlers::new().on(async |task: Claimed<RemindToPay>| -> Result<(), TaskError> {
    ///     println!("please pay for {}", task.order);
    ///     Ok(())
    /// });
    /// assert_eq!(store.queue("reminders").run_due(remind.clone()).await?.done, 0);
    /// clock.advance(day);
    /// assert_eq!(store.queue("reminders").run_due(remind).await?.done, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_due(self, handlers: Handlers) -> Result<Worked> {
        let stop = self.stop.clone();
        let config = self.config(handlers, stop, None)?;
        let mut worked = Worked::default();
        while !config.stop.is_cancelled() {
            let claim = config.claim(1).await?;
            if claim.tasks.is_empty() {
                break;
            }
            for task in claim.tasks {
                match worker::attempt_alone(&config, task).await? {
                    Outcome::Done => worked.done += 1,
                    Outcome::Again(_) => worked.failed += 1,
                    Outcome::Dead => worked.dead += 1,
                    Outcome::Lost => worked.lost += 1,
                }
            }
        }
        if let Some(keep_up) = config.attempting.handlers.upkeep() {
            keep_up(config.attempting.store.clone()).await;
        }
        Ok(worked)
    }

    pub(super) fn config(
        &self,
        handlers: Handlers,
        stop: CancellationToken,
        lifecycle: Option<Lifecycle>,
    ) -> Result<Config> {
        in_runtime()?;
        require(&*self.store.engine, Capability::Tasks)?;
        let name = match &self.name {
            Ok(name) => name.clone(),
            Err(Error::InvalidTask { what, value, problem }) => {
                let (value, problem) = (value.clone(), problem.clone());
                return Err(Error::InvalidTask { what, value, problem });
            }
            Err(_) => unreachable!("BUG: the name of a queue fails as `InvalidTask`"),
        };
        let owner = self.owner.clone().unwrap_or_else(|| self.store.worker_name());
        let config = Config {
            attempting: Arc::new(Attempting {
                store: EventStore::of(Arc::clone(&self.store)),
                handlers,
                retry: self.retry,
                time_limit: self.time_limit.map(|limit| limit.min(LONGEST_WAIT)),
                lease: self.lease.min(LONGEST_WAIT),
            }),
            name,
            concurrency: usize::try_from(self.concurrency).unwrap_or(usize::MAX),
            poll_interval: self.poll_interval.map(|wait| wait.clamp(SHORTEST_WAIT, LONGEST_WAIT)),
            owner,
            stop,
            lifecycle,
        };
        config.check(self.concurrency)?;
        Ok(config)
    }

    /// Returns the name, or of an invalid one what its error shows.
    pub(super) fn given_name(&self) -> &str {
        match &self.name {
            Ok(name) => name.as_str(),
            Err(Error::InvalidTask { value, .. }) => value,
            Err(_) => "",
        }
    }

    pub(super) const fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }
}

impl QueueHandle {
    /// Stops the worker: it claims nothing more, gives back what it has not begun, and finishes the rest.
    ///
    /// # Errors
    /// The error that the worker ended with, if it had already ended.
    pub async fn shutdown(self) -> Result<()> {
        self.stop.cancel();
        self.join().await
    }

    /// Waits until the worker ends by itself.
    ///
    /// # Errors
    /// Those of [`QueueBuilder::run`].
    ///
    /// # Panics
    /// If the task of the worker was ended from outside, as by a runtime that shuts down.
    pub async fn join(mut self) -> Result<()> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => panic!("the task of a worker was aborted from outside: {error}"),
            },
        }
    }

    /// Returns whether the worker has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for QueueHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}
