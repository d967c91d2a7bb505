//! Claims tasks.

use std::time::Duration;

use evercore::engine::{ClaimRequest, StoredPlace, StoredTask, TaskClaim};
use evercore::task::{Priority, QueueName};
use rusqlite::{Connection, params};

use super::rows;
use crate::error::Problem;
use crate::row::json;
use crate::row::micros;

const CLAIM: &str = include_str!("claim.sql");
const FIND_DUE: &str = include_str!("find_due.sql");
const LOOK: &str = include_str!("look.sql");
const NEXT_TOKENS: &str = include_str!("next_tokens.sql");

/// What a look at a queue has found.
pub(super) struct Look {
    is_paused: bool,
    /// The time until a task may be due, zero for one that is due; `None` if there is none.
    next_due: Option<Duration>,
}

impl Look {
    /// Returns the answer to a claim if there is nothing to claim.
    pub(super) fn nothing(&self) -> Option<TaskClaim> {
        let is_due = self.next_due.is_some_and(|next| next.is_zero());
        (self.is_paused || !is_due).then(|| {
            let mut nothing = TaskClaim::default();
            nothing.paused = self.is_paused;
            nothing.next_due = self.next_due.filter(|_| !self.is_paused);
            nothing
        })
    }
}

pub(super) fn look(connection: &Connection, queue: &QueueName) -> Result<Look, Problem> {
    let mut statement = connection.prepare_cached(LOOK)?;
    Ok(statement.query_row([queue.as_str()], |row| {
        let (due, now): (i64, i64) = (row.get(1)?, row.get(2)?);
        let wait = u64::try_from(due.saturating_sub(now)).unwrap_or(0);
        let next_due = (due < i64::MAX).then(|| Duration::from_micros(wait));
        Ok(Look { is_paused: row.get(0)?, next_due })
    })?)
}

pub(super) fn claim(connection: &Connection, request: &ClaimRequest) -> Result<TaskClaim, Problem> {
    if let Some(nothing) = look(connection, &request.queue)?.nothing() {
        return Ok(nothing);
    }
    let mut claim = TaskClaim::default();
    let (numbers, mut tasks): (Vec<i64>, Vec<_>) = find(connection, request)?.into_iter().unzip();
    let count = i64::try_from(tasks.len()).unwrap_or(i64::MAX);
    let last: i64 = connection.prepare_cached(NEXT_TOKENS)?.query_row([count], |row| row.get(0))?;
    let tokens = last - count + 1..=last;
    let leases: Vec<_> = numbers.into_iter().zip(tokens.clone()).collect();
    let row = params![json(&leases), request.owner, micros(request.lease)];
    connection.prepare_cached(CLAIM)?.execute(row)?;
    for (task, token) in tasks.iter_mut().zip(tokens) {
        task.attempts += 1;
        task.place = StoredPlace::Claimed { token, owner: request.owner.clone() };
    }
    if tasks.len() < usize::try_from(request.limit).unwrap_or(usize::MAX) {
        claim.next_due = look(connection, &request.queue)?.next_due;
    }
    claim.tasks = tasks;
    Ok(claim)
}

/// Finds the tasks that one claim takes, with their numbers: those that were never claimed, up to one that was, or that
/// one alone.
fn find(
    connection: &Connection,
    request: &ClaimRequest,
) -> Result<Vec<(i64, StoredTask)>, Problem> {
    let mut found = Vec::new();
    let mut statement = connection.prepare_cached(FIND_DUE)?;
    for priority in Priority::ALL {
        let left = i64::from(request.limit) - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if left <= 0 {
            break;
        }
        let mut rows = statement.query(params![request.queue.as_str(), priority.number(), left])?;
        while let Some(row) = rows.next()? {
            let task = rows::task(row)?;
            match (task.is_abandoned, found.is_empty()) {
                (true, true) => return Ok(vec![(row.get(0)?, task)]),
                (true, false) => return Ok(found),
                (false, _) => found.push((row.get(0)?, task)),
            }
        }
    }
    Ok(found)
}
