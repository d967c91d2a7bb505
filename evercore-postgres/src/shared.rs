//! What all clones, views and transactions of an engine share.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evercore::engine::{EngineRuntime, sleep, timeout};
use evercore::{Error, OpenProblem, Report, Result};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, Row};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{debug, warn};

use crate::error::{cannot_open, classify, met_an_ended_session, silence};
use crate::frontier::Frontier;
use crate::held::Held;
use crate::notify::Notifications;
use crate::options::{LostCommits, NotificationsTo, PostgresOptions};
use crate::readers::{LIFETIME, RESTED, Readers};
use crate::statements::Statements;
use crate::types::Types;
use crate::writer::{QUEUE, Request, Writer, Writers};

/// How long a server that is starting is let be.
const NOT_READY: Duration = Duration::from_millis(50);

/// What all clones and views share.
pub(crate) struct Shared {
    /// The tasks and the connections end with it.
    pub(crate) runtime: Arc<EngineRuntime>,
    pub(crate) options: PostgresOptions,
    /// For one statement at a time.
    pub(crate) readers: Readers,
    /// For views and transactions, which user code holds. Were they of the same pool, code that holds one and reads
    /// besides could wait for itself.
    pub(crate) held: Held,
    pub(crate) statements: Statements,
    pub(crate) types: Arc<Types>,
    pub(crate) frontier: Frontier,
    pub(crate) notifications: Arc<Notifications>,
    /// The way to the writers, until the engine is closed.
    pub(crate) queue: Mutex<Option<mpsc::Sender<Request>>>,
    /// Who lands commits, until a close has waited for it.
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
                // A ping before each use is a quarter of a load.
                .test_before_acquire(false)
                // Looked at before each use. The pool's own task for it sleeps by tokio's clock: paused, that clock would jump
                // to its next round whenever all else waits for the server.
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
            // The pool asks what comes back for a sign of life, without a bound.
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
        let frontier = Frontier::new(options.frontier_patience);

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
        let task = tokio::spawn(Writers::new(receiver, writers).run());
        let (queue, writers) = (Mutex::new(Some(sender)), tokio::sync::Mutex::new(Some(task)));
        Ok(Self {
            runtime,
            options,
            readers,
            held,
            statements,
            types,
            frontier,
            notifications,
            queue,
            writers,
        })
    }

    /// Bounds what waits for answers: the machine of a server that is gone sends none, and no word that it is. Work that
    /// meets sessions which the server has ended while they rested is done on another connection: none of it has run.
    pub(crate) async fn answered<T, W>(&self, work: impl Fn() -> W) -> Result<T>
    where
        W: Future<Output = Result<T>>,
    {
        self.runtime.check()?;
        let done = async {
            // Each time, one that rested is gone; a new one has not rested.
            for _ in 0..self.options.readers {
                match work().await {
                    Err(error) if met_an_ended_session(&error) => {
                        debug!("a connection had rested for too long; taking another one");
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

/// The first connection. Where there is no server, or it refuses, that is said at once; one that is starting is waited
/// for. The pool would take the one for the other.
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

/// Whether the server has said that it is starting or ending, or has no place now.
fn is_passing(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| ["57P03", "53300"].contains(&&*code))
}

/// Looks whether what the server acknowledges survives a crash of it, and whether it can keep every text: once, since
/// settings seldom change, and a transaction of the user may still choose for itself.
async fn check_settings(readers: &Readers, options: &PostgresOptions) -> Result<()> {
    let failed = |error| classify("look at the settings", error);
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
                setting: "`synchronous_commit` is off; switch it on for the role or the database, or accept the loss \
                          with `lost_commits=accepted` in the URL",
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
