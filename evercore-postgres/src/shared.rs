//! Holds the state that all clones, views and transactions of an engine share.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evercore::engine::{EngineRuntime, ObserverSlot, sleep, timeout};
use evercore::error::OpenProblem;
use evercore::{Error, Report, Result};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::error::{cannot_open, classify, met_an_ended_session, silence};
use crate::floors::Floors;
use crate::frontier::Frontier;
use crate::held::Held;
use crate::notify::Notifications;
use crate::options::{LostCommits, NotificationsTo, PostgresOptions};
use crate::readers::{LIFETIME, RESTED, Readers};
use crate::statements::Statements;
use crate::tagged_reads::TaggedReads;
use crate::types::Types;
use crate::writer::{QUEUE, Request, Writer, Writers};

/// The pause between attempts to connect to a server that is starting.
const NOT_READY: Duration = Duration::from_millis(50);

/// The state that all clones, views and transactions of an engine share.
pub(crate) struct Shared {
    /// The runtime of the engine. The tasks and connections end with it.
    pub(crate) runtime: Arc<EngineRuntime>,
    pub(crate) options: PostgresOptions,
    /// Connections for one statement at a time.
    pub(crate) readers: Readers,
    /// Connections for views and transactions, which user code holds. With one pool for both, code that holds a
    /// connection and reads on another could wait for itself.
    pub(crate) held: Held,
    pub(crate) statements: Statements,
    pub(crate) types: Arc<Types>,
    pub(crate) frontier: Frontier,
    pub(crate) tagged_reads: TaggedReads,
    pub(crate) floors: Floors,
    pub(crate) notifications: Arc<Notifications>,
    pub(crate) observer: ObserverSlot,
    /// The queue of the writers; `None` once the engine is closed.
    pub(crate) queue: Mutex<Option<mpsc::Sender<Request>>>,
    /// The task that commits; `None` once a close has waited for it.
    pub(crate) writers: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    /// Connects to a server, checks its settings, and starts the writers.
    pub(crate) async fn open(options: PostgresOptions) -> Result<Self> {
        let runtime = Arc::new(EngineRuntime::current()?);
        let connect = options.connect_options();
        let pool = || {
            PgPoolOptions::new()
                .max_connections(options.readers)
                .acquire_timeout(options.acquire_timeout)
                // A ping before each use would take a quarter of the time of a load.
                .test_before_acquire(false)
                // Age and idle time are checked before each use instead. The pool's own task for them sleeps by tokio's
                // clock: where a test has paused that clock, it would jump to the task's next round whenever everything
                // else waits for the server.
                .idle_timeout(None)
                .max_lifetime(None)
                .before_acquire(|connection, usage| {
                    Box::pin(async move {
                        let is_rested = usage.idle_for >= RESTED;
                        Ok(usage.age < LIFETIME && (!is_rested || connection.ping().await.is_ok()))
                    })
                })
        };
        let first = first(&connect, &options).await?;
        let readers = pool().connect_lazy_with(connect.clone());
        let readers = Readers::new(readers, first, Arc::clone(&runtime));
        check_settings(&readers, &options).await?;
        let patience = options.answer_timeout;
        let held = pool()
            // The pool pings a connection that comes back, without a time limit; this hook waits for the connection
            // first, with one.
            .after_release(move |connection, _| {
                Box::pin(async move {
                    Ok(matches!(timeout(patience, connection.flush()).await, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(options.holding(connect.clone()));
        let held = Held::new(held);
        let statements = Statements::new(options.schema_name());
        let types = Arc::new(Types::default());
        let notifications = Arc::new(match options.notifications {
            NotificationsTo::Everyone => {
                Notifications::start(&readers, &connect, &statements, options.schema_name())
            }
            NotificationsTo::ThisProcess => Notifications::within_process(),
        });
        let observer = ObserverSlot::new();
        let frontier = Frontier::new(options.frontier_patience, observer.clone());
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writers = (0..options.writers)
            .map(|_| {
                let (types, notifications) = (Arc::clone(&types), Arc::clone(&notifications));
                Writer::new(
                    connect.clone(),
                    options.answer_timeout,
                    readers.clone(),
                    statements.clone(),
                    types,
                    notifications,
                )
            })
            .collect();
        let task = tokio::spawn(Writers::new(receiver, writers, observer.clone()).run());
        let (queue, writers) = (Mutex::new(Some(sender)), tokio::sync::Mutex::new(Some(task)));
        Ok(Self {
            runtime,
            options,
            readers,
            held,
            statements,
            types,
            frontier,
            tagged_reads: TaggedReads::default(),
            floors: Floors::default(),
            notifications,
            observer,
            queue,
            writers,
        })
    }

    /// Runs `work` within `answer_timeout`: when a server's machine is gone, no message says so. If `work` meets a
    /// session that the server ended while it was idle, none of it has run, and it is run again on another connection.
    pub(crate) async fn answered<T, W>(&self, work: impl Fn() -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        self.runtime.check()?;
        let done = async {
            // Each round uses up one idle connection; a new connection was not idle.
            for _ in 0..self.options.readers {
                match work().await {
                    Err(error) if met_an_ended_session(&error) => {
                        debug!("an idle connection was closed by the server; using another one");
                    }
                    done => return done,
                }
            }
            work().await
        };
        let answer = timeout(self.options.answer_timeout, done).await.unwrap_or_else(|_elapsed| {
            self.readers.let_go();
            Err(Error::Unavailable { source: silence().into() })
        });
        answer.map_err(|error| self.runtime.reason(error))
    }
}

/// Opens the first connection. Fails at once if there is no server or it refuses the connection; waits for a server
/// that is starting. The pool would not tell these cases apart.
async fn first(connect: &PgConnectOptions, options: &PostgresOptions) -> Result<PgConnection> {
    let deadline = Instant::now() + options.acquire_timeout;
    let mut not_ready = None;
    let error = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left, connect.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if is_passing(&error) => {
                debug!(error = %Report::new(&error), "the server is not ready");
                not_ready = Some(error);
                sleep(NOT_READY.min(left)).await;
            }
            Ok(Err(error)) => break error,
            Err(_elapsed) => break not_ready.unwrap_or(sqlx::Error::PoolTimedOut),
        }
    };
    let database = options.describe();
    if matches!(error, sqlx::Error::Io(_)) && connect.get_socket().is_none() {
        let address = (connect.get_host(), connect.get_port());
        if let Err(error) = tokio::net::lookup_host(address).await {
            let problem = OpenProblem::UnknownHost;
            return Err(Error::CannotOpen { database, problem, source: Some(error.into()) });
        }
    }
    Err(cannot_open(database, error))
}

/// Whether the server has answered that it is starting or shutting down, or has no free session now.
fn is_passing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["57P03", "53300"].contains(&&*code))
}

/// Checks that acknowledged commits survive a crash of the server, and that its encoding can hold every text. This is
/// done once, since settings seldom change, and a transaction of the user may still choose its own.
async fn check_settings(readers: &Readers, options: &PostgresOptions) -> Result<()> {
    let failed = |error| classify("read the settings", error);
    let row = sqlx::query(include_str!("settings.sql"))
        .fetch_one(&mut *readers.acquire().await?)
        .await
        .map_err(failed)?;
    let setting = |column| row.try_get::<bool, usize>(column).map_err(failed);
    let (is_waited_for, is_flushed, is_mended) = (setting(0)?, setting(1)?, setting(2)?);
    let encoding: String = row.try_get(3).map_err(failed)?;
    if encoding != "UTF8" {
        return Err(Error::CannotOpen {
            database: options.describe(),
            problem: OpenProblem::NotUtf8 { encoding },
            source: None,
        });
    }
    if !is_mended {
        warn!("`full_page_writes` is off: a crash of the machine may destroy the database");
    }
    if !is_flushed {
        warn!("`fsync` is off: a crash of the machine may destroy the database");
    }
    if !is_waited_for && options.lost_commits == LostCommits::Refused {
        return Err(Error::CannotOpen {
            database: options.describe(),
            problem: OpenProblem::LosesCommits {
                setting: "`synchronous_commit` is off; turn it on for the role or the database, or accept the loss with `lost_commits=accepted` in the URL",
            },
            source: None,
        });
    }
    Ok(())
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresEngine").field("options", &self.options).finish_non_exhaustive()
    }
}
