//! Keeps the changes of queues that a context has staged, at most one for each key.

use std::collections::HashMap;

use crate::engine::{NewTask, TaskChange};
use crate::{Error, IfKeyExists, QueueName, Result, TaskKey};

/// The staged changes of queues, in their order. No two are of the same key.
#[derive(Debug, Default)]
pub(super) struct TaskChanges {
    changes: Vec<TaskChange>,
    by_key: HashMap<(QueueName, TaskKey), usize>,
}

impl TaskChanges {
    pub(super) const fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn into_vec(self) -> Vec<TaskChange> {
        self.changes
    }

    /// Adds a change, or merges it with an earlier one of the same key.
    ///
    /// # Errors
    /// [`Error::TaskKeyTaken`] if the key belongs to a task that is staged.
    pub(super) fn push(&mut self, change: TaskChange) -> Result<()> {
        let Some(key) = key_of(&change) else {
            self.changes.push(change);
            return Ok(());
        };
        match self.by_key.get(&key) {
            Some(&place) => merge(&mut self.changes[place], change),
            None => {
                self.by_key.insert(key, self.changes.len());
                self.changes.push(change);
                Ok(())
            }
        }
    }
}

fn key_of(change: &TaskChange) -> Option<(QueueName, TaskKey)> {
    match change {
        TaskChange::Enqueue(NewTask { queue, key: Some(key), .. })
        | TaskChange::Cancel { queue, key } => Some((queue.clone(), key.clone())),
        TaskChange::Enqueue(_) => None,
    }
}

fn merge(staged: &mut TaskChange, mut change: TaskChange) -> Result<()> {
    match (&*staged, &mut change) {
        (TaskChange::Enqueue(task), TaskChange::Enqueue(new)) => match new.if_key_exists {
            IfKeyExists::Keep => return Ok(()),
            IfKeyExists::Replace if task.if_key_exists == IfKeyExists::Fail => {
                new.if_key_exists = IfKeyExists::Fail;
            }
            IfKeyExists::Replace => {}
            IfKeyExists::Fail => {
                let key = new.key.as_ref().map(TaskKey::to_string).unwrap_or_default();
                return Err(Error::TaskKeyTaken { queue: new.queue.to_string(), key });
            }
        },
        // The stored task, if there is one, is cancelled all the same.
        (TaskChange::Cancel { .. }, TaskChange::Enqueue(new)) => {
            new.if_key_exists = IfKeyExists::Replace;
        }
        (_, TaskChange::Cancel { .. }) => {}
    }
    *staged = change;
    Ok(())
}
