//! The engines that are measured, each on data of its own.

use std::sync::Arc;

use anyhow::Context;
use clap::ValueEnum;
use evercore::EventStore;
use evercore::engine::StorageEngine;
use evercore_memory::MemoryEngine;
use evercore_postgres::PostgresEngine;
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use tempfile::TempDir;
use throwaway_postgres::{Binaries, Server};

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

/// Data that engines are opened on. Removed when it is dropped.
pub(crate) enum Data {
    Memory(MemoryEngine),
    Sqlite(TempDir),
    Postgres(Box<Server>),
}

impl Kind {
    /// Fresh data, with full durability.
    pub(crate) fn data(self) -> anyhow::Result<Data> {
        Ok(match self {
            Self::Memory => Data::Memory(MemoryEngine::new()),
            Self::Sqlite => Data::Sqlite(tempfile::tempdir().context("a folder")?),
            Self::Postgres => Data::Postgres(Box::new(Server::start(&Binaries::find()?, &[])?)),
        })
    }
}

impl Data {
    /// A store on the data, as a process of its own would have it.
    pub(crate) async fn store(&self) -> anyhow::Result<EventStore> {
        let engine: Arc<dyn StorageEngine> = match self {
            Self::Memory(engine) => Arc::new(engine.clone()),
            Self::Sqlite(folder) => {
                let path = folder.path().join("bench.db");
                Arc::new(SqliteEngine::open(path, SqliteOptions::default()).await?)
            }
            Self::Postgres(server) => Arc::new(PostgresEngine::open(server.url().parse()?).await?),
        };
        Ok(EventStore::builder().open_shared(engine).await?)
    }
}
