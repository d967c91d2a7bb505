//! Opens the engine, and announces it for its URL schemes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use evercore::Result;
use evercore::engine::{EngineScheme, StorageEngine};
use sqlx::Connection;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc;

use crate::engine::{PostgresEngine, Shared};
use crate::error::cannot_open;
use crate::frontier::Frontier;
use crate::notify::Notifications;
use crate::options::{NotificationsTo, PostgresOptions};
use crate::readers::Readers;
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
    let connect = options.connect_options();
    let pool = || {
        PgPoolOptions::new()
            .max_connections(options.readers)
            .acquire_timeout(options.acquire_timeout)
            // A ping before each use is a quarter of a load.
            .test_before_acquire(false)
            .before_acquire(|connection, usage| {
                Box::pin(
                    async move { Ok(usage.idle_for < RESTED || connection.ping().await.is_ok()) },
                )
            })
    };
    let readers = pool()
        .connect_with(connect.clone())
        .await
        .map_err(|error| cannot_open(options.describe(), error))?;
    let readers = Readers::new(readers);
    let held = pool().connect_lazy_with(options.holding(connect.clone()));
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
            Writer::new(connect.clone(), statements.clone(), types, notifications)
        })
        .collect();
    let task = tokio::spawn(Writers::new(receiver, writers).run());
    let (queue, writers) = (Mutex::new(Some(sender)), tokio::sync::Mutex::new(Some(task)));
    Ok(Shared {
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
