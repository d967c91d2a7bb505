//! Drops the futures of a store on the engine in memory at each of their await points.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::StorageEngine;
use evercore::{BoxError, Result};
use evercore_conformance::{CancellationHarness, Durability, Harness, cancellation};
use evercore_memory::MemoryEngine;

#[derive(Debug, Default)]
struct Memory;

#[async_trait]
impl Harness for Memory {
    // Each engine has its own data, because a closed one stays closed.
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(Arc::new(MemoryEngine::new()))
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl CancellationHarness for Memory {
    fn url(&self) -> String {
        "memory:".to_owned()
    }

    async fn held(&self) -> Result<Vec<String>, BoxError> {
        Ok(Vec::new())
    }
}

cancellation!(Memory);
