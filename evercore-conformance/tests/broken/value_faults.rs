//! Faults in unique values.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use evercore::boundary::Tag;
use evercore::engine::{
    Commit, Declarations, LoadRequest, LoadTarget, LoadedAggregate, Reader, StorageEngine,
    UniqueChange, UniqueName,
};
use evercore::{AggregateId, Committed, Error, Result, Sequence};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;
use crate::tag_faults::commit_late;

/// Claims nothing.
#[derive(Debug)]
pub(crate) struct ClaimsNothing;

#[async_trait]
impl Fault for ClaimsNothing {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        engine.commit(Commit { unique: Vec::new(), ..commit }).await
    }
}

/// Keeps what was released.
#[derive(Debug)]
pub(crate) struct KeepsReleased;

#[async_trait]
impl Fault for KeepsReleased {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        commit.unique.retain(UniqueChange::claims);
        engine.commit(commit).await
    }
}

/// Looks for the holders of values, waits, and then stores the commit: as an engine that checks before it has its locks.
/// The last claim wins.
#[derive(Debug, Default)]
pub(crate) struct ChecksValuesTooEarly(Mutex<HashMap<Tag, AggregateId>>);

#[async_trait]
impl Fault for ChecksValuesTooEarly {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        let changes = std::mem::take(&mut commit.unique);
        for claim in changes.iter().filter(|change| change.claims()) {
            let holder = self.0.lock().expect("not poisoned").get(&claim.value).copied();
            let is_released = changes.iter().any(|other| {
                !other.claims() && Some(other.aggregate_id) == holder && other.value == claim.value
            });
            if let Some(holder) = holder.filter(|_| !is_released) {
                return Err(claim.taken(holder));
            }
        }
        tokio::task::yield_now().await;
        let committed = engine.commit(commit).await?;
        let mut holders = self.0.lock().expect("not poisoned");
        for change in changes.iter().filter(|change| !change.claims()) {
            holders.remove(&change.value);
        }
        for change in changes.iter().filter(|change| change.claims()) {
            holders.insert(change.value.clone(), change.aggregate_id);
        }
        Ok(committed)
    }

    async fn load(
        &self,
        reader: &dyn Reader,
        mut request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        if let LoadTarget::Unique(value) = &request.target {
            let holder = self.0.lock().expect("not poisoned").get(value).copied();
            let Some(holder) = holder else { return Ok(None) };
            request.target = LoadTarget::Id(holder);
        }
        reader.load(request).await
    }
}

/// Stores names without a new version.
#[derive(Debug, Default)]
pub(crate) struct DeclaresInSilence(AtomicI64);

#[async_trait]
impl Fault for DeclaresInSilence {
    async fn declarations(&self, engine: &MemoryEngine) -> Result<Declarations> {
        let mut declarations = engine.declarations().await?;
        declarations.version -= self.0.load(Ordering::Relaxed);
        Ok(declarations)
    }

    async fn declare_unique(&self, engine: &MemoryEngine, names: &[UniqueName]) -> Result<()> {
        let before = engine.declarations().await?.version;
        engine.declare_unique(names).await?;
        let hidden = engine.declarations().await?.version - before;
        self.0.fetch_add(hidden, Ordering::Relaxed);
        Ok(())
    }

    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        let hidden = self.0.load(Ordering::Relaxed);
        commit.declared = commit.declared.map(|declared| declared + hidden);
        engine.commit(commit).await
    }
}

/// Compares the version of a commit of the older program, waits, and then stores the commit, while a call that claims
/// values waits for no commit. It holds back one commit until all values are claimed, so that the others reach the number that the case waits for.
#[derive(Debug, Default)]
pub(crate) struct ClaimsBesideCommits(AtomicI64);

#[async_trait]
impl Fault for ClaimsBesideCommits {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let is_older = !commit.events.is_empty() && commit.unique.is_empty();
        let is_held = || is_older && self.0.fetch_add(1, Ordering::Relaxed) == 4;
        // Other types of the program have unique values, too.
        let is_complete = |declared: &Declarations| {
            declared.unique.iter().any(|name| name.is("guest", "email") && name.is_complete)
        };
        commit_late(engine, commit, is_held, is_complete).await
    }
}

/// Judges the changes of a commit one after another, so that a value is free only if it was released before.
#[derive(Debug)]
pub(crate) struct ChangesOneByOne;

#[async_trait]
impl Fault for ChangesOneByOne {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        for (index, claim) in commit.unique.iter().enumerate().filter(|(_, own)| own.claims()) {
            let target = LoadTarget::Unique(claim.value.clone());
            let (aggregate_type, up_to) = (claim.aggregate_type, Some(Sequence::ZERO));
            let request = LoadRequest { aggregate_type, target, snapshot: None, up_to, limit: 1 };
            let Some(holder) = engine.load(request).await? else { continue };
            let is_released = commit.unique[..index].iter().any(|before| {
                !before.claims() && before.aggregate_id == holder.id && before.value == claim.value
            });
            if holder.id != claim.aggregate_id && !is_released {
                return Err(claim.taken(holder.id));
            }
        }
        engine.commit(commit).await
    }
}

/// Compares values like a case-insensitive collation.
#[derive(Debug)]
pub(crate) struct FoldsValues;

fn folded(value: &Tag) -> Result<Tag> {
    Tag::new(value.name(), value.value().to_lowercase())
}

#[async_trait]
impl Fault for FoldsValues {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for change in &mut commit.unique {
            change.value = folded(&change.value)?;
        }
        engine.commit(commit).await
    }

    async fn load(
        &self,
        reader: &dyn Reader,
        mut request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        if let LoadTarget::Unique(value) = &mut request.target {
            *value = folded(value)?;
        }
        reader.load(request).await
    }
}

/// Claims what a refused commit has claimed.
#[derive(Debug)]
pub(crate) struct KeepsRefusedClaims;

#[async_trait]
impl Fault for KeepsRefusedClaims {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let answer = engine.commit(commit.clone()).await;
        if let Err(Error::ValueTaken { value, .. }) = &answer {
            let mut claims = commit;
            claims.id = evercore::CommitId::generate();
            claims.events.clear();
            claims.unique.retain(|change| change.claims() && change.value.value() != value);
            // Only the answer to the real commit counts.
            let _ = engine.commit(claims).await;
        }
        answer
    }
}
