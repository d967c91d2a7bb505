//! Puts the service together.

use std::time::Duration;

use clap::Parser;
use evercore::{EventStore, HandlerRetry};
use evercore_services::Services;
use evercore_web::{Health, Metrics, http};
use tokio::net::TcpListener;

use crate::app::app;
use crate::database;
use crate::domain::Ticket;
use crate::mails::{self, MAILS};
use crate::tickets::{self, TICKETS};

/// A help desk: customers open tickets, agents work on them, and a mail tells the customer when a ticket is closed.
#[derive(Parser)]
pub(crate) struct Args {
    /// The URL of the database.
    #[arg(long, default_value = database::DEFAULT_URL)]
    db: String,

    /// The address to serve at.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,

    /// The URL of the mail service, to which a JSON with `to` and `text` is posted for each mail.
    #[arg(long, default_value = "http://127.0.0.1:8025/mails")]
    mail: String,

    /// The number of attempts to send a mail, after which it is dead.
    #[arg(long, default_value_t = 10)]
    mail_attempts: u32,
}

/// Runs the service until SIGINT or SIGTERM.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let metrics = Metrics::new();
    let store = EventStore::builder().observer(metrics.clone()).connect(&args.db).await?;
    tickets::create(&store).await?;
    let listener = TcpListener::bind(&args.listen).await?;
    let app = app(store.clone(), database::pool(&args.db)?);

    let ended = Services::new()
        .with(
            store
                .subscription(TICKETS)
                .aggregate::<Ticket>()
                .handler_in_transaction(tickets::keep()),
        )
        .with(
            store
                .queue(MAILS)
                .concurrency(4)
                .lease(Duration::from_secs(5))
                .retry(HandlerRetry::default().attempts(args.mail_attempts))
                .time_limit(Duration::from_secs(10))
                .handlers(mails::send(args.mail)),
        )
        .then()
        .with(http(listener, app.merge(Health::new(&store).router()).merge(metrics.router(&store))))
        .run_until_signal()
        .await;
    store.close().await?;
    Ok(ended?)
}
