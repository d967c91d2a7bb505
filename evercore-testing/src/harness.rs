//! What the suite needs to know of an engine.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use evercore::Result;
use evercore::engine::StorageEngine;

/// Data of its own for one case, and the way to open engines on it.
///
/// The suite makes one for each case and drops it when the case has ended.
#[async_trait]
pub trait Harness: fmt::Debug + Send + Sync + 'static {
    /// Opens an engine on the data, which are empty when it is called first. The schema may be missing; the suite
    /// migrates.
    ///
    /// Each call does what another process would do: what the engines share is the data and nothing else.
    async fn open(&self) -> Result<Arc<dyn StorageEngine>>;

    /// How long the data live.
    fn durability(&self) -> Durability;

    /// Removes what dropping the harness does not. Called when the case has ended, well or badly.
    async fn clean_up(&self) -> Result<()>;
}

/// How long committed data live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As long as the process and an open engine: there is nothing to open once the engine is closed. The suite opens
    /// a second engine beside the first where it would reopen.
    Process,
    /// Beyond the process. Where data are to survive, the suite closes the engine and opens another.
    Disk,
}
