//! Opens the engine, and announces it for its URL schemes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::engine::{EngineRuntime, EngineScheme, StorageEngine, timeout};
use evercore::{Error, OpenProblem, Result};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Row};
use tokio::sync::mpsc;
use tracing::warn;

use crate::engine::{PostgresEngine, Shared};
use crate::error::{cannot_open, classify};
use crate::frontier::Frontier;
use crate::held::Held;
use crate::notify::Notifications;
use crate::opening::opened;
use crate::options::{LostCommits, NotificationsTo, PostgresOptions};
use crate::readers::{LIFETIME, Readers};
use crate::statements::Statements;
use crate::types::Types;
use crate::writer::{QUEUE, Writer, Writers};

inventory::submit! {
    EngineScheme {
        schemes: &["postgres", "postgresql"],
        connect: |url| Box::pin(async move {
            let options: PostgresOptions = url.parse()?;
            Ok(Arc::new(PostgresEngine::open(options).await?) as Arc<dyn StorageEngine>)
        }),
    }
}

/// A connection that was not used for so long is asked whether it still works before it is: the server may have been
/// restarted.
pub(crate) const RESTED: Duration = Duration::from_millis(500);

pub(crate) async fn open(options: PostgresOptions) -> Result<Shared> {
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
    let readers = opened(options.acquire_timeout, pool().connect_with(connect.clone()))
        .await
        .map_err(|error| cannot_open(options.describe(), error))?;
    let readers = Readers::new(readers, Arc::clone(&runtime));
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
    Ok(Shared {
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
