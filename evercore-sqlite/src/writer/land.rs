//! Writes commits that pass the checks.

use std::collections::HashMap;
use std::sync::Arc;

use evercore::engine::{Commit, KeyChange, TypeName};
use evercore::{Committed, Error, NaturalKey, Position, Result};
use rusqlite::{Connection, params};

use super::append::append;
use super::commands::log_commands;
use super::outcome::Outcome;
use super::preconditions::{StoredAggregates, check_preconditions};
use super::rows::{Known, declared_version, execute, outcome_of, register_types, take_ids};
use super::tasks::{check_tasks, land_tasks};
use super::unique::change_unique;
use crate::error::Problem;
use crate::types::{Names, Types};

const INSERT_AGGREGATE: &str = include_str!("insert_aggregate.sql");
const INSERT_COMMIT: &str = include_str!("insert_commit.sql");
const SET_KEY: &str = "UPDATE aggregates SET natural_key = ?2 WHERE id = ?1";
const UPSERT_SNAPSHOT: &str = include_str!("upsert_snapshot.sql");

/// The result of writing one commit.
enum Verdict {
    /// The commit is written.
    Written(Committed),
    /// Nothing is written: the commit is refused, or was stored or given up before.
    Otherwise(Result<Committed>),
}

/// Stores commits in a transaction of their own. Leaves the transaction open unless it was committed.
pub(super) fn land(connection: &Connection, names: &Names, commits: &[&Commit]) -> Outcome {
    match execute(connection, "BEGIN IMMEDIATE") {
        Ok(()) => write(connection, names, commits),
        Err(failure) => Outcome::Undone(failure),
    }
}

/// Stores a commit in a transaction that user code has written in, and commits the transaction. Leaves the transaction
/// open unless it was committed.
pub(crate) fn land_within(
    connection: &Connection,
    database: &str,
    types: &Types,
    commit: &Commit,
) -> Result<Committed> {
    let outcome = match prepare_within(connection, commit) {
        Ok(names) => {
            let outcome = write(connection, &names, &[commit]);
            if matches!(outcome, Outcome::Landed(_)) {
                types.keep(Arc::new(names));
            }
            outcome
        }
        Err(problem) => Outcome::of_statement(problem),
    };
    outcome.verdicts(database, &[commit.id]).pop().expect("BUG: one commit has one verdict")
}

/// Returns the names that the commits use and that are not in `names`, some more than once.
pub(super) fn unknown_names(names: &Names, commits: &[&Commit]) -> Vec<TypeName> {
    let mut unknown = Vec::new();
    for commit in commits {
        let types: HashMap<_, _> =
            commit.writes.iter().map(|write| (write.id, write.aggregate_type)).collect();
        let aggregates = types.values().map(|&aggregate| TypeName { aggregate, event: None });
        let events = commit.events.iter().filter_map(|event| {
            let aggregate = *types.get(&event.meta.aggregate_id())?;
            Some(TypeName { aggregate, event: Some(event.event_type) })
        });
        unknown.extend(
            aggregates.chain(events).filter(|name| !names.knows(name.aggregate, name.event)),
        );
    }
    unknown
}

fn write(connection: &Connection, names: &Names, commits: &[&Commit]) -> Outcome {
    let mut verdicts = Vec::with_capacity(commits.len());
    let mut is_idle = true;
    let version = match declared_version(connection) {
        Ok(version) => version,
        Err(problem) => return Outcome::of_statement(problem),
    };
    for commit in commits {
        match land_one(connection, names, commit, version) {
            Ok(Verdict::Written(committed)) => {
                is_idle = false;
                verdicts.push(Ok(committed));
            }
            Ok(Verdict::Otherwise(verdict)) => verdicts.push(verdict),
            Err(problem) => return Outcome::of_statement(problem),
        }
    }
    if is_idle {
        return Outcome::Idle(verdicts);
    }
    match execute(connection, "COMMIT") {
        Ok(()) => Outcome::Landed(verdicts),
        Err(failure) => Outcome::of_commit(failure),
    }
}

/// Prepares a transaction of user code: stores the names of types and marks ids as taken, which other commits find
/// stored already.
fn prepare_within(connection: &Connection, commit: &Commit) -> Result<Names, Problem> {
    register_types(connection, &unknown_names(&Names::default(), &[commit]))?;
    let created = commit.writes.iter().filter(|write| write.creates()).map(|write| write.id);
    if let Some(last) = created.max() {
        take_ids(connection, last)?;
    }
    Ok(Names::read(connection)?)
}

fn land_one(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    version: i64,
) -> Result<Verdict, Problem> {
    if let Some(known) = outcome_of(connection, commit.id)? {
        return Ok(Verdict::Otherwise(match known {
            Known::GivenUp => Err(Error::given_up(commit.id)),
            Known::Landed(positions) => Ok(Committed::new(commit.id, positions)),
        }));
    }
    let standings = match check_preconditions(connection, names, commit)? {
        Ok(standings) => standings,
        Err(refusal) => return Ok(Verdict::Otherwise(Err(refusal))),
    };
    if commit.declared.is_some_and(|declared| declared != version) {
        return Ok(Verdict::Otherwise(Err(Error::DeclarationsChanged)));
    }
    if let Err(refusal) = check_tasks(connection, commit)? {
        return Ok(Verdict::Otherwise(Err(refusal)));
    }
    change_aggregates(connection, names, commit, &standings)?;
    land_tasks(connection, commit)?;
    change_unique(connection, names, &commit.unique)?;
    let positions = append(connection, names, commit, &standings)?;
    for snapshot in &commit.snapshots {
        connection.prepare_cached(UPSERT_SNAPSHOT)?.execute(params![
            snapshot.aggregate_id.get(),
            snapshot.sequence.get(),
            snapshot.fingerprint.get().cast_signed(),
            &snapshot.state[..],
        ])?;
    }
    let idempotency = commit.idempotency.as_ref();
    connection.prepare_cached(INSERT_COMMIT)?.execute(params![
        commit.id.as_uuid().as_bytes(),
        positions.first().map(Position::get),
        positions.last().map(Position::get),
        commit.recorded_at.timestamp_micros(),
        idempotency.map(|given| given.key.as_str()),
        idempotency.map(|given| &*given.command),
        idempotency.map(|given| &*given.result),
    ])?;
    log_commands(connection, commit)?;
    Ok(Verdict::Written(Committed::new(commit.id, positions)))
}

/// Creates aggregates and changes keys. All keys are given up before any is taken, so that they can be swapped.
fn change_aggregates(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
    standings: &StoredAggregates,
) -> Result<(), Problem> {
    let mut claims = Vec::new();
    for write in &commit.writes {
        let Some(Some(standing)) = standings.get(&write.id) else { continue };
        let key = match &write.key {
            KeyChange::Keep => continue,
            KeyChange::Set(key) => Some(key),
            KeyChange::Clear => None,
        };
        if standing.key.as_ref() == key {
            continue;
        }
        if standing.key.is_some() {
            set_key(connection, write.id.get(), None)?;
        }
        claims.extend(key.map(|key| (write.id, key)));
    }
    for write in commit.writes.iter().filter(|write| write.creates()) {
        let aggregate_type = names.aggregate(write.aggregate_type).ok_or_else(|| {
            Error::corrupt(
                "aggregate_types",
                format!("the row of `{}` is missing", write.aggregate_type),
            )
        })?;
        let key = match &write.key {
            KeyChange::Set(key) => Some(key.as_str()),
            KeyChange::Keep | KeyChange::Clear => None,
        };
        let row = params![write.id.get(), aggregate_type.get(), key];
        connection.prepare_cached(INSERT_AGGREGATE)?.execute(row)?;
    }
    for (id, key) in claims {
        set_key(connection, id.get(), Some(key))?;
    }
    Ok(())
}

fn set_key(connection: &Connection, id: i64, key: Option<&NaturalKey>) -> Result<(), Problem> {
    let row = params![id, key.map(NaturalKey::as_str)];
    connection.prepare_cached(SET_KEY)?.execute(row)?;
    Ok(())
}
