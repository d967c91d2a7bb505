//! What the accepted commits of a group write, in as few statements as there are kinds of rows.

use std::collections::HashMap;

use evercore::engine::{Commit, Committed, KeyChange, NewEvent, NewSnapshot};
use evercore::{AggregateId, NaturalKey, Position, Result, Sequence};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::judge::{Overlay, Standing};
use super::statements::{
    CLAIM_KEYS, INSERT_AGGREGATES, MOST_ROWS, RELEASE_KEYS, Then, UPSERT_SNAPSHOTS, insert_events,
};
use super::task::json;
use crate::error::Failure;
use crate::types::{EventTypeId, Names};

/// The rows of a group.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The last position that is taken.
    head: Position,
    events: Vec<EventRow<'a>>,
    commits: Vec<CommitRow<'a>>,
    snapshots: HashMap<AggregateId, &'a NewSnapshot>,
    /// The aggregates that are new or may have another key, as the database has them.
    before: Vec<(AggregateId, Option<Standing>)>,
}

/// A new event with all that the group gives it.
#[derive(Debug)]
struct EventRow<'a> {
    position: Position,
    sequence: Sequence,
    event_type: EventTypeId,
    recorded_at: i64,
    event: &'a NewEvent,
}

/// A statement that inserts events.
type Insert = Query<'static, Sqlite, SqliteArguments>;

/// A row of `commits`: the id in hexadecimal, the first and the last position, the time, and what makes it land once.
type CommitRow<'a> =
    (String, Option<i64>, Option<i64>, i64, Option<&'a str>, Option<&'a str>, Option<&'a str>);

impl<'a> Plan<'a> {
    pub(super) fn new(head: Position) -> Self {
        Self {
            head,
            events: Vec::new(),
            commits: Vec::new(),
            snapshots: HashMap::new(),
            before: Vec::new(),
        }
    }

    /// Whether there is nothing to write.
    pub(super) const fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Judges a commit and, if it is to land, takes in what it writes.
    pub(super) fn add(
        &mut self,
        commit: &'a Commit,
        overlay: &mut Overlay,
        names: &Names,
    ) -> Result<Committed> {
        let changing =
            commit.writes.iter().filter(|write| write.key != KeyChange::Keep || write.creates());
        let before: Vec<_> =
            changing.map(|write| (write.id, overlay.get(write.id).cloned())).collect();
        overlay.accept(commit, names)?;
        self.before.extend(before);

        let recorded_at = commit.recorded_at.timestamp_micros();
        let first = self.events.len();
        for event in &commit.events {
            self.add_event(event, recorded_at, overlay, names);
        }
        for snapshot in &commit.snapshots {
            self.snapshots.insert(snapshot.aggregate_id, snapshot);
        }
        let positions = match self.events[first..] {
            [] => None,
            [ref only] => Some((only.position, only.position)),
            [ref first, .., ref last] => Some((first.position, last.position)),
        };
        let idempotency = commit.idempotency.as_ref();
        self.commits.push((
            hex(commit.id),
            positions.map(|(first, _)| first.get()),
            positions.map(|(_, last)| last.get()),
            recorded_at,
            idempotency.map(|given| given.key.as_str()),
            idempotency.map(|given| &*given.command),
            idempotency.map(|given| &*given.result),
        ));
        Ok(Committed { id: commit.id, positions })
    }

    fn add_event(
        &mut self,
        event: &'a NewEvent,
        recorded_at: i64,
        overlay: &mut Overlay,
        names: &Names,
    ) {
        let id = event.meta.aggregate_id();
        let event_type = overlay
            .get(id)
            .and_then(|standing| names.event(standing.aggregate_type, event.event_type));
        let (Some(sequence), Some(event_type)) = (overlay.advance(id), event_type) else {
            panic!("BUG: the event `{}` of {id} is not of its commit", event.event_type);
        };
        self.head = Position::new(self.head.get() + 1).expect("BUG: positions only grow");
        let position = self.head;
        self.events.push(EventRow { position, sequence, event_type, recorded_at, event });
    }

    /// Writes it all and ends the transaction.
    pub(super) async fn execute(
        &self,
        connection: &mut SqliteConnection,
        overlay: &Overlay,
    ) -> Result<(), Failure> {
        self.change_aggregates(connection, overlay).await?;
        self.write_snapshots(connection).await?;
        let commits = json(&self.commits);
        let mut left = &self.events[..];
        while left.len() > MOST_ROWS {
            let (now, later) = left.split_at(MOST_ROWS);
            insert(now, Then::More).execute(&mut *connection).await?;
            left = later;
        }
        insert(left, Then::Finish).bind(commits).execute(connection).await?;
        Ok(())
    }

    /// Creates aggregates and changes keys. All keys are given up before any is taken, so that they can be swapped.
    async fn change_aggregates(
        &self,
        connection: &mut SqliteConnection,
        overlay: &Overlay,
    ) -> Result<(), Failure> {
        let mut first_seen = HashMap::new();
        for (id, standing) in &self.before {
            first_seen.entry(*id).or_insert(standing);
        }
        let mut released = Vec::new();
        let mut created = Vec::new();
        let mut claimed = Vec::new();
        for (id, before) in first_seen {
            let Some(after) = overlay.get(id) else { continue };
            let new_key = after.key.as_ref().map(NaturalKey::as_str);
            match before {
                None => created.push((id.get(), after.aggregate_type.get(), new_key)),
                Some(before) if before.key != after.key => {
                    released.extend(before.key.is_some().then_some(id.get()));
                    claimed.extend(new_key.map(|key| (id.get(), key)));
                }
                Some(_) => {}
            }
        }
        if !released.is_empty() {
            sqlx::query(RELEASE_KEYS).bind(json(&released)).execute(&mut *connection).await?;
        }
        if !created.is_empty() {
            sqlx::query(INSERT_AGGREGATES).bind(json(&created)).execute(&mut *connection).await?;
        }
        if !claimed.is_empty() {
            sqlx::query(CLAIM_KEYS).bind(json(&claimed)).execute(&mut *connection).await?;
        }
        Ok(())
    }

    async fn write_snapshots(&self, connection: &mut SqliteConnection) -> Result<(), Failure> {
        if self.snapshots.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(self.snapshots.len());
        let mut states = Vec::new();
        for (id, snapshot) in &self.snapshots {
            let fingerprint = snapshot.fingerprint.get().cast_signed();
            // SQLite counts from 1.
            let start = states.len() + 1;
            let length = snapshot.state.len();
            rows.push((id.get(), snapshot.sequence.get(), fingerprint, start, length));
            states.extend_from_slice(&snapshot.state);
        }
        sqlx::query(UPSERT_SNAPSHOTS).bind(json(&rows)).bind(states).execute(connection).await?;
        Ok(())
    }
}

fn insert(rows: &[EventRow<'_>], then: Then) -> Insert {
    let statement = sqlx::query(AssertSqlSafe(insert_events(rows.len(), then)));
    rows.iter().fold(statement, |statement, row| row.bind(statement))
}

impl EventRow<'_> {
    fn bind(&self, insert: Insert) -> Insert {
        let NewEvent { version, payload, meta, metadata_column, .. } = self.event;
        let metadata = meta.metadata();
        insert
            .bind(self.position.get())
            .bind(meta.aggregate_id().get())
            .bind(self.sequence.get())
            .bind(self.event_type.get())
            .bind(i64::from(*version))
            .bind(payload.stored_format())
            .bind(payload.bytes().to_vec())
            .bind(meta.event_time().timestamp_micros())
            .bind(self.recorded_at)
            .bind(meta.reference().map(str::to_owned))
            .bind(metadata.correlation_id().map(str::to_owned))
            .bind(metadata.causation_id().map(str::to_owned))
            .bind(metadata_column.clone())
    }
}

/// A commit's id as `unhex` reads it.
pub(super) fn hex(commit: evercore::CommitId) -> String {
    commit.as_uuid().simple().to_string()
}
