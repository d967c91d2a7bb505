//! Compares the tasks of the queue.

use evercore::engine::{Capability, StoredPlace, StoredTask, StoredTasks, TasksRequest};
use evercore::task::TaskId;

use crate::domain::errands::{QUEUE, queue};
use crate::machine::commands::key_text;
use crate::machine::queue::{Given, Place, Queue};
use crate::machine::reference::Reference;
use crate::machine::subject::Subject;
use crate::machine::writing::Trouble;

/// More tasks than a sequence of commands enqueues.
const ALL: u32 = 1_000;

/// Compares the tasks that a claim gave.
pub(super) fn claimed(
    subject: &Subject,
    given: &[StoredTask],
    should: &[Given],
) -> Result<(), String> {
    let given: Vec<_> = given.iter().map(|it| (it.id, it.attempts, it.is_abandoned)).collect();
    let wanted = should.iter().map(|it| (subject.task_ids[it.task], it.attempts, it.is_abandoned));
    let wanted: Vec<_> = wanted.collect();
    if given == wanted {
        return Ok(());
    }
    Err(format!("it claims (id, attempts, abandoned) {given:?}, and should {wanted:?}"))
}

/// Compares all that the queue shows.
pub(super) async fn contents(subject: &Subject, after: &Reference) -> Result<(), Trouble> {
    if !subject.has(Capability::Tasks) {
        return Ok(());
    }
    let model = &after.queue;
    for (which, wanted) in [
        (StoredTasks::Live, model.live()),
        (StoredTasks::Dead, model.dead()),
        (StoredTasks::Discarded, model.discarded()),
    ] {
        let request = TasksRequest { queue: queue(), which, key: None, after: None, limit: ALL };
        let found: Vec<_> = subject.tasks().tasks(&request).await?.iter().map(shown).collect();
        let wanted: Vec<_> = wanted.into_iter().map(|task| should(subject, model, task)).collect();
        if found != wanted {
            return Err(Trouble::Wrong(format!(
                "the tasks that are {which:?} are {found:?}, and should be {wanted:?}"
            )));
        }
    }
    let status = subject.store().queues().get(QUEUE).await?;
    let found = (status.due, status.scheduled, status.running);
    let found = (found, status.dead, status.is_paused);
    let wanted = (model.counts(), model.dead().len() as u64, model.is_paused);
    if found == wanted {
        return Ok(());
    }
    Err(Trouble::Wrong(format!(
        "the queue shows ((due, scheduled, running), dead, paused) {found:?}, and should {wanted:?}"
    )))
}

/// A task as it can be compared.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    id: TaskId,
    key: Option<String>,
    priority: i16,
    attempts: u32,
    has_failed: bool,
    is_claimed: bool,
}

fn shown(task: &StoredTask) -> Shown {
    Shown {
        id: task.id,
        key: task.key.as_ref().map(ToString::to_string),
        priority: task.priority.number(),
        attempts: task.attempts,
        has_failed: task.failure.is_some(),
        is_claimed: matches!(task.place, StoredPlace::Claimed { .. }),
    }
}

fn should(subject: &Subject, queue: &Queue, task: usize) -> Shown {
    let it = &queue.tasks()[task];
    Shown {
        id: subject.task_ids[task],
        key: it.key.map(key_text),
        priority: it.priority.number(),
        attempts: it.attempts,
        has_failed: it.has_failed,
        is_claimed: matches!(it.place, Place::Claimed(_)),
    }
}
