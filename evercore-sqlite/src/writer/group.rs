//! Commits in groups: waiting commits share a transaction, and so its fsync.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evercore::Report;
use evercore::engine::{Commit, TaskChange};
use evercore::observer::Observation;
use tracing::debug;

use super::group_size::GroupSize;
use super::land::{land, unknown_names};
use super::outcome::Outcome;
use super::thread::WriterThread;
use super::{CommitJob, Job};
use crate::block_on::block_on_timeout;
use crate::error::Problem;

/// The sizes at which a group takes no further commit.
const MOST_COMMITS: usize = 256;
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The size of a group.
#[derive(Debug, Default)]
struct Contents {
    commits: usize,
    events: usize,
    bytes: usize,
}

impl Contents {
    fn add(&mut self, commit: &Commit) {
        self.commits += 1;
        self.events += commit.events.len() + commit.tasks.len();
        self.bytes += size(commit);
    }

    fn is_full(&self) -> bool {
        self.commits >= MOST_COMMITS || self.events >= MOST_EVENTS || self.bytes >= MOST_BYTES
    }
}

impl WriterThread {
    /// Stores a commit and those that wait behind it. Returns the first job that is not a commit.
    pub(super) fn land_group(&mut self, first: CommitJob) -> Option<Job> {
        let (group, next) = self.gather(first);
        if group.is_empty() {
            return next;
        }
        let (commits, began) = (group.len(), Instant::now());
        match self.attempt(&group) {
            Outcome::Suspect(problem) if group.len() > 1 => {
                debug!(commits = group.len(), error = %Report::new(problem.as_error()), "committing the commits of a group one by one");
                for job in group {
                    let alone = vec![job];
                    let outcome = self.attempt(&alone);
                    self.answer(alone, outcome, began);
                }
            }
            outcome => self.answer(group, outcome, began),
        }
        if let Some(observer) = self.database.observer().get() {
            let duration = began.elapsed();
            observer.observe(&Observation::Group { commits, duration });
        }
        next
    }

    fn gather(&mut self, first: CommitJob) -> (Vec<CommitJob>, Option<Job>) {
        let (started, patience) = (Instant::now(), self.group_size.patience());
        let mut group = Vec::new();
        let mut contents = Contents::default();
        let mut job = Job::Commit(first);
        loop {
            match job {
                // Skipped if the caller has stopped waiting.
                Job::Commit(job) if job.answer.is_closed() => {}
                Job::Commit(job) => {
                    contents.add(&job.commit);
                    group.push(job);
                }
                other => return (group, Some(other)),
            }
            if contents.is_full() {
                return (group, None);
            }
            match self.next_for(group.len(), patience.saturating_sub(started.elapsed())) {
                Some(next) => job = next,
                None => return (group, None),
            }
        }
    }

    /// Returns the next job. Waits for one while the group has fewer commits than the last one.
    fn next_for(&mut self, gathered: usize, patience: Duration) -> Option<Job> {
        match self.queue.try_recv() {
            Ok(next) => Some(next),
            Err(_) if gathered >= self.group_size.commits || patience.is_zero() => None,
            Err(_) => block_on_timeout(self.queue.recv(), patience).flatten(),
        }
    }

    fn attempt(&mut self, group: &[CommitJob]) -> Outcome {
        let started = Instant::now();
        let database = Arc::clone(&self.database);
        let _turn = match database.locks().write_blocking() {
            Ok(turn) => turn,
            Err(overdue) => return Outcome::Overdue(overdue),
        };
        let commits: Vec<_> = group.iter().map(|job| &job.commit).collect();
        let outcome = self.try_landing(&commits).unwrap_or_else(Outcome::of_statement);
        match outcome {
            Outcome::Landed(_) => self.database.remember_files(),
            _ => self.roll_back(),
        }
        self.group_size = GroupSize { commits: group.len(), landing: started.elapsed() };
        debug!(commits = group.len(), landing = outcome.landed(), took = ?started.elapsed(), "wrote a group of commits");
        outcome
    }

    fn try_landing(&mut self, commits: &[&Commit]) -> Result<Outcome, Problem> {
        let mut names = self.types.known();
        let unknown = unknown_names(&names, commits);
        if !unknown.is_empty() {
            names = self.register(&unknown)?;
        }
        Ok(land(self.connection()?, &names, commits))
    }

    fn answer(&self, group: Vec<CommitJob>, outcome: Outcome, began: Instant) {
        if let Outcome::Landed(_) = outcome {
            self.database.notify_of(group.iter().any(|job| job.commit.enqueues()));
        }
        let ids: Vec<_> = group.iter().map(|job| job.commit.id).collect();
        let verdicts = outcome.verdicts(self.database.name(), &ids);
        for (job, verdict) in group.into_iter().zip(verdicts) {
            if let Err(unheard) = job.answer.send(verdict) {
                self.database.observer().unheard(&unheard, job.commit.events.len(), began);
            }
        }
    }
}

fn size(commit: &Commit) -> usize {
    let events = commit.events.iter().map(|event| {
        event.payload.stored_bytes().len() + event.tags.to_column().map_or(0, str::len)
    });
    let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
    let tasks = commit.tasks.iter().filter_map(|change| match change {
        TaskChange::Enqueue(task) => Some(task.payload.stored_bytes().len()),
        TaskChange::Cancel { .. } => None,
    });
    let result = commit.idempotency.as_ref().map(|given| given.result.len());
    events.chain(snapshots).chain(tasks).chain(result).sum()
}

#[cfg(test)]
mod tests;
