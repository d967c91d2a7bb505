//! Aggregate ids, taken from the engine in blocks.

use tokio::sync::Mutex;

use crate::engine::{IdBlock, StorageEngine};
use crate::{AggregateId, Result};

/// A short-lived program wastes few ids; a busy one asks seldom.
const FIRST_BLOCK: u32 = 32;
const LARGEST_BLOCK: u32 = 1024;

/// Where a context takes the ids of new aggregates from.
#[derive(Debug)]
pub(crate) enum Ids {
    /// The store's pool.
    Pool,
    /// Its transaction: this one, and those that follow it.
    From(AggregateId),
}

/// Hands out ids and asks the engine for the next block when there are none left.
#[derive(Debug)]
pub(crate) struct IdPool(Mutex<Pool>);

#[derive(Debug)]
struct Pool {
    next: i64,
    left: u32,
    block: u32,
}

impl Ids {
    pub(crate) async fn next(
        &mut self,
        pool: &IdPool,
        engine: &dyn StorageEngine,
    ) -> Result<AggregateId> {
        match self {
            Self::Pool => pool.next(engine).await,
            Self::From(next) => {
                let id = *next;
                *next = AggregateId::new(id.get().saturating_add(1))?;
                Ok(id)
            }
        }
    }
}

impl IdPool {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Pool { next: 0, left: 0, block: FIRST_BLOCK }))
    }

    pub(crate) async fn next(&self, engine: &dyn StorageEngine) -> Result<AggregateId> {
        let mut pool = self.0.lock().await;
        pool.fill(engine).await?;
        let id = AggregateId::new(pool.next)?;
        pool.next += 1;
        pool.left -= 1;
        Ok(id)
    }

    /// Asks for the first block ahead of need.
    pub(crate) async fn warmup(&self, engine: &dyn StorageEngine) -> Result<()> {
        self.0.lock().await.fill(engine).await
    }
}

impl Pool {
    async fn fill(&mut self, engine: &dyn StorageEngine) -> Result<()> {
        if self.left == 0 {
            let IdBlock { first, count } = engine.reserve_ids(self.block).await?;
            self.next = first.get();
            self.left = count;
            self.block = self.block.saturating_mul(2).min(LARGEST_BLOCK);
        }
        Ok(())
    }
}
