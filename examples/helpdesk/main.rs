//! A help desk on SQLite, as a web service.

mod app;
#[path = "database/sqlite.rs"]
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
mod on_sqlite {
    use crate::tests::drive;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_service_loses_nothing() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("desk.db").display());
        drive(&url, async |_| Ok(())).await
    }
}
