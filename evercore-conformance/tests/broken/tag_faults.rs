//! Faults in events with tags, and in the conditions that rest on them.

use std::time::Duration;

use async_trait::async_trait;
use evercore::boundary::Tags;
use evercore::engine::{
    Commit, Declarations, Reader, StorageEngine, StoredTag, TagBatch, TagDeclaration, TagPage,
    TagRequest, TagState, TagStorage,
};
use evercore::{Committed, Error, Position, Result};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Does not check conditions.
#[derive(Debug)]
pub(crate) struct OverlooksConditions;

#[async_trait]
impl Fault for OverlooksConditions {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        engine.commit(Commit { conditions: Vec::new(), ..commit }).await
    }
}

/// Checks conditions, waits, and then stores the commit: as an engine that checks before it has its locks.
#[derive(Debug)]
pub(crate) struct ChecksConditionsTooEarly;

#[async_trait]
impl Fault for ChecksConditionsTooEarly {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        for condition in &commit.conditions {
            let request = TagRequest {
                after: condition.beyond,
                ..TagRequest::new(condition.query.clone(), u32::MAX)
            };
            let found = engine.read_tagged(vec![request]).await?.remove(0).events.len();
            if u64::try_from(found) != Ok(condition.seen) {
                return Err(condition.conflict());
            }
        }
        tokio::task::yield_now().await;
        engine.commit(Commit { conditions: Vec::new(), ..commit }).await
    }
}

/// Checks only the first condition of a commit.
#[derive(Debug)]
pub(crate) struct ChecksOneCondition;

#[async_trait]
impl Fault for ChecksOneCondition {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        commit.conditions.truncate(1);
        engine.commit(commit).await
    }
}

/// Counts all events that match, also those before the position of the condition.
#[derive(Debug)]
pub(crate) struct CountsFromTheStart;

#[async_trait]
impl Fault for CountsFromTheStart {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for condition in &mut commit.conditions {
            condition.beyond = Position::START;
        }
        engine.commit(commit).await
    }
}

/// Reports a frontier that lies beyond events which may still appear.
#[derive(Debug)]
pub(crate) struct ReportsALateFrontier;

#[async_trait]
impl Fault for ReportsALateFrontier {
    async fn read_tagged(
        &self,
        reader: &dyn Reader,
        requests: Vec<TagRequest>,
    ) -> Result<Vec<TagPage>> {
        let mut pages = reader.read_tagged(requests).await?;
        for page in &mut pages {
            page.frontier = Position::new(page.frontier.get() + 3)?;
        }
        Ok(pages)
    }
}

/// Finds events that have one of the tags of an atom, but not all.
#[derive(Debug)]
pub(crate) struct FindsByOneTag;

#[async_trait]
impl Fault for FindsByOneTag {
    async fn read_tagged(
        &self,
        reader: &dyn Reader,
        mut requests: Vec<TagRequest>,
    ) -> Result<Vec<TagPage>> {
        for request in &mut requests {
            let mut query = (*request.query).clone();
            query.atoms.iter_mut().for_each(|atom| atom.tags.truncate(1));
            request.query = query.into();
        }
        reader.read_tagged(requests).await
    }
}

/// Keeps the first tag of an event only, so that it is not found by the others.
#[derive(Debug)]
pub(crate) struct IndexesTheFirstTag;

#[async_trait]
impl Fault for IndexesTheFirstTag {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for event in &mut commit.events {
            let column = event.tags.to_column().map(str::to_owned);
            let first = column.as_deref().and_then(|column| column.split('\n').next());
            event.tags = Tags::from_column(first)?;
        }
        engine.commit(commit).await
    }
}

/// Ends a page early, and says that it was the last.
#[derive(Debug)]
pub(crate) struct CutsTaggedPages;

#[async_trait]
impl Fault for CutsTaggedPages {
    async fn read_tagged(
        &self,
        reader: &dyn Reader,
        requests: Vec<TagRequest>,
    ) -> Result<Vec<TagPage>> {
        let mut pages = reader.read_tagged(requests).await?;
        pages.iter_mut().for_each(|page| page.at_end = true);
        Ok(pages)
    }
}

/// Stores commits whatever version of the declarations they name.
#[derive(Debug)]
pub(crate) struct ForgetsTheVersion;

#[async_trait]
impl Fault for ForgetsTheVersion {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        engine.commit(Commit { declared: None, ..commit }).await
    }
}

/// Compares the version of a commit and then stores it. A commit that is held back is stored once what was declared
/// meanwhile is complete, or after ten seconds.
pub(crate) async fn commit_late(
    engine: &MemoryEngine,
    commit: Commit,
    is_held: impl FnOnce() -> bool + Send,
    is_complete: impl Fn(&Declarations) -> bool,
) -> Result<Committed> {
    let version = engine.declarations().await?.version;
    if commit.declared.is_some_and(|declared| declared != version) {
        return Err(Error::DeclarationsChanged);
    }
    for _ in 0..if is_held() { 1_000 } else { 0 } {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if is_complete(&engine.declarations().await?) {
            break;
        }
    }
    engine.commit(Commit { declared: None, ..commit }).await
}

/// Compares the version of a commit of the older program, waits, and then stores the commit, while a backfill waits for
/// no commit: as an engine whose backfill begins before the commits that it could not refuse have ended.
#[derive(Debug)]
pub(crate) struct WaitsForNoCommit;

#[async_trait]
impl Fault for WaitsForNoCommit {
    async fn commit(&self, engine: &MemoryEngine, commit: Commit) -> Result<Committed> {
        let is_older = commit.events.iter().any(|event| event.event_type == "parcel-posted");
        let is_complete = |declared: &Declarations| {
            declared.tags.iter().all(|(_, state)| *state == TagState::Complete)
        };
        commit_late(engine, commit, || is_older, is_complete).await
    }
}

/// Takes every tag that is declared for complete.
#[derive(Debug)]
pub(crate) struct CompletesAtOnce;

#[async_trait]
impl Fault for CompletesAtOnce {
    async fn declare_tags(
        &self,
        engine: &MemoryEngine,
        declarations: &[(StoredTag, TagDeclaration)],
    ) -> Result<()> {
        engine.declare_tags(declarations).await?;
        let of = declarations.iter().map(|(tag, _)| tag.clone()).collect::<Vec<_>>();
        let (events, up_to) = (Vec::new(), Position::START);
        engine.begin_tagging(&of).await?;
        engine.add_tags(&TagBatch { events, of, up_to, is_last: true }).await.map(drop)
    }
}

/// Records that events have their tags, and gives them none.
#[derive(Debug)]
pub(crate) struct RecordsWithoutTags;

#[async_trait]
impl Fault for RecordsWithoutTags {
    async fn add_tags(&self, engine: &MemoryEngine, batch: &TagBatch) -> Result<bool> {
        engine.add_tags(&TagBatch { events: Vec::new(), ..batch.clone() }).await
    }
}

/// Does not record how far a backfill has come.
#[derive(Debug)]
pub(crate) struct ForgetsWhereItWas;

#[async_trait]
impl Fault for ForgetsWhereItWas {
    async fn add_tags(&self, engine: &MemoryEngine, batch: &TagBatch) -> Result<bool> {
        engine.add_tags(&TagBatch { up_to: Position::START, ..batch.clone() }).await
    }
}
