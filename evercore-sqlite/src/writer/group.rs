//! Group commit: the commits that wait share a transaction, and so its fsync.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use evercore::engine::{Commit, Committed, KeyChange};
use evercore::{AggregateId, Error, NaturalKey, Position, Result, Sequence};
use serde::Deserialize;
use sqlx::Row;
use tracing::debug;

use super::judge::{Overlay, Standing};
use super::plan::{Plan, hex};
use super::statements::BEGIN;
use super::task::{Task, json, positions};
use super::{CommitJob, Job, TypeName};
use crate::error::{Class, Failure, Problem};
use crate::page::checked;
use crate::types::{AggregateTypeId, Names};

/// A group takes no further commit once it has so many of these.
const MOST_COMMITS: usize = 256;
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What became of a group as a whole.
enum Outcome {
    /// It ran to its end; a verdict for each commit.
    Judged(Vec<Result<Committed>>),
    /// Nothing of it was written.
    Undone(Failure),
    /// Nothing of it was written, and one of its commits may be to blame.
    Suspect(Problem),
    /// It may have been written.
    Unknown(Failure),
}

/// What a group is judged by.
struct State {
    head: Position,
    overlay: Overlay,
    /// Those that have an outcome already.
    known: Vec<KnownCommit>,
}

/// Columns of an aggregate, in the order of the statement's `json_array`.
#[derive(Deserialize)]
struct AggregateColumns {
    id: i64,
    aggregate_type_id: i64,
    natural_key: Option<String>,
    sequence: i64,
}

#[derive(Deserialize)]
struct HolderColumns {
    aggregate_type_id: i64,
    natural_key: String,
    id: i64,
}

#[derive(Deserialize)]
struct KnownCommit {
    id: String,
    outcome: i64,
    first_position: Option<i64>,
    last_position: Option<i64>,
}

impl Task {
    /// Lands a commit and those that wait behind it. Returns the first job that is none.
    pub(super) async fn land_group(&mut self, first: CommitJob) -> Option<Job> {
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
            Err(problem) => return Outcome::undone(problem),
        };
        let database = Arc::clone(&self.database);
        let _turn = database.may_write().await;
        let (mut state, names) = match self.begin(group, names).await {
            Ok(state) => state,
            Err(problem) => {
                self.roll_back().await;
                return Outcome::undone(problem);
            }
        };
        let mut plan = Plan::new(state.head);
        let verdicts = group
            .iter()
            .map(|job| match state.outcome_of(&job.commit) {
                Some(outcome) => outcome,
                None => plan.add(&job.commit, &mut state.overlay, &names),
            })
            .collect();
        if plan.is_empty() {
            self.roll_back().await;
            return Outcome::Judged(verdicts);
        }
        let (landing, events) = (plan.commits(), plan.events());
        let executed = match self.connection().await {
            Ok(connection) => plan.execute(connection, &state.overlay).await,
            Err(error) => return Outcome::undone(error.into()),
        };
        match executed {
            Ok(()) => {
                let commits = group.len();
                debug!(commits, landing, events, took = ?started.elapsed(), "committed a group");
                Outcome::Judged(verdicts)
            }
            Err(failure) => {
                self.roll_back().await;
                match failure.class() {
                    Class::Constraint | Class::TooBig => Outcome::Suspect(failure.into()),
                    Class::Other | Class::ConnectionLost => Outcome::Unknown(failure),
                    _ => Outcome::Undone(failure),
                }
            }
        }
    }

    /// Opens the transaction and reads what the group is judged by.
    async fn begin(
        &mut self,
        group: &[CommitJob],
        names: Arc<Names>,
    ) -> Result<(State, Arc<Names>), Problem> {
        let types = Arc::clone(&self.types);
        let connection = self.connection().await?;
        let row = sqlx::query(BEGIN)
            .bind(json(&ids(group)))
            .bind(json(&claims(group, &names)))
            .bind(json(&group.iter().map(|job| hex(job.commit.id)).collect::<Vec<_>>()))
            .fetch_one(&mut *connection)
            .await?;
        let aggregates: Vec<AggregateColumns> = list(row.try_get(1)?, "aggregates")?;
        let holders: Vec<HolderColumns> = list(row.try_get(2)?, "aggregates")?;
        let known = list(row.try_get(3)?, "commits")?;
        // Another process may have added types. This transaction has not.
        let knows = |names: &Names| {
            aggregates.iter().all(|found| names.aggregate_name(found.aggregate_type()).is_ok())
        };
        let names = types.knowing(connection, knows).await?;
        let mut overlay = Overlay::default();
        for found in aggregates {
            let (id, standing) = found.standing()?;
            overlay.enter(id, standing);
        }
        for found in holders {
            let (aggregate_type, key, id) = found.holder()?;
            overlay.enter_holder(aggregate_type, key, id);
        }
        let head = checked(Position::new(row.try_get(0)?), "events.position")?;
        Ok((State { head, overlay, known }, names))
    }

    fn answer(&self, group: impl IntoIterator<Item = CommitJob>, outcome: Outcome) {
        let database = self.database.name();
        let mut jobs = group.into_iter();
        // Whoever does not wait any more does not want to know.
        let tell = |job: CommitJob, verdict| drop(job.answer.send(verdict));
        match outcome {
            Outcome::Judged(verdicts) => {
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
}

impl State {
    /// The verdict on a commit that was sent before, or given up.
    fn outcome_of(&self, commit: &Commit) -> Option<Result<Committed>> {
        if self.known.is_empty() {
            return None;
        }
        let id = hex(commit.id);
        let known = self.known.iter().find(|known| known.id == id)?;
        if known.outcome == 0 {
            return Some(Err(Error::given_up(commit.id)));
        }
        let positions = positions(known.first_position, known.last_position);
        Some(positions.map(|positions| Committed { id: commit.id, positions }))
    }
}

impl AggregateColumns {
    const fn aggregate_type(&self) -> AggregateTypeId {
        AggregateTypeId::new(self.aggregate_type_id)
    }

    fn standing(self) -> Result<(AggregateId, Standing)> {
        let standing = Standing {
            aggregate_type: self.aggregate_type(),
            key: checked(self.natural_key.map(NaturalKey::new).transpose(), KEY)?,
            sequence: checked(Sequence::new(self.sequence), "events.sequence")?,
        };
        Ok((checked(AggregateId::new(self.id), ID)?, standing))
    }
}

impl HolderColumns {
    fn holder(self) -> Result<(AggregateTypeId, NaturalKey, AggregateId)> {
        let aggregate_type = AggregateTypeId::new(self.aggregate_type_id);
        let key = checked(NaturalKey::new(self.natural_key), KEY)?;
        Ok((aggregate_type, key, checked(AggregateId::new(self.id), ID)?))
    }
}

const ID: &str = "aggregates.id";
const KEY: &str = "aggregates.natural_key";

fn list<T: serde::de::DeserializeOwned>(json: &str, table: &'static str) -> Result<Vec<T>> {
    serde_json::from_str(json).map_err(|error| Error::corrupt(table, error.to_string()))
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

/// The aggregates that the group reads or writes, each once.
fn ids(group: &[CommitJob]) -> HashSet<i64> {
    group.iter().flat_map(|job| &job.commit.writes).map(|write| write.id.get()).collect()
}

/// The keys that the group claims.
fn claims<'a>(group: &'a [CommitJob], names: &Names) -> HashSet<(i64, &'a str)> {
    let writes = group.iter().flat_map(|job| &job.commit.writes);
    let claims = writes.filter_map(|write| match &write.key {
        KeyChange::Set(key) => Some((names.aggregate(write.aggregate_type)?.get(), key.as_str())),
        KeyChange::Keep | KeyChange::Clear => None,
    });
    claims.collect()
}

fn size(commit: &Commit) -> usize {
    let events = commit.events.iter().map(|event| event.payload.bytes().len());
    let snapshots = commit.snapshots.iter().map(|snapshot| snapshot.state.len());
    events.chain(snapshots).sum()
}
