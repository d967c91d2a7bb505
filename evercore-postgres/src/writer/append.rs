//! Sends commits to the server-side functions that store them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use evercore::engine::{AggregateWrite, Commit, Condition, KeyChange, NewEvent, Precondition};
use evercore::{AggregateId, Error, NaturalKey, Result};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::outcomes::Outcomes;
use super::task_columns::{DoneColumns, TaskColumns};
use super::verdict::{key_change_code, precondition_code};
use crate::statements::Statements;
use crate::tags::{AtomColumns, TagLocks, numbers, some};
use crate::types::Known;

/// A group of commits, as the columns that `append` takes.
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    commits: CommitColumns<'a>,
    writes: WriteColumns<'a>,
    places: EventPlaces,
    events: EventColumns<'a>,
    tags: TagColumns<'a>,
    snapshots: SnapshotColumns<'a>,
    unique: UniqueColumns<'a>,
    locks: (Vec<i64>, Vec<bool>),
    conditions: ConditionColumns,
    atoms: AtomColumns<'a>,
    done: DoneColumns,
    tasks: TaskColumns<'a>,
    outcomes: Outcomes<'a>,
    /// The version of the declarations that the commits name: the lowest, so that no commit passes with an old one. If
    /// the group is refused, each commit is sent alone.
    declared: Option<i64>,
}

/// A commit as `append_one` takes it: to one aggregate, with at least one event, without a change of a stored key or of
/// unique values.
#[derive(Debug)]
pub(crate) struct One<'a> {
    commit: &'a Commit,
    write: &'a AggregateWrite,
    type_id: i32,
    events: EventColumns<'a>,
    tags: TagColumns<'a>,
    locks: (Vec<i64>, Vec<bool>),
    conditions: ConditionColumns,
    atoms: AtomColumns<'a>,
    done: DoneColumns,
    tasks: TaskColumns<'a>,
    outcomes: Outcomes<'a>,
}

#[derive(Debug, Default)]
struct CommitColumns<'a> {
    ids: Vec<Uuid>,
    times: Vec<DateTime<Utc>>,
    keys: Vec<Option<&'a str>>,
    commands: Vec<Option<&'a str>>,
    results: Vec<Option<&'a str>>,
}

#[derive(Debug, Default)]
struct WriteColumns<'a> {
    commits: Vec<i32>,
    ids: Vec<i64>,
    types: Vec<i32>,
    preconditions: Vec<i16>,
    sequences: Vec<Option<i64>>,
    keys: Vec<Option<&'a str>>,
    key_changes: Vec<i16>,
    new_keys: Vec<Option<&'a str>>,
}

/// The commit, the aggregate and the sequence of each event.
#[derive(Debug, Default)]
struct EventPlaces {
    commits: Vec<i32>,
    aggregates: Vec<i64>,
    sequences: Vec<i64>,
}

#[derive(Debug, Default)]
struct EventColumns<'a> {
    types: Vec<i32>,
    versions: Vec<i32>,
    codecs: Vec<i16>,
    payloads: Vec<&'a [u8]>,
    times: Vec<DateTime<Utc>>,
    references: Vec<Option<&'a str>>,
    correlations: Vec<Option<&'a str>>,
    causations: Vec<Option<&'a str>>,
    metadata: Vec<Option<&'a str>>,
}

/// The tags of each event, as they are stored and as the numbers of their index.
#[derive(Debug, Default)]
struct TagColumns<'a> {
    texts: Vec<Option<&'a str>>,
    numbers: Vec<Option<String>>,
}

#[derive(Debug, Default)]
struct ConditionColumns {
    commits: Vec<i32>,
    indexes: Vec<i32>,
    beyonds: Vec<i64>,
    seens: Vec<i64>,
}

/// The unique values that aggregates claim and release.
#[derive(Debug, Default)]
struct UniqueColumns<'a> {
    commits: Vec<i32>,
    aggregates: Vec<i64>,
    types: Vec<i32>,
    names: Vec<&'a str>,
    values: Vec<&'a str>,
    claims: Vec<bool>,
}

#[derive(Debug, Default)]
struct SnapshotColumns<'a> {
    commits: Vec<i32>,
    aggregates: Vec<i64>,
    sequences: Vec<i64>,
    fingerprints: Vec<i64>,
    states: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// Builds the columns of a group, whose types must all be stored, with the locks of each commit.
    pub(crate) fn new(
        group: impl IntoIterator<Item = &'a Commit>,
        locks: &[&TagLocks],
        known: &Known,
    ) -> Result<Self> {
        let mut columns = Self { locks: TagLocks::columns(locks), ..Self::default() };
        for (index, commit) in (0_i32..).zip(group) {
            columns.push(index, commit, known)?;
        }
        Ok(columns)
    }

    fn push(&mut self, index: i32, commit: &'a Commit, known: &Known) -> Result<()> {
        self.done.push(index, commit);
        self.tasks.push(index, commit);
        self.outcomes.push(index, commit);
        let Commit {
            id,
            recorded_at,
            writes: aggregates,
            events,
            snapshots,
            idempotency,
            unique,
            conditions,
            tasks: _,
            declared,
            completes: _,
            outcomes: _,
        } = commit;
        self.declared = self.declared.into_iter().chain(*declared).min();
        let idempotency = idempotency.as_ref();
        self.commits.ids.push(*id.as_uuid());
        self.commits.times.push(*recorded_at);
        self.commits.keys.push(idempotency.map(|given| given.key.as_str()));
        self.commits.commands.push(idempotency.map(|given| &*given.command));
        self.commits.results.push(idempotency.map(|given| &*given.result));

        let writes = &mut self.writes;
        for write in aggregates {
            let (sequence, key) = decided_on(write);
            writes.commits.push(index);
            writes.ids.push(write.id.get());
            writes.types.push(type_id(write, known)?);
            writes.preconditions.push(precondition_code(&write.precondition));
            writes.sequences.push(sequence);
            writes.keys.push(key);
            writes.key_changes.push(key_change_code(&write.key));
            writes.new_keys.push(new_key(write).map(NaturalKey::as_str));
        }

        // Each write, with the number of its events so far.
        let mut written: HashMap<AggregateId, (&AggregateWrite, i64)> =
            aggregates.iter().map(|write| (write.id, (write, 0))).collect();
        for event in events {
            let id = event.meta.aggregate_id();
            let (write, count) = written.get_mut(&id).ok_or_else(not_stored)?;
            *count += 1;
            let sequence = match &write.precondition {
                // Negative: no sequence is expected, so the server counts on from the last stored one.
                Precondition::Exists => -*count,
                Precondition::New => *count,
                Precondition::At(before) | Precondition::Unchanged { sequence: before, .. } => {
                    before.get() + *count
                }
            };
            self.places.commits.push(index);
            self.places.aggregates.push(id.get());
            self.places.sequences.push(sequence);
            self.events.push(event, write.aggregate_type, known)?;
            self.tags.push(event);
        }

        self.conditions.push(index, conditions, &mut self.atoms, known);

        let columns = &mut self.unique;
        for change in unique {
            columns.commits.push(index);
            columns.aggregates.push(change.aggregate_id.get());
            let type_id = known.aggregate_id(change.aggregate_type).ok_or_else(not_stored)?;
            columns.types.push(type_id);
            columns.names.push(change.value.name());
            columns.values.push(change.value.value());
            columns.claims.push(change.claims());
        }

        let columns = &mut self.snapshots;
        for snapshot in snapshots {
            columns.commits.push(index);
            columns.aggregates.push(snapshot.aggregate_id.get());
            columns.sequences.push(snapshot.sequence.get());
            columns.fingerprints.push(snapshot.fingerprint.get().cast_signed());
            columns.states.push(&snapshot.state);
        }
        Ok(())
    }

    /// Sends the group. Returns once the server has committed, or has said that it has not.
    pub(crate) async fn send(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let Self {
            commits,
            writes,
            places,
            events,
            tags,
            snapshots,
            unique,
            locks: (locks, exclusive),
            conditions,
            atoms,
            done,
            tasks,
            outcomes,
            declared,
        } = self;
        let query = sqlx::query(statements.append.sql())
            .bind(&commits.ids)
            .bind(&commits.times)
            .bind(sparse(&commits.keys))
            .bind(sparse(&commits.commands))
            .bind(sparse(&commits.results))
            .bind(&writes.commits)
            .bind(&writes.ids)
            .bind(&writes.types)
            .bind(&writes.preconditions)
            .bind(&writes.sequences)
            .bind(&writes.keys)
            .bind(&writes.key_changes)
            .bind(&writes.new_keys)
            .bind(&places.commits)
            .bind(&places.aggregates)
            .bind(&places.sequences);
        let query = events
            .bind(query)
            .bind(sparse(&tags.texts))
            .bind(sparse(&tags.numbers))
            .bind(&snapshots.commits)
            .bind(&snapshots.aggregates)
            .bind(&snapshots.sequences)
            .bind(&snapshots.fingerprints)
            .bind(&snapshots.states)
            .bind(&unique.commits)
            .bind(&unique.aggregates)
            .bind(&unique.types)
            .bind(&unique.names)
            .bind(&unique.values)
            .bind(&unique.claims)
            .bind(locks)
            .bind(exclusive)
            .bind(&conditions.commits)
            .bind(&conditions.indexes)
            .bind(&conditions.beyonds)
            .bind(&conditions.seens);
        tasks
            .bind(done.bind(atoms.bind_conditions(query)))
            .bind(declared)
            .bind(outcomes.to_json())
            // Reads to the end of the answer: the server commits after the last row.
            .fetch_all(connection)
            .await
    }
}

impl<'a> One<'a> {
    /// Builds the arguments of `append_one`; `None` if the commit is not of its kind. All its types must be stored.
    pub(crate) fn new(commit: &'a Commit, locks: &TagLocks, known: &Known) -> Result<Option<Self>> {
        let ([write], [_, ..]) = (&*commit.writes, &*commit.events) else { return Ok(None) };
        let is_stored_key = write.precondition != Precondition::New;
        if write.key != KeyChange::Keep && is_stored_key || !commit.unique.is_empty() {
            return Ok(None);
        }
        let mut one = Self {
            commit,
            write,
            type_id: type_id(write, known)?,
            events: EventColumns::default(),
            tags: TagColumns::default(),
            locks: TagLocks::columns(&[locks]),
            conditions: ConditionColumns::default(),
            atoms: AtomColumns::default(),
            done: DoneColumns::default(),
            tasks: TaskColumns::default(),
            outcomes: Outcomes::default(),
        };
        one.done.push(0, commit);
        one.tasks.push(0, commit);
        one.outcomes.push(0, commit);
        if one.tasks.have_keys() {
            return Ok(None);
        }
        for event in &commit.events {
            one.events.push(event, write.aggregate_type, known)?;
            one.tags.push(event);
        }
        one.conditions.push(0, &commit.conditions, &mut one.atoms, known);
        Ok(Some(one))
    }

    /// Sends the commit. Returns once the server has committed, or has said that it has not. The row has positions, or
    /// none if nothing was done.
    pub(crate) async fn send(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<PgRow, sqlx::Error> {
        let Self {
            commit,
            write,
            type_id,
            events,
            tags,
            locks,
            conditions,
            atoms,
            done,
            tasks,
            outcomes,
        } = self;
        let (sequence, key) = decided_on(write);
        let idempotency = commit.idempotency.as_ref();
        let snapshot = commit.snapshots.first();
        let query = sqlx::query(statements.append_one.sql())
            .bind(commit.id.as_uuid())
            .bind(commit.recorded_at)
            .bind(idempotency.map(|given| given.key.as_str()))
            .bind(idempotency.map(|given| &*given.command))
            .bind(idempotency.map(|given| &*given.result))
            .bind(write.id.get())
            .bind(type_id)
            .bind(precondition_code(&write.precondition))
            .bind(sequence)
            .bind(key)
            .bind(new_key(write).map(NaturalKey::as_str));
        let query = events
            .bind(query)
            .bind(some(sparse(&tags.texts)))
            .bind(some(sparse(&tags.numbers)))
            .bind(snapshot.map(|snapshot| snapshot.sequence.get()))
            .bind(snapshot.map(|snapshot| snapshot.fingerprint.get().cast_signed()))
            .bind(snapshot.map(|snapshot| &*snapshot.state))
            .bind(some(&locks.0))
            .bind(some(&locks.1))
            .bind(some(&conditions.beyonds))
            .bind(some(&conditions.seens));
        let mut rows = tasks
            .bind(done.bind(atoms.bind_conditions(query)))
            .bind(commit.declared)
            .bind(outcomes.to_json())
            // Reads to the end of the answer: the server commits after the last row.
            .fetch_all(connection)
            .await?;
        rows.pop().ok_or(sqlx::Error::RowNotFound)
    }
}

impl<'a> EventColumns<'a> {
    fn push(&mut self, event: &'a NewEvent, aggregate_type: &str, known: &Known) -> Result<()> {
        let type_id = known.event_id(aggregate_type, event.event_type).ok_or_else(not_stored)?;
        let version = i32::try_from(event.version).map_err(|_| {
            Error::corrupt("commit", format!("version {} is out of range", event.version))
        })?;
        let metadata = event.meta.metadata();
        self.types.push(type_id);
        self.versions.push(version);
        self.codecs.push(event.payload.stored_format());
        self.payloads.push(event.payload.stored_bytes());
        self.times.push(event.meta.event_time());
        self.references.push(event.meta.reference());
        self.correlations.push(metadata.correlation_id());
        self.causations.push(metadata.causation_id());
        self.metadata.push(event.metadata_column.as_deref());
        Ok(())
    }

    /// Binds the columns in the order in which both functions take them.
    fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(uniform(&self.types))
            .bind(uniform(&self.versions))
            .bind(uniform(&self.codecs))
            .bind(&self.payloads)
            .bind(uniform(&self.times))
            .bind(sparse(&self.references))
            .bind(sparse(&self.correlations))
            .bind(sparse(&self.causations))
            .bind(sparse(&self.metadata))
    }
}

impl ConditionColumns {
    /// Adds the conditions of the `index`th commit, and their atoms.
    fn push<'a>(
        &mut self,
        index: i32,
        conditions: &'a [Condition],
        atoms: &mut AtomColumns<'a>,
        known: &Known,
    ) {
        for (number, condition) in (0_i32..).zip(conditions) {
            self.commits.push(index);
            self.indexes.push(number);
            self.beyonds.push(condition.beyond.get());
            self.seens.push(i64::try_from(condition.seen).unwrap_or(i64::MAX));
            let owner = i32::try_from(self.commits.len()).unwrap_or(i32::MAX);
            atoms.push(owner, &condition.query, known);
        }
    }
}

impl<'a> TagColumns<'a> {
    fn push(&mut self, event: &'a NewEvent) {
        self.texts.push(event.tags.to_column());
        self.numbers.push((!event.tags.is_empty()).then(|| numbers(event.tags.indexes())));
    }
}

/// Shortens a column of equal values to a single value.
fn uniform<T: PartialEq>(column: &[T]) -> &[T] {
    let is_uniform = column.windows(2).all(|pair| pair[0] == pair[1]);
    if is_uniform { &column[..column.len().min(1)] } else { column }
}

/// Empties a column in which every value is missing.
fn sparse<T>(column: &[Option<T>]) -> &[Option<T>] {
    if column.iter().all(Option::is_none) { &[] } else { column }
}

fn type_id(write: &AggregateWrite, known: &Known) -> Result<i32> {
    known.aggregate_id(write.aggregate_type).ok_or_else(not_stored)
}

/// The sequence and the key that the write's precondition expects, if any.
fn decided_on(write: &AggregateWrite) -> (Option<i64>, Option<&str>) {
    match &write.precondition {
        Precondition::New | Precondition::Exists => (None, None),
        Precondition::At(sequence) => (Some(sequence.get()), None),
        Precondition::Unchanged { sequence, key } => {
            (Some(sequence.get()), key.as_ref().map(NaturalKey::as_str))
        }
    }
}

/// The natural key that the write sets, if it sets one.
fn new_key(write: &AggregateWrite) -> Option<&NaturalKey> {
    match &write.key {
        KeyChange::Set(key) => Some(key),
        KeyChange::Keep | KeyChange::Clear => None,
    }
}

fn not_stored() -> Error {
    Error::corrupt("commit", "it names a type that was not stored before the commit was sent")
}
