//! Wakes other processes after commits. Notifications are hints: losing one costs a poll interval and nothing else.
//!
//! They are never sent in the transaction that appends: `NOTIFY` takes a lock of the whole cluster until its
//! transaction ends, so appends would wait for each other. Instead, a task notifies after commits, once for all that
//! were committed meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use evercore::engine::{self, Backoff, LogSignal, LogWatch};
use evercore::{Report, Result};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::error::classify;
use crate::options::Schema;
use crate::readers::Readers;
use crate::statements::Statements;

/// The least time between two notifications of a process.
const GAP: Duration = Duration::from_millis(5);

/// The poll intervals of the log: with notifications, and without.
const POLL_NOTIFIED: Duration = Duration::from_secs(1);
const POLL_ALONE: Duration = Duration::from_millis(200);

/// The end of a notification's text if tasks were enqueued.
const TASKS: &str = " tasks";

/// The waits between attempts to listen again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Notifies this process and others of commits, and listens for those of others.
#[derive(Debug)]
pub(crate) struct Notifications {
    /// Signalled after each commit that this process knows of, its own or another's.
    grown: LogSignal,
    /// Signalled after each commit of this process.
    committed: LogSignal,
    /// Signalled when tasks may have become due.
    enqueued: LogSignal,
    /// Whether this process has enqueued tasks since it last notified the others.
    has_enqueued: Arc<AtomicBool>,
    tasks: Option<Tasks>,
}

/// What a notification of another process signals.
#[derive(Debug)]
struct Signals {
    grown: LogSignal,
    enqueued: LogSignal,
}

/// The tasks that notify and listen. Dropping them ends them.
#[derive(Debug)]
struct Tasks {
    teller: JoinHandle<()>,
    /// Started by the first watch of the log.
    listener: OnceLock<JoinHandle<()>>,
    connect: PgConnectOptions,
    channel: Arc<str>,
    process: Arc<str>,
}

impl Notifications {
    /// Starts notifying other processes, over connections of `readers`.
    pub(crate) fn start(
        readers: &Readers,
        connect: &PgConnectOptions,
        statements: &Statements,
        schema: &Schema,
    ) -> Self {
        let committed = LogSignal::new();
        let has_enqueued = Arc::new(AtomicBool::new(false));
        let channel: Arc<str> = format!("{schema}_log").into();
        let process: Arc<str> = uuid::Uuid::now_v7().to_string().into();
        let teller = tokio::spawn(tell(
            committed.watch(POLL_NOTIFIED),
            readers.clone(),
            statements.clone(),
            Arc::clone(&channel),
            Arc::clone(&process),
            Arc::clone(&has_enqueued),
        ));
        let listener = OnceLock::new();
        let tasks = Tasks { teller, listener, connect: connect.clone(), channel, process };
        Self {
            grown: LogSignal::new(),
            committed,
            enqueued: LogSignal::new(),
            has_enqueued,
            tasks: Some(tasks),
        }
    }

    /// Creates notifications within the process only.
    pub(crate) fn within_process() -> Self {
        Self {
            grown: LogSignal::new(),
            committed: LogSignal::new(),
            enqueued: LogSignal::new(),
            has_enqueued: Arc::default(),
            tasks: None,
        }
    }

    /// Signals a commit of this process.
    pub(crate) fn committed(&self) {
        self.grown.notify();
        self.committed.notify();
    }

    /// Signals that this process has made tasks due.
    pub(crate) fn enqueued(&self) {
        self.enqueued.notify();
        self.has_enqueued.store(true, Ordering::Release);
        self.committed.notify();
    }

    /// Watches for tasks that become due by what this process and others commit.
    pub(crate) fn watch_queues(&self) -> LogWatch {
        let Some(tasks) = &self.tasks else { return self.enqueued.watch(POLL_ALONE) };
        tasks.listen(&self.grown, &self.enqueued);
        self.enqueued.watch(POLL_NOTIFIED)
    }

    pub(crate) fn watch(&self) -> LogWatch {
        let Some(tasks) = &self.tasks else { return self.grown.watch(POLL_ALONE) };
        tasks.listen(&self.grown, &self.enqueued);
        self.grown.watch(POLL_NOTIFIED)
    }

    /// Ends the tasks, so that they need no connection any more.
    pub(crate) fn stop(&self) {
        if let Some(tasks) = &self.tasks {
            tasks.stop();
        }
    }
}

impl Tasks {
    fn listen(&self, grown: &LogSignal, enqueued: &LogSignal) {
        self.listener.get_or_init(|| {
            let pool = PgPoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(self.connect.clone());
            let (channel, process) = (Arc::clone(&self.channel), Arc::clone(&self.process));
            let signals = Signals { grown: grown.clone(), enqueued: enqueued.clone() };
            tokio::spawn(listen(signals, pool, channel, process))
        });
    }

    fn stop(&self) {
        self.teller.abort();
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Notifies after commits, at most one notification at a time.
async fn tell(
    mut committed: LogWatch,
    readers: Readers,
    statements: Statements,
    channel: Arc<str>,
    process: Arc<str>,
    has_enqueued: Arc<AtomicBool>,
) {
    let mut is_failing = false;
    loop {
        committed.notified().await;
        let told = match has_enqueued.swap(false, Ordering::AcqRel) {
            true => &format!("{process}{TASKS}"),
            false => &*process,
        };
        match tell_once(&readers, &statements, &channel, told).await {
            Ok(()) => is_failing = false,
            // Warns once for all failures in a row.
            Err(error) if !std::mem::replace(&mut is_failing, true) => {
                warn!(error = %Report::new(&error), "other processes are not notified of commits; they find them by polling");
            }
            Err(error) => {
                debug!(error = %Report::new(&error), "other processes are still not notified of commits");
            }
        }
        sleep(GAP).await;
    }
}

async fn tell_once(
    readers: &Readers,
    statements: &Statements,
    channel: &str,
    told: &str,
) -> Result<()> {
    sqlx::query(statements.notify.sql())
        .bind(channel)
        .bind(told)
        .execute(&mut *readers.acquire().await?)
        .await
        .map(drop)
        .map_err(|error| classify("notify", error))
}

/// Passes on notifications of other processes, over a connection that it opens again whenever it is lost.
async fn listen(signals: Signals, pool: PgPool, channel: Arc<str>, process: Arc<str>) {
    let mut failed = 0;
    loop {
        let lost = hear(&signals, &pool, &channel, &process, &mut failed).await;
        failed += 1;
        let wait = BACKOFF.wait_after(failed, 1.0);
        warn!(error = %Report::new(&lost), ?wait, "not listening for commits of other processes; the log is still polled");
        engine::sleep(wait).await;
    }
}

/// Listens until that fails for good.
async fn hear(
    Signals { grown, enqueued }: &Signals,
    pool: &PgPool,
    channel: &str,
    process: &str,
    failed: &mut u32,
) -> sqlx::Error {
    let mut listener = match PgListener::connect_with(pool).await {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    if let Err(error) = listener.listen(channel).await {
        return error;
    }
    loop {
        // Commits may have been notified before this process listened.
        grown.notify();
        enqueued.notify();
        *failed = 0;
        loop {
            match listener.try_recv().await {
                Ok(Some(told)) if told.payload().starts_with(process) => {}
                Ok(Some(told)) => {
                    grown.notify();
                    if told.payload().ends_with(TASKS) {
                        enqueued.notify();
                    }
                }
                // The connection was lost; the next call opens another.
                Ok(None) => break,
                Err(error) => return error,
            }
        }
        info!(
            "the connection that listens for commits of other processes was lost; opening another connection"
        );
    }
}
