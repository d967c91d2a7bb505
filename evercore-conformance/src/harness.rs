//! Gives the suite access to an engine.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use evercore::Result;
use evercore::engine::StorageEngine;

/// Separate data for one case, and the means to open engines on it.
///
/// The suite creates one harness for each case and drops it when the case has ended.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync + 'static {
    /// Opens an engine on the data, which is empty on the first call. The schema may be missing; the suite migrates.
    ///
    /// Each call acts like another process: the engines share only the data.
    async fn open(&self) -> Result<Arc<dyn StorageEngine>>;

    /// Returns how long committed data lives.
    fn durability(&self) -> Durability;

    /// Removes everything that dropping the harness does not. Called when the case has ended, passed or failed.
    async fn clean_up(&self) -> Result<()>;
}

/// The lifetime of committed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Data lives as long as the process and an open engine; after closing the engine, nothing is left to open. Where a
    /// case would reopen the engine, the suite opens a second one beside the first.
    Process,
    /// Data outlives the process. To test that, the suite closes the engine and opens another.
    Disk,
}
