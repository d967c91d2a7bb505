//! Builds the columns by which `append` and `append_one` complete and change tasks.

use chrono::{DateTime, Utc};
use evercore::engine::{Commit, Completion, Due, NewTask, TaskChange};
use evercore::task::{IfKeyExists, TaskKey};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use uuid::Uuid;

use crate::tags::some;

/// The tasks that commits complete.
#[derive(Debug, Default)]
pub(super) struct DoneColumns {
    commits: Vec<i32>,
    /// The place of each among what its commit completes.
    indexes: Vec<i32>,
    ids: Vec<Uuid>,
    tokens: Vec<i64>,
}

/// The changes of queues.
#[derive(Debug, Default)]
pub(super) struct TaskColumns<'a> {
    commits: Vec<i32>,
    /// The place of each among the changes of its commit.
    indexes: Vec<i32>,
    kinds: Vec<i16>,
    ids: Vec<Option<Uuid>>,
    queues: Vec<&'a str>,
    keys: Vec<Option<&'a str>>,
    times: Vec<Option<DateTime<Utc>>>,
    waits: Vec<Option<i64>>,
    priorities: Vec<Option<i16>>,
    types: Vec<Option<&'a str>>,
    versions: Vec<Option<i32>>,
    codecs: Vec<Option<i16>>,
    payloads: Vec<Option<&'a [u8]>>,
    correlations: Vec<Option<&'a str>>,
    causations: Vec<Option<&'a str>>,
    metadata: Vec<Option<&'a str>>,
}

/// The kind of a change that cancels. Those of other changes say what happens if the key is taken.
const CANCEL: i16 = 3;

impl DoneColumns {
    pub(super) fn push(&mut self, index: i32, commit: &Commit) {
        for (place, completion) in (0_i32..).zip(&commit.completes) {
            // A settlement is recorded by the owner of the transaction.
            if let Completion::Task(lease) = completion {
                self.commits.push(index);
                self.indexes.push(place);
                self.ids.push(*lease.id.as_uuid());
                self.tokens.push(lease.token);
            }
        }
    }

    /// Binds the columns in the order in which both functions take them.
    pub(super) fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(some(&self.commits))
            .bind(some(&self.indexes))
            .bind(some(&self.ids))
            .bind(some(&self.tokens))
    }
}

impl<'a> TaskColumns<'a> {
    pub(super) fn push(&mut self, index: i32, commit: &'a Commit) {
        for (place, change) in (0_i32..).zip(&commit.tasks) {
            self.commits.push(index);
            self.indexes.push(place);
            match change {
                TaskChange::Enqueue(task) => self.push_task(task),
                TaskChange::Cancel { queue, key } => {
                    self.kinds.push(CANCEL);
                    self.queues.push(queue.as_str());
                    self.keys.push(Some(key.as_str()));
                    self.ids.push(None);
                    self.times.push(None);
                    self.waits.push(None);
                    self.priorities.push(None);
                    self.types.push(None);
                    self.versions.push(None);
                    self.codecs.push(None);
                    self.payloads.push(None);
                    self.correlations.push(None);
                    self.causations.push(None);
                    self.metadata.push(None);
                }
            }
        }
    }

    fn push_task(&mut self, task: &'a NewTask) {
        let NewTask {
            id,
            queue,
            key,
            if_key_exists,
            due,
            priority,
            task_type,
            version,
            payload,
            metadata,
            metadata_column,
        } = task;
        let (time, wait) = match due {
            Due::At(time) => (Some(*time), 0),
            Due::After(wait) => (None, i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)),
        };
        self.kinds.push(kind(*if_key_exists));
        self.ids.push(Some(*id.as_uuid()));
        self.queues.push(queue.as_str());
        self.keys.push(key.as_ref().map(TaskKey::as_str));
        self.times.push(time);
        self.waits.push(Some(wait));
        self.priorities.push(Some(priority.number()));
        self.types.push(Some(task_type));
        self.versions.push(Some(i32::try_from(*version).unwrap_or(i32::MAX)));
        self.codecs.push(Some(payload.stored_format()));
        self.payloads.push(Some(payload.stored_bytes()));
        self.correlations.push(metadata.correlation_id());
        self.causations.push(metadata.causation_id());
        self.metadata.push(metadata_column.as_deref());
    }

    /// Returns whether any change is of a key.
    pub(super) fn have_keys(&self) -> bool {
        self.keys.iter().any(Option::is_some)
    }

    /// Binds the columns in the order in which both functions take them.
    pub(super) fn bind<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
    ) -> Query<'q, Postgres, PgArguments> {
        query
            .bind(some(&self.commits))
            .bind(some(&self.indexes))
            .bind(some(&self.kinds))
            .bind(some(&self.ids))
            .bind(some(&self.queues))
            .bind(some(&self.keys))
            .bind(some(&self.times))
            .bind(some(&self.waits))
            .bind(some(&self.priorities))
            .bind(some(&self.types))
            .bind(some(&self.versions))
            .bind(some(&self.codecs))
            .bind(some(&self.payloads))
            .bind(some(&self.correlations))
            .bind(some(&self.causations))
            .bind(some(&self.metadata))
    }
}

const fn kind(if_key_exists: IfKeyExists) -> i16 {
    match if_key_exists {
        IfKeyExists::Fail => 0,
        IfKeyExists::Keep => 1,
        IfKeyExists::Replace => 2,
    }
}
