//! A help desk on PostgreSQL, as a web service.

mod app;
#[path = "database/postgres.rs"]
mod database;
mod domain;
mod mails;
mod service;
mod tickets;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    service::run(service::Args::parse()).await
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod on_postgres {
    use reqwest::StatusCode;
    use throwaway_postgres::{Binaries, Server};

    use crate::tests::drive;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_service_loses_nothing() -> anyhow::Result<()> {
        let mut server = Server::start(&Binaries::find()?, &[])?;
        let url = server.url();
        let outage = async |desk: &crate::tests::desk::Desk| {
            server.crash()?;
            desk.until_health("ready", StatusCode::SERVICE_UNAVAILABLE).await?;
            assert_eq!(desk.health("live").await, Some(StatusCode::OK));
            server.restart()?;
            Ok(())
        };
        drive(&url, outage).await
    }
}
