//! Reads the frontier of the log: the position up to which it can be read without skipping commits that are still on
//! their way.
//!
//! The rule, and why it holds, is documented with the functions that keep it, in the migration that defines them. This
//! module only keeps the order of two statements, the frontier first and then the events in a statement of their own,
//! and finds the transactions that hold the frontier back.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use evercore::engine::ObserverSlot;
use evercore::observer::Observation;
use evercore::{Position, Report, Result};
use sqlx::PgConnection;
use tokio::time::Instant;
use tracing::warn;

use crate::error::classify;
use crate::row::get;
use crate::statements::Statements;

/// Reads the frontier, and logs which transactions hold it back when it stands still.
#[derive(Debug)]
pub(crate) struct Frontier {
    /// The time that the frontier may stand still before a warning.
    patience: Duration,
    still: Mutex<Option<Still>>,
    observer: ObserverSlot,
}

/// A frontier that is held back, and since when.
#[derive(Clone, Copy, Debug)]
struct Still {
    at: Position,
    /// The time when it was first seen there, or of the last warning.
    since: Instant,
}

/// A transaction that appends and has not ended, and so holds back the readers of the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FrontierHolder {
    /// The position after which readers are shown nothing until the transaction ends.
    pub floor: Position,
    /// The process id at the server; `None` for a prepared transaction.
    pub pid: Option<i32>,
    /// The name of a prepared transaction.
    pub prepared: Option<String>,
    /// The time since the transaction began or was prepared, if the role may see it.
    pub age: Option<Duration>,
    /// The state of the process, such as `idle in transaction`, if the role may see it.
    pub state: Option<String>,
    /// The last statement of the process, if the role may see it.
    pub query: Option<String>,
}

impl Frontier {
    pub(crate) fn new(patience: Duration, observer: ObserverSlot) -> Self {
        Self { patience, still: Mutex::default(), observer }
    }

    /// Reads the frontier. It is computed each time, because after a crash it may be lower than before. For the same
    /// reason, events up to it must be read on the same connection, which does not outlive the server.
    pub(crate) async fn read(
        &self,
        connection: &mut PgConnection,
        statements: &Statements,
    ) -> Result<Position> {
        let (frontier, drawn) = read(connection, statements).await?;
        if let Some(observer) = self.observer.get() {
            let behind = drawn.get().saturating_sub(frontier.get()).max(0).unsigned_abs();
            observer.observe(&Observation::Frontier { behind });
        }
        if self.is_stuck(frontier, drawn) {
            // Only for the log: the reader has its frontier, so an error here is no failure.
            match holders(connection, statements, drawn).await {
                Ok(holders) => {
                    for holder in holders.iter().filter(|holder| holder.floor <= frontier) {
                        warn!(%frontier, %drawn, %holder, "readers of the log wait for a transaction to end");
                    }
                }
                Err(error) => {
                    warn!(%frontier, %drawn, error = %Report::new(&error), "readers of the log wait for a transaction to end, but its session cannot be identified");
                }
            }
        }
        Ok(frontier)
    }

    /// Whether the frontier has been held back for longer than `patience`. Returns `true` at most once in each
    /// `patience`.
    fn is_stuck(&self, frontier: Position, drawn: Position) -> bool {
        let mut still = self.still.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if frontier >= drawn {
            *still = None;
            return false;
        }
        match &mut *still {
            Some(held) if frontier <= held.at => {
                let is_stuck = now.duration_since(held.since) >= self.patience;
                if is_stuck {
                    held.since = now;
                }
                is_stuck
            }
            moved => {
                *moved = Some(Still { at: frontier, since: now });
                false
            }
        }
    }
}

/// Reads the frontier and the last position that any transaction drew.
pub(crate) async fn read(
    connection: &mut PgConnection,
    statements: &Statements,
) -> Result<(Position, Position)> {
    let row = sqlx::query(statements.frontier.sql())
        .fetch_one(connection)
        .await
        .map_err(|error| classify("read the frontier of the log", error))?;
    Ok((Position::new(get(&row, 0)?)?, Position::new(get(&row, 1)?)?))
}

/// Finds the transactions that hold a floor, the lowest first, 100 at most.
pub(crate) async fn holders(
    connection: &mut PgConnection,
    statements: &Statements,
    drawn: Position,
) -> Result<Vec<FrontierHolder>> {
    let rows = sqlx::query(statements.holders.sql())
        .bind(drawn.get())
        .fetch_all(connection)
        .await
        .map_err(|error| classify("find the transaction that holds the frontier back", error))?;
    let holder = |row| {
        Ok(FrontierHolder {
            floor: Position::new(get(row, 0)?)?,
            pid: get(row, 1)?,
            prepared: get(row, 2)?,
            age: get::<Option<f64>>(row, 3)?
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            state: get(row, 4)?,
            query: get(row, 5)?,
        })
    };
    rows.iter().map(holder).collect()
}

impl fmt::Display for FrontierHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.prepared, self.pid) {
            (Some(name), _) => write!(f, "the prepared transaction `{name}`")?,
            (None, Some(pid)) => write!(f, "process {pid}")?,
            (None, None) => f.write_str("a prepared transaction")?,
        }
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(age) = self.age {
            write!(f, ", for {:.1} s", age.as_secs_f64())?;
        }
        match &self.query {
            Some(query) => write!(f, ", last statement: {}", query.trim()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: i64) -> Position {
        Position::new(position).expect("not negative")
    }

    #[test]
    fn a_frontier_is_stuck_after_its_patience_at_one_position() {
        let frontier = Frontier::new(Duration::ZERO, ObserverSlot::new());
        assert!(!frontier.is_stuck(at(5), at(9)), "it was just seen there");
        assert!(frontier.is_stuck(at(5), at(9)));
        assert!(frontier.is_stuck(at(4), at(9)), "after a crash it may go back");
        assert!(!frontier.is_stuck(at(6), at(9)), "it goes on");
        assert!(frontier.is_stuck(at(6), at(9)));
        assert!(!frontier.is_stuck(at(9), at(9)), "no transaction holds it back");
        assert!(!frontier.is_stuck(at(9), at(10)));
    }

    #[test]
    fn a_frontier_that_stands_for_a_moment_is_not_stuck() {
        let frontier = Frontier::new(Duration::from_secs(3_600), ObserverSlot::new());
        for _ in 0..3 {
            assert!(!frontier.is_stuck(at(5), at(9)));
        }
    }

    #[test]
    fn a_stuck_frontier_is_logged_once_per_patience() {
        let mut frontier = Frontier::new(Duration::ZERO, ObserverSlot::new());
        frontier.is_stuck(at(5), at(9));
        assert!(frontier.is_stuck(at(5), at(9)));
        let said = Instant::now();
        let still = frontier.still.lock().expect("no panic").expect("it is held back");
        assert!(still.since <= said);
        frontier.patience = Duration::from_secs(3_600);
        assert!(!frontier.is_stuck(at(5), at(9)));
    }
}
