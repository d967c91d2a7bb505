//! The engine in memory keeps every promise, except that data does not outlive the process.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::Result;
use evercore::engine::StorageEngine;
use evercore_conformance::{Durability, Harness, conformance};
use evercore_memory::MemoryEngine;

#[derive(Debug)]
struct Memory(MemoryEngine);

#[async_trait]
impl Harness for Memory {
    async fn open(&self) -> Result<Arc<dyn StorageEngine>> {
        Ok(Arc::new(self.0.clone()))
    }

    fn durability(&self) -> Durability {
        Durability::Process
    }

    async fn clean_up(&self) -> Result<()> {
        Ok(())
    }
}

conformance!(Memory(MemoryEngine::new()));

mod random {
    use super::{Memory, MemoryEngine};

    evercore_conformance::state_machine!(Memory(MemoryEngine::new()));
    evercore_conformance::concurrent_histories!(Memory(MemoryEngine::new()));
}
