//! Faults in commits.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{
    AggregateWrite, Commit, IdBlock, KeyChange, LoadRequest, LoadTarget, LoadedAggregate,
    Positions, Precondition, Reader, StorageEngine,
};
use evercore::error::ConflictReason;
use evercore::{
    AggregateId, CommitId, CommitOutcome, Committed, Error, NaturalKey, Result, Sequence,
};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Ignores all preconditions.
#[derive(Debug)]
pub(crate) struct LosesUpdates;

#[async_trait]
impl Fault for LosesUpdates {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        commit.writes.iter_mut().for_each(expect_nothing);
        engine.commit(commit).await
    }
}

fn expect_nothing(write: &mut AggregateWrite) {
    if write.precondition != Precondition::New {
        write.precondition = Precondition::Exists;
    }
}

/// Refuses only writes that are too old, as a unique index would.
#[derive(Debug)]
pub(crate) struct AcceptsTheFuture;

#[async_trait]
impl Fault for AcceptsTheFuture {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        match engine.commit(commit.clone()).await {
            Err(Error::Conflict {
                reason: ConflictReason::Sequence { expected, actual }, ..
            }) if expected > actual => {
                commit.writes.iter_mut().for_each(expect_nothing);
                engine.commit(commit).await
            }
            answer => answer,
        }
    }
}

/// Checks the sequence but not the key.
#[derive(Debug)]
pub(crate) struct OverlooksKeyChanges;

#[async_trait]
impl Fault for OverlooksKeyChanges {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for write in &mut commit.writes {
            if let Precondition::Unchanged { sequence, .. } = write.precondition {
                write.precondition = Precondition::At(sequence);
            }
        }
        engine.commit(commit).await
    }
}

/// Checks only the aggregates that it writes to.
#[derive(Debug)]
pub(crate) struct OverlooksGuards;

#[async_trait]
impl Fault for OverlooksGuards {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        let written = |write: &AggregateWrite| {
            write.creates()
                || write.key != KeyChange::Keep
                || commit.events.iter().any(|event| event.meta.aggregate_id() == write.id)
        };
        commit.writes = commit.writes.iter().filter(|write| written(write)).cloned().collect();
        engine.commit(commit).await
    }
}

/// Checks only aggregates that were loaded since their last write, and trusts the commit about all others, as if an
/// aggregate decided on from the cache needed no check.
#[derive(Debug, Default)]
pub(crate) struct BelievesTheCache {
    shown: Mutex<HashSet<AggregateId>>,
}

#[async_trait]
impl Fault for BelievesTheCache {
    async fn load(
        &self,
        reader: &dyn Reader,
        request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        let loaded = reader.load(request).await?;
        self.shown.lock().expect("no panic").extend(loaded.iter().map(|loaded| loaded.id));
        Ok(loaded)
    }

    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        {
            let mut shown = self.shown.lock().expect("no panic");
            for write in &mut commit.writes {
                let from_memory = matches!(write.precondition, Precondition::Unchanged { .. });
                if !shown.remove(&write.id) && from_memory {
                    write.precondition = Precondition::Exists;
                }
            }
        }
        engine.commit(commit).await
    }
}

/// Commits one aggregate after the other.
#[derive(Debug)]
pub(crate) struct LandsInPart;

#[async_trait]
impl Fault for LandsInPart {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let mut last = Committed::new(commit.id, Positions::NONE);
        for part in parts(&commit) {
            last = engine.commit(part).await?;
        }
        Ok(last)
    }
}

/// Checks all preconditions first, but may be dropped between two aggregates.
#[derive(Debug)]
pub(crate) struct LandsInPartWhenDropped;

#[async_trait]
impl Fault for LandsInPartWhenDropped {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let mut last = Committed::new(commit.id, Positions::NONE);
        for part in parts(&commit) {
            last = engine.commit(part).await?;
            tokio::task::yield_now().await;
        }
        Ok(last)
    }
}

/// Splits a commit into one for each aggregate.
fn parts(commit: &Commit) -> Vec<Commit> {
    let part = |write: &AggregateWrite| Commit {
        id: CommitId::generate(),
        recorded_at: commit.recorded_at,
        writes: vec![write.clone()],
        events: commit
            .events
            .iter()
            .filter(|e| e.meta.aggregate_id() == write.id)
            .cloned()
            .collect(),
        snapshots: commit
            .snapshots
            .iter()
            .filter(|s| s.aggregate_id == write.id)
            .cloned()
            .collect(),
        idempotency: None,
        unique: commit
            .unique
            .iter()
            .filter(|change| change.aggregate_id == write.id)
            .cloned()
            .collect(),
        conditions: Vec::new(),
        tasks: Vec::new(),
        declared: commit.declared,
        completes: Vec::new(),
        outcomes: Vec::new(),
    };
    commit.writes.iter().map(part).collect()
}

/// Applies the conflict of one commit to the next one as well.
#[derive(Debug, Default)]
pub(crate) struct FailsNeighbours(Mutex<Option<(AggregateId, ConflictReason)>>);

#[async_trait]
impl Fault for FailsNeighbours {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let verdict = self.0.lock().expect("not poisoned").take();
        if let Some((id, reason)) = verdict {
            return Err(Error::Conflict { aggregate: "counter".to_owned(), id, reason });
        }
        let answer = engine.commit(commit).await;
        if let Err(Error::Conflict { id, reason, .. }) = &answer {
            *self.0.lock().expect("not poisoned") = Some((*id, reason.clone()));
        }
        answer
    }
}

/// Acknowledges every third commit without storing it.
#[derive(Debug, Default)]
pub(crate) struct AcknowledgesTooEarly(AtomicU32);

#[async_trait]
impl Fault for AcknowledgesTooEarly {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        if self.0.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            return Ok(Committed::new(commit.id, Positions::NONE));
        }
        engine.commit(commit).await
    }
}

/// Does not recognize a repeated commit.
#[derive(Debug)]
pub(crate) struct LandsTwice;

#[async_trait]
impl Fault for LandsTwice {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        // A repeated commit is mostly refused because the first one changed the state; an unconditional append is not.
        commit.id = CommitId::generate();
        commit.writes.iter_mut().for_each(expect_nothing);
        for write in &mut commit.writes {
            if write.creates() && exists(engine, write).await? {
                write.precondition = Precondition::Exists;
            }
        }
        engine.commit(commit).await
    }
}

async fn exists(engine: &MemoryEngine, write: &AggregateWrite) -> Result<bool> {
    let target = LoadTarget::Id(write.id);
    Ok(engine.load(bare(write.aggregate_type, target)).await?.is_some())
}

fn bare(aggregate_type: &'static str, target: LoadTarget) -> LoadRequest {
    LoadRequest { aggregate_type, target, snapshot: None, up_to: Some(Sequence::ZERO), limit: 1 }
}

/// Reports that a commit is never stored, and stores it nevertheless.
#[derive(Debug, Default)]
pub(crate) struct ForgetsTheFence(Mutex<HashMap<CommitId, Committed>>);

#[async_trait]
impl Fault for ForgetsTheFence {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let committed = engine.commit(commit).await?;
        self.0.lock().expect("not poisoned").insert(committed.id, committed.clone());
        Ok(committed)
    }

    async fn find_commit(&self, _engine: &MemoryEngine, id: CommitId) -> Result<CommitOutcome> {
        let landed = self.0.lock().expect("not poisoned").get(&id).cloned();
        Ok(landed.map_or(CommitOutcome::NeverLands, CommitOutcome::Landed))
    }
}

/// Forgets abandoned commits when the process ends.
#[derive(Debug, Default)]
pub(crate) struct ForgetsTheFenceAtTheEnd {
    landed: ForgetsTheFence,
    given_up: Mutex<HashSet<CommitId>>,
}

#[async_trait]
impl Fault for ForgetsTheFenceAtTheEnd {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        if self.given_up.lock().expect("not poisoned").contains(&commit.id) {
            return Err(Error::given_up(commit.id));
        }
        self.landed.commit(engine, commit).await
    }

    async fn find_commit(&self, engine: &MemoryEngine, id: CommitId) -> Result<CommitOutcome> {
        let outcome = self.landed.find_commit(engine, id).await?;
        if outcome == CommitOutcome::NeverLands {
            self.given_up.lock().expect("not poisoned").insert(id);
        }
        Ok(outcome)
    }

    fn next_process(&self, log: &MemoryEngine) -> MemoryEngine {
        self.given_up.lock().expect("not poisoned").clear();
        log.clone()
    }
}

/// Keeps the snapshot of a refused commit.
#[derive(Debug)]
pub(crate) struct KeepsRefusedSnapshots;

#[async_trait]
impl Fault for KeepsRefusedSnapshots {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let answer = engine.commit(commit.clone()).await;
        if answer.is_err() {
            let writes = commit.writes.into_iter().map(|mut write| {
                expect_nothing(&mut write);
                AggregateWrite { key: KeyChange::Keep, ..write }
            });
            let writes = writes.filter(|write| !write.creates()).collect();
            let id = CommitId::generate();
            // Only the answer to the real commit counts.
            let _ = engine.commit(Commit { id, writes, events: Vec::new(), ..commit }).await;
        }
        answer
    }
}

/// Allows several aggregates to have the same key; a lookup finds the first one.
#[derive(Debug, Default)]
pub(crate) struct SharesKeys;

#[async_trait]
impl Fault for SharesKeys {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        loop {
            match engine.commit(commit.clone()).await {
                Err(Error::KeyTaken { key, .. }) => {
                    let wanted = KeyChange::Set(NaturalKey::new(key)?);
                    let writes = commit.writes.iter_mut().rev();
                    for write in writes.filter(|write| write.key == wanted).take(1) {
                        write.key = KeyChange::Keep;
                    }
                }
                answer => return answer,
            }
        }
    }
}

/// Keeps the keys of all types in one index.
#[derive(Debug)]
pub(crate) struct SharesKeysAmongTypes;

#[async_trait]
impl Fault for SharesKeysAmongTypes {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        for write in &commit.writes {
            let KeyChange::Set(key) = &write.key else { continue };
            for aggregate_type in ["account", "counter"] {
                let holder =
                    engine.load(bare(aggregate_type, LoadTarget::Key(key.clone()))).await?;
                if holder.is_some() && aggregate_type != write.aggregate_type {
                    let aggregate = write.aggregate_type.to_owned();
                    return Err(Error::KeyTaken { aggregate, key: key.to_string() });
                }
            }
        }
        engine.commit(commit).await
    }
}

/// Compares keys like a case-insensitive collation.
#[derive(Debug)]
pub(crate) struct FoldsKeys;

#[async_trait]
impl Fault for FoldsKeys {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for write in &mut commit.writes {
            if let KeyChange::Set(key) = &mut write.key {
                *key = NaturalKey::new(key.as_str().to_lowercase())?;
            }
        }
        engine.commit(commit).await
    }

    async fn load(
        &self,
        reader: &dyn Reader,
        mut request: LoadRequest,
    ) -> Result<Option<LoadedAggregate>> {
        if let LoadTarget::Key(key) = &mut request.target {
            *key = NaturalKey::new(key.as_str().to_lowercase())?;
        }
        reader.load(request).await
    }
}

/// Keeps only the first hundred bytes of a key.
#[derive(Debug)]
pub(crate) struct CutsKeys;

#[async_trait]
impl Fault for CutsKeys {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for write in &mut commit.writes {
            if let KeyChange::Set(key) = &mut write.key {
                let end = key.as_str().floor_char_boundary(100);
                *key = NaturalKey::new(&key.as_str()[..end])?;
            }
        }
        engine.commit(commit).await
    }
}

/// Assigns ids from the beginning each time.
#[derive(Debug)]
pub(crate) struct GivesIdsTwice;

#[async_trait]
impl Fault for GivesIdsTwice {
    async fn reserve_ids(&self, engine: &MemoryEngine, count: u32) -> Result<IdBlock> {
        engine.reserve_ids(count).await?;
        Ok(IdBlock::new(AggregateId::new(1)?, count))
    }
}

/// Continues to work after it was closed.
#[derive(Debug)]
pub(crate) struct StaysOpen;

impl Fault for StaysOpen {
    fn heeds_close(&self) -> bool {
        false
    }
}

/// Leaves nothing to the next process.
#[derive(Debug)]
pub(crate) struct ForgetsAtTheEnd;

impl Fault for ForgetsAtTheEnd {
    fn next_process(&self, _log: &MemoryEngine) -> MemoryEngine {
        MemoryEngine::new()
    }
}

/// Ignores idempotency keys.
#[derive(Debug)]
pub(crate) struct OverlooksIdempotency;

#[async_trait]
impl Fault for OverlooksIdempotency {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let found = match &commit.idempotency {
            Some(given) => engine.find_by_idempotency_key(&given.key).await?,
            None => None,
        };
        let idempotency = if found.is_some() { None } else { commit.idempotency };
        engine.commit(Commit { idempotency, ..commit }).await
    }
}

/// Looks for the key, gives others time to do the same, and then commits without checking it.
#[derive(Debug)]
pub(crate) struct LooksForTheKeyFirst;

#[async_trait]
impl Fault for LooksForTheKeyFirst {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        if let Some(given) = &commit.idempotency
            && engine.find_by_idempotency_key(&given.key).await?.is_some()
        {
            return Err(Error::IdempotencyKeyUsed { key: given.key.to_string() });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        OverlooksIdempotency.commit(engine, commit).await
    }
}

/// Reports a conflict before a used idempotency key.
#[derive(Debug)]
pub(crate) struct AsksForTheKeyLast;

#[async_trait]
impl Fault for AsksForTheKeyLast {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        match engine.commit(commit.clone()).await {
            Err(used @ Error::IdempotencyKeyUsed { .. }) => {
                let id = CommitId::generate();
                engine.commit(Commit { id, idempotency: None, ..commit }).await?;
                Err(used)
            }
            answer => answer,
        }
    }
}
