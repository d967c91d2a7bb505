//! Hands out aggregate ids, which are reserved from the engine in blocks.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::{IdBlock, StorageEngine};
use crate::{AggregateId, Result};

/// Blocks start small and grow: a short-lived program wastes few ids, and a busy one seldom asks.
const FIRST_BLOCK: u32 = 32;
const LARGEST_BLOCK: u32 = 1024;

/// The source of ids for the new aggregates of a context.
#[derive(Debug)]
pub(crate) enum Ids {
    /// The store's pool.
    Pool,
    /// The transaction's own ids: this one and the following.
    From(AggregateId),
}

/// Hands out ids, and asks the engine for the next block when there are none left.
#[derive(Debug)]
pub(crate) struct IdPool {
    pool: Mutex<Pool>,
    /// Held by the task that asks the engine.
    asking: tokio::sync::Mutex<()>,
}

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
        let pool = Mutex::new(Pool { next: 0, left: 0, block: FIRST_BLOCK });
        Self { pool, asking: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn next(&self, engine: &dyn StorageEngine) -> Result<AggregateId> {
        loop {
            if let Some(id) = self.pool().take() {
                return AggregateId::new(id);
            }
            self.warmup(engine).await?;
        }
    }

    /// Asks for the next block if there are no ids left.
    pub(crate) async fn warmup(&self, engine: &dyn StorageEngine) -> Result<()> {
        let _asking = self.asking.lock().await;
        let block = match *self.pool() {
            Pool { left: 0, block, .. } => block,
            // Another task has refilled the pool meanwhile.
            _ => return Ok(()),
        };
        let reserved = engine.reserve_ids(block).await?;
        self.pool().fill(reserved);
        Ok(())
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    fn take(&mut self) -> Option<i64> {
        self.left = self.left.checked_sub(1)?;
        let id = self.next;
        self.next += 1;
        Some(id)
    }

    fn fill(&mut self, IdBlock { first, count }: IdBlock) {
        self.next = first.get();
        self.left = count;
        self.block = self.block.saturating_mul(2).min(LARGEST_BLOCK);
    }
}
