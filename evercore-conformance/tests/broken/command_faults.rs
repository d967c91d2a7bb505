//! Faults in the command log.

use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{CommandLogStorage, CommandsRequest, Commit, StorageEngine, StoredCommand};
use evercore::{Committed, Result};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Records an outcome before it knows whether its commit lands.
#[derive(Debug)]
pub(crate) struct RecordsOutcomesTooEarly;

#[async_trait]
impl Fault for RecordsOutcomesTooEarly {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if !commit.outcomes.is_empty() {
            let outcomes = std::mem::take(&mut commit.outcomes);
            let early =
                Commit { outcomes, declared: commit.declared, ..Commit::new(commit.recorded_at) };
            engine.commit(early).await?;
        }
        engine.commit(commit).await
    }
}

/// Forgets the outcomes of a commit that has no events.
#[derive(Debug)]
pub(crate) struct LosesOutcomesOfRejections;

#[async_trait]
impl Fault for LosesOutcomesOfRejections {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if commit.events.is_empty() {
            commit.outcomes.clear();
        }
        engine.commit(commit).await
    }
}

/// Forgets the outcomes of a commit that has events.
#[derive(Debug)]
pub(crate) struct LosesOutcomesBesideEvents;

#[async_trait]
impl Fault for LosesOutcomesBesideEvents {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if !commit.events.is_empty() {
            commit.outcomes.clear();
        }
        engine.commit(commit).await
    }
}

/// Lists the outcomes of all commands, whatever was asked for.
#[derive(Debug)]
pub(crate) struct ListsByTimeAlone;

#[async_trait]
impl Fault for ListsByTimeAlone {
    async fn list_commands(
        &self,
        engine: &MemoryEngine,
        request: &CommandsRequest,
    ) -> Result<Vec<StoredCommand>> {
        let CommandsRequest { from, until, after, limit, .. } = *request;
        let request = CommandsRequest { from, until, after, limit, ..CommandsRequest::default() };
        CommandLogStorage::list(engine, &request).await
    }
}

/// Keeps all outcomes.
#[derive(Debug)]
pub(crate) struct RemovesNoOutcomes;

#[async_trait]
impl Fault for RemovesNoOutcomes {
    async fn prune_commands(&self, _: &MemoryEngine, _: Duration, _: u32) -> Result<u64> {
        Ok(0)
    }
}
