//! An engine that records the commits it passes on to another engine.

use std::sync::Arc;

use async_trait::async_trait;
use evercore::engine::{Commit, Forward, StorageEngine};
use evercore::{CommitId, CommitOutcome, Committed, Error, Result};

use super::observation::{CommitBegun, Observation, Refusal};
use super::recorder::Recorder;
use super::stamp::stamp;

#[derive(Debug)]
pub(super) struct Observed {
    engine: Arc<dyn StorageEngine>,
    recorder: Recorder,
}

impl Observed {
    pub(super) const fn new(engine: Arc<dyn StorageEngine>, recorder: Recorder) -> Self {
        Self { engine, recorder }
    }
}

#[async_trait]
impl Forward for Observed {
    fn engine(&self) -> &dyn StorageEngine {
        &*self.engine
    }

    async fn commit(&self, mut commit: Commit) -> Result<Committed> {
        let id = commit.id;
        for event in &mut commit.events {
            let is_its =
                |write: &&evercore::engine::AggregateWrite| write.id == event.meta.aggregate_id();
            let aggregate_type =
                commit.writes.iter().find(is_its).map(|write| write.aggregate_type);
            stamp(event, aggregate_type.unwrap_or_default(), id)?;
        }
        let begun = Observation::Begun(CommitBegun::of(&commit));
        self.recorder.note(begun).map_err(|error| Error::storage("note a commit", error))?;
        let answer = self.engine.commit(commit).await;
        // If the answer cannot be recorded, the history counts the outcome as unknown, which stays correct.
        let _ = self.recorder.note(Observation::answer(id, &answer));
        answer
    }

    async fn find_commit(&self, id: CommitId) -> Result<CommitOutcome> {
        let outcome = self.engine.find_commit(id).await?;
        let seen = match &outcome {
            CommitOutcome::Landed(Committed { positions, .. }) => {
                Observation::Acknowledged { commit: id, positions: positions.clone() }
            }
            CommitOutcome::NeverLands => {
                Observation::Refused { commit: id, reason: Refusal::NeverLands }
            }
        };
        let _ = self.recorder.note(seen);
        Ok(outcome)
    }
}
