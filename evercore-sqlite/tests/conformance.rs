//! The engine on SQLite keeps every promise, in a file.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{Error, Result};
use evercore_sqlite::{SqliteEngine, SqliteOptions};
use evercore_testing::{Durability, Harness, conformance};
use tempfile::TempDir;

/// A folder of its own with one database in it.
#[derive(Debug)]
struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder for temporary files"))
    }
}

#[async_trait]
impl Harness for File {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        let path = self.0.path().join("log.db");
        Ok(Arc::new(SqliteEngine::open(path, SqliteOptions::default()).await?))
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    async fn clean_up(&self) -> Result<()> {
        std::fs::remove_dir_all(self.0.path()).map_err(|error| Error::storage("clean up", error))
    }
}

conformance!(File::new());
