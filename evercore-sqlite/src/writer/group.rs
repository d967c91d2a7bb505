//! Group commit: the commits that wait share a transaction, and so its fsync.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use evercore::Result;
use evercore::engine::{Commit, Committed};
use sqlx::SqliteConnection;
use tracing::debug;

use super::plan::Plan;
use super::state::State;
use super::task::Task;
use super::{CommitJob, Job, TypeName};
use crate::error::{Class, Failure, Problem};
use crate::types::{Names, Types};

/// A group takes no further commit once it has so many of these.
const MOST_COMMITS: usize = 256;
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What became of a group as a whole.
enum Outcome {
    /// It was committed; a verdict for each commit.
    Landed(Vec<Result<Committed>>),
    /// There was nothing to write; a verdict for each commit.
    Idle(Vec<Result<Committed>>),
    /// Nothing of it was written.
    Undone(Failure),
    /// Nothing of it was written, and one of its commits may be to blame.
    Suspect(Problem),
    /// It may have been written.
    Unknown(Failure),
}

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
                    let alone = [job];
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
        let names = match self.register(&type_names(group)).await {
            Ok(names) => names,
            Err(problem) => {
                self.roll_back().await;
                return Outcome::undone(problem);
            }
        };
        let (database, types) = (Arc::clone(&self.database), Arc::clone(&self.types));
        let _turn = database.may_write().await;
        let outcome = match self.connection().await {
            Ok(connection) => run(connection, &types, names, group).await,
            Err(error) => Outcome::undone(error.into()),
        };
        if !matches!(outcome, Outcome::Landed(_)) {
            self.roll_back().await;
        }
        debug!(commits = group.len(), landing = outcome.landed(), took = ?started.elapsed(), "a group");
        outcome
    }

    fn answer(&self, group: impl IntoIterator<Item = CommitJob>, outcome: Outcome) {
        let database = self.database.name();
        if let Outcome::Landed(_) = outcome {
            self.database.grown().notify();
        }
        let mut jobs = group.into_iter();
        // Whoever does not wait any more does not want to know.
        let tell = |job: CommitJob, verdict| drop(job.answer.send(verdict));
        match outcome {
            Outcome::Landed(verdicts) | Outcome::Idle(verdicts) => {
                jobs.zip(verdicts).for_each(|(job, verdict)| tell(job, verdict))
            }
            Outcome::Undone(failure) => {
                jobs.for_each(|job| tell(job, Err(failure.undone(database, LAND))));
            }
            Outcome::Unknown(failure) => jobs.for_each(|job| {
                let id = job.commit.id;
                tell(job, Err(failure.unknown(id)));
            }),
            Outcome::Suspect(problem) => {
                let job = jobs.next().expect("BUG: a group has a commit");
                tell(job, Err(problem.undone(database, LAND)));
            }
        }
    }
}

const LAND: &str = "land a commit";

impl Outcome {
    fn undone(problem: Problem) -> Self {
        match problem {
            Problem::Driver(failure) => Self::Undone(failure),
            answer @ Problem::Answer(_) => Self::Suspect(answer),
        }
    }

    /// What it means that the writes of a group failed.
    fn of_writes(failure: Failure) -> Self {
        match failure.class() {
            Class::Constraint | Class::TooBig => Self::Suspect(failure.into()),
            Class::Other | Class::ConnectionLost => Self::Unknown(failure),
            _ => Self::Undone(failure),
        }
    }

    fn landed(&self) -> usize {
        match self {
            Self::Landed(verdicts) => verdicts.iter().filter(|verdict| verdict.is_ok()).count(),
            _ => 0,
        }
    }
}

/// Judges the commits of a group and writes those that are to land. Leaves the transaction open unless they have.
async fn run(
    connection: &mut SqliteConnection,
    types: &Types,
    names: Arc<Names>,
    group: &[CommitJob],
) -> Outcome {
    let mut state = match State::read(connection, types, names, group).await {
        Ok(state) => state,
        Err(problem) => return Outcome::undone(problem),
    };
    let mut plan = Plan::new(state.head);
    let mut verdicts = Vec::with_capacity(group.len());
    for CommitJob { commit, .. } in group {
        verdicts.push(match state.outcome_of(commit) {
            Some(outcome) => outcome,
            None => plan.add(commit, &mut state.overlay, &state.names),
        });
    }
    if plan.is_empty() {
        return Outcome::Idle(verdicts);
    }
    match plan.execute(connection, &state.overlay).await {
        Ok(()) => Outcome::Landed(verdicts),
        Err(failure) => Outcome::of_writes(failure),
    }
}

/// The names that the group uses, each once.
fn type_names(group: &[CommitJob]) -> Vec<TypeName> {
    let mut seen = HashSet::new();
    for CommitJob { commit, .. } in group {
        let types: HashMap<_, _> =
            commit.writes.iter().map(|write| (write.id, write.aggregate_type)).collect();
        let aggregates = types.values().map(|&aggregate| TypeName { aggregate, event: None });
        let events = commit.events.iter().filter_map(|event| {
            let aggregate = *types.get(&event.meta.aggregate_id())?;
            Some(TypeName { aggregate, event: Some(event.event_type) })
        });
        seen.extend(aggregates.chain(events));
    }
    seen.into_iter().collect()
}

fn size(commit: &Commit) -> usize {
    let events = commit.events.iter().map(|event| event.payload.bytes().len());
    let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
    events.chain(snapshots).sum()
}
