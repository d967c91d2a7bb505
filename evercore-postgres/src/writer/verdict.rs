//! Decodes the server-side function's answer for each commit.

use evercore::engine::{
    AggregateWrite, Commit, Completion, Condition, KeyChange, NewTask, Precondition, TaskChange,
};
use evercore::error::ConflictReason;
use evercore::{AggregateId, Committed, Error, Result, Sequence};
use sqlx::postgres::PgRow;

use crate::row::{get, positions};

/// Returns the number of a precondition. As for key changes, the numbers are those in the migration that defines
/// `append`.
pub(crate) fn precondition_code(precondition: &Precondition) -> i16 {
    match precondition {
        Precondition::New => 0,
        Precondition::Exists => 1,
        Precondition::At(_) => 2,
        Precondition::Unchanged { .. } => 3,
    }
}

pub(crate) fn key_change_code(change: &KeyChange) -> i16 {
    match change {
        KeyChange::Keep => 0,
        KeyChange::Set(_) => 1,
        KeyChange::Clear => 2,
    }
}

/// Returns the index in the group of the commit that a row is about.
pub(crate) fn commit_index(row: &PgRow) -> Result<usize> {
    let index: i32 = get(row, 0)?;
    usize::try_from(index).map_err(|_| {
        Error::corrupt("verdict", format!("it names commit {index}, which is out of range"))
    })
}

/// Converts a row to the commit's answer.
pub(crate) fn read(row: &PgRow, commit: &Commit) -> Result<Committed> {
    let code: i16 = get(row, 1)?;
    match code {
        0 | 8 => Ok(Committed::new(commit.id, positions(row, [5, 6, 7])?)),
        7 => Err(Error::given_up(commit.id)),
        9 => {
            let key = commit.idempotency.as_ref().map(|given| given.key.to_string());
            Err(Error::IdempotencyKeyUsed { key: key.unwrap_or_default() })
        }
        10 => {
            let index: i64 = get(row, 3)?;
            let condition = usize::try_from(index).ok().and_then(|n| commit.conditions.get(n));
            Err(condition.map_or_else(
                || Error::corrupt("verdict", format!("it names condition {index}")),
                Condition::conflict,
            ))
        }
        11 => {
            let (holder, index) = (AggregateId::new(get(row, 2)?)?, get::<i64>(row, 3)?);
            let change = usize::try_from(index).ok().and_then(|n| commit.unique.get(n));
            Err(change.map_or_else(
                || Error::corrupt("verdict", format!("it names unique value {index}")),
                |change| change.taken(holder),
            ))
        }
        12 | 13 => Err(task_refusal(code, row, commit)?),
        _ => Err(refusal(code, row, commit)?),
    }
}

/// Names the task that has refused a commit.
fn task_refusal(code: i16, row: &PgRow, commit: &Commit) -> Result<Error> {
    let index: i64 = get(row, 3)?;
    let place = usize::try_from(index).ok();
    let error = if code == 12 {
        place.and_then(|place| commit.completes.get(place)).and_then(|done| match done {
            Completion::Task(lease) => {
                Some(Error::TaskLeaseLost { queue: lease.queue.to_string(), id: lease.id })
            }
            Completion::Settlement(_) => None,
        })
    } else {
        place.and_then(|place| commit.tasks.get(place)).and_then(|change| match change {
            TaskChange::Enqueue(NewTask { queue, key: Some(key), .. }) => {
                Some(Error::TaskKeyTaken { queue: queue.to_string(), key: key.to_string() })
            }
            TaskChange::Enqueue(_) | TaskChange::Cancel { .. } => None,
        })
    };
    error.ok_or_else(|| Error::corrupt("verdict", format!("it names task {index}")))
}

fn refusal(code: i16, row: &PgRow, commit: &Commit) -> Result<Error> {
    let id = AggregateId::new(get(row, 2)?)?;
    let name: Option<String> = get(row, 4)?;
    let write = commit.writes.iter().find(|write| write.id == id).ok_or_else(|| {
        Error::corrupt(
            "verdict",
            format!("it names aggregate {id}, which the commit does not write to"),
        )
    })?;
    let aggregate = write.aggregate_type.to_owned();
    let conflict = |reason| Error::Conflict { aggregate: aggregate.clone(), id, reason };
    Ok(match code {
        1 => {
            let actual = Sequence::new(get(row, 3)?)?;
            conflict(ConflictReason::Sequence { expected: expected(write), actual })
        }
        2 => conflict(ConflictReason::Key),
        3 => conflict(ConflictReason::Created),
        4 => Error::UnknownId { aggregate, id },
        5 => Error::WrongAggregateType { id, expected: aggregate, found: name.unwrap_or_default() },
        6 => Error::KeyTaken { aggregate, key: name.unwrap_or_default() },
        _ => Error::corrupt("verdict", format!("its code {code} is unknown")),
    })
}

fn expected(write: &AggregateWrite) -> Sequence {
    match &write.precondition {
        Precondition::At(sequence) | Precondition::Unchanged { sequence, .. } => *sequence,
        Precondition::New | Precondition::Exists => Sequence::ZERO,
    }
}
