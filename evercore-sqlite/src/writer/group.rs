//! Group commit: the commits that wait share a transaction, and so its fsync.

use std::sync::Arc;
use std::time::Instant;

use evercore::engine::Commit;
use tracing::debug;

use super::land::{land, type_names};
use super::outcome::Outcome;
use super::task::Task;
use super::{CommitJob, Job};

/// A group takes no further commit once it has so many of these.
const MOST_COMMITS: usize = 256;
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 * 1024 * 1024;

impl Task {
    /// Lands a commit and those that wait behind it. Returns the first job that is none.
    pub(super) async fn land_group(&mut self, first: CommitJob) -> Option<Job> {
        // The callers that were answered last are about to commit again. Once round the other tasks lets them come along:
        // groups become several times as large.
        tokio::task::yield_now().await;
        let (group, next) = self.gather(first);
        if group.is_empty() {
            return next;
        }
        match self.attempt(&group).await {
            Outcome::Suspect(problem) if group.len() > 1 => {
                debug!(commits = group.len(), ?problem, "committing a group one by one");
                for job in group {
                    let alone = vec![job];
                    let outcome = self.attempt(&alone).await;
                    self.answer(alone, outcome);
                }
            }
            outcome => self.answer(group, outcome),
        }
        next
    }

    fn gather(&mut self, first: CommitJob) -> (Vec<CommitJob>, Option<Job>) {
        let mut group = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        let mut job = Job::Commit(first);
        loop {
            match job {
                // Nobody waits for it any more.
                Job::Commit(job) if job.answer.is_closed() => {}
                Job::Commit(job) => {
                    events += job.commit.events.len();
                    bytes += size(&job.commit);
                    group.push(job);
                }
                other => return (group, Some(other)),
            }
            if group.len() >= MOST_COMMITS || events >= MOST_EVENTS || bytes >= MOST_BYTES {
                return (group, None);
            }
            match self.queue.try_recv() {
                Ok(next) => job = next,
                Err(_) => return (group, None),
            }
        }
    }

    async fn attempt(&mut self, group: &[CommitJob]) -> Outcome {
        let started = Instant::now();
        let (database, types) = (Arc::clone(&self.database), Arc::clone(&self.types));
        let _turn = match database.turns().write().await {
            Ok(turn) => turn,
            Err(overdue) => return Outcome::Overdue(overdue),
        };
        let commits: Vec<_> = group.iter().map(|job| &job.commit).collect();
        let names = match self.register(&type_names(&commits)).await {
            Ok(names) => names,
            Err(problem) => {
                self.roll_back().await;
                return Outcome::undone(problem);
            }
        };
        let outcome = match self.connection().await {
            Ok(connection) => land(connection, &types, names, &commits).await,
            Err(error) => Outcome::undone(error.into()),
        };
        if !matches!(outcome, Outcome::Landed(_)) {
            self.roll_back().await;
        }
        debug!(commits = group.len(), landing = outcome.landed(), took = ?started.elapsed(), "a group");
        outcome
    }

    fn answer(&self, group: Vec<CommitJob>, outcome: Outcome) {
        if let Outcome::Landed(_) = outcome {
            self.database.grown().notify();
        }
        let ids: Vec<_> = group.iter().map(|job| job.commit.id).collect();
        let verdicts = outcome.verdicts(self.database.name(), &ids);
        for (job, verdict) in group.into_iter().zip(verdicts) {
            // Whoever does not wait any more does not want to know.
            job.answer.send(verdict).ok();
        }
    }
}

fn size(commit: &Commit) -> usize {
    let events = commit.events.iter().map(|event| event.payload.bytes().len());
    let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
    events.chain(snapshots).sum()
}
