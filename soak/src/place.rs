//! The database of a run.

use anyhow::{Context, Result, anyhow};
use evercore::EventStore;
use evercore_memory::MemoryEngine;
use evercore_postgres as _;
use evercore_sqlite as _;
use tempfile::TempDir;
use throwaway_postgres::{Binaries, Server};

use crate::plan::Engine;

/// The maximum number of aggregates in a store's cache.
const CACHED: usize = 64;

/// The environment of a run. Dropping it removes everything.
#[derive(Debug)]
pub(crate) enum Place {
    Memory,
    Sqlite { url: String, _folder: TempDir },
    Postgres { url: String, _server: Server },
}

impl Place {
    pub(crate) async fn make(engine: Engine) -> Result<Self> {
        Ok(match engine {
            Engine::Memory => Self::Memory,
            Engine::Sqlite => {
                let folder = tempfile::Builder::new().prefix("evercore-soak-").tempdir()?;
                let file = folder.path().join("log.db");
                let file = file.to_str().context("the folder's name is not UTF-8")?;
                Self::Sqlite { url: format!("sqlite://{file}"), _folder: folder }
            }
            Engine::Postgres => {
                let start = || Server::start(&Binaries::find()?, &["fsync=off"]);
                let server = tokio::task::spawn_blocking(start).await?;
                let server = server.map_err(|failure| anyhow!("{failure}"))?;
                Self::Postgres { url: server.url(), _server: server }
            }
        })
    }

    /// Opens a separate store. In memory, it also has a separate log.
    pub(crate) async fn open(&self) -> Result<EventStore> {
        let builder = EventStore::builder().cache_aggregates(CACHED);
        Ok(match self {
            Self::Memory => builder.open(MemoryEngine::new()).await?,
            Self::Sqlite { url, .. } | Self::Postgres { url, .. } => builder.connect(url).await?,
        })
    }

    /// Returns the URL of the server, if there is one.
    pub(crate) fn server_url(&self) -> Option<&str> {
        match self {
            Self::Memory | Self::Sqlite { .. } => None,
            Self::Postgres { url, .. } => Some(url),
        }
    }
}
