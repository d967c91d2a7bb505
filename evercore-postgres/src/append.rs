//! Sends a group of commits to the server-side function that lands them.

use chrono::{DateTime, Utc};
use evercore::engine::{Commit, KeyChange, Precondition};
use evercore::{Error, NaturalKey, Result};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::statements::Statements;
use crate::types::Known;
use crate::verdict::{key_change_code, precondition_code};

/// A group of commits as the columns that the function takes.
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    commits: CommitColumns<'a>,
    writes: WriteColumns<'a>,
    events: EventColumns<'a>,
    snapshots: SnapshotColumns<'a>,
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

#[derive(Debug, Default)]
struct EventColumns<'a> {
    commits: Vec<i32>,
    aggregates: Vec<i64>,
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

#[derive(Debug, Default)]
struct SnapshotColumns<'a> {
    commits: Vec<i32>,
    aggregates: Vec<i64>,
    sequences: Vec<i64>,
    fingerprints: Vec<i64>,
    states: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    /// The columns of a group. All its types have been stored.
    pub(crate) fn new(group: impl IntoIterator<Item = &'a Commit>, known: &Known) -> Result<Self> {
        let mut columns = Self::default();
        for (index, commit) in (0_i32..).zip(group) {
            columns.push(index, commit, known)?;
        }
        Ok(columns)
    }

    fn push(&mut self, index: i32, commit: &'a Commit, known: &Known) -> Result<()> {
        self.commits.ids.push(*commit.id.as_uuid());
        self.commits.times.push(commit.recorded_at);
        let idempotency = commit.idempotency.as_ref();
        self.commits.keys.push(idempotency.map(|given| given.key.as_str()));
        self.commits.commands.push(idempotency.map(|given| &*given.command));
        self.commits.results.push(idempotency.map(|given| &*given.result));

        let writes = &mut self.writes;
        for write in &commit.writes {
            let type_id = known.aggregate_id(write.aggregate_type).ok_or_else(not_stored)?;
            let (sequence, key) = match &write.precondition {
                Precondition::New | Precondition::Exists => (None, None),
                Precondition::At(sequence) => (Some(sequence.get()), None),
                Precondition::Unchanged { sequence, key } => {
                    (Some(sequence.get()), key.as_ref().map(NaturalKey::as_str))
                }
            };
            writes.commits.push(index);
            writes.ids.push(write.id.get());
            writes.types.push(type_id);
            writes.preconditions.push(precondition_code(&write.precondition));
            writes.sequences.push(sequence);
            writes.keys.push(key);
            writes.key_changes.push(key_change_code(&write.key));
            writes.new_keys.push(match &write.key {
                KeyChange::Set(key) => Some(key.as_str()),
                KeyChange::Keep | KeyChange::Clear => None,
            });
        }

        let events = &mut self.events;
        for event in &commit.events {
            let write = commit.writes.iter().find(|write| write.id == event.meta.aggregate_id());
            let aggregate_type = write.ok_or_else(not_stored)?.aggregate_type;
            let type_id =
                known.event_id(aggregate_type, event.event_type).ok_or_else(not_stored)?;
            let version = i32::try_from(event.version)
                .map_err(|_| Error::corrupt("commit", format!("version {}", event.version)))?;
            events.commits.push(index);
            events.aggregates.push(event.meta.aggregate_id().get());
            events.types.push(type_id);
            events.versions.push(version);
            events.codecs.push(event.payload.stored_format());
            events.payloads.push(event.payload.bytes());
            events.times.push(event.meta.event_time());
            events.references.push(event.meta.reference());
            events.correlations.push(event.meta.metadata().correlation_id());
            events.causations.push(event.meta.metadata().causation_id());
            events.metadata.push(event.metadata_column.as_deref());
        }

        let snapshots = &mut self.snapshots;
        for snapshot in &commit.snapshots {
            snapshots.commits.push(index);
            snapshots.aggregates.push(snapshot.aggregate_id.get());
            snapshots.sequences.push(snapshot.sequence.get());
            snapshots.fingerprints.push(snapshot.fingerprint.get().cast_signed());
            snapshots.states.push(&snapshot.state);
        }
        Ok(())
    }

    /// Sends them. Comes back when the server has committed, or has said that it has not.
    pub(crate) async fn send(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let Self { commits, writes, events, snapshots } = self;
        sqlx::query(statements.append.sql())
            .bind(&commits.ids)
            .bind(&commits.times)
            .bind(&commits.keys)
            .bind(&commits.commands)
            .bind(&commits.results)
            .bind(&writes.commits)
            .bind(&writes.ids)
            .bind(&writes.types)
            .bind(&writes.preconditions)
            .bind(&writes.sequences)
            .bind(&writes.keys)
            .bind(&writes.key_changes)
            .bind(&writes.new_keys)
            .bind(&events.commits)
            .bind(&events.aggregates)
            .bind(&events.types)
            .bind(&events.versions)
            .bind(&events.codecs)
            .bind(&events.payloads)
            .bind(&events.times)
            .bind(&events.references)
            .bind(&events.correlations)
            .bind(&events.causations)
            .bind(&events.metadata)
            .bind(&snapshots.commits)
            .bind(&snapshots.aggregates)
            .bind(&snapshots.sequences)
            .bind(&snapshots.fingerprints)
            .bind(&snapshots.states)
            // To the end of the answer: the commit comes after the last row.
            .fetch_all(connection)
            .await
    }
}

fn not_stored() -> Error {
    Error::corrupt("commit", "it names a type that was not stored before it was sent")
}
