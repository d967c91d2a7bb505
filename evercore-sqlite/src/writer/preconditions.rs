//! Decides whether a commit may be stored, from the data that the transaction sees, which includes the commits before
//! it in the group.

use std::collections::{HashMap, HashSet};

use evercore::engine::{AggregateWrite, Commit, KeyChange, Precondition};
use evercore::error::ConflictReason;
use evercore::{AggregateId, Error, Result, Sequence};
use rusqlite::Connection;

use super::rows::{StoredAggregate, holder, is_used, standing};
use super::unique::check_unique;
use crate::error::Problem;
use crate::tags::find_broken;
use crate::types::Names;

/// The aggregates of a commit as they are stored; `None` for one that the commit creates.
pub(super) type StoredAggregates = HashMap<AggregateId, Option<StoredAggregate>>;

/// Checks a commit. Returns its aggregates as they are stored, or the reason to refuse the commit.
pub(super) fn check_preconditions(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
) -> Result<Result<StoredAggregates>, Problem> {
    if let Some(given) = &commit.idempotency
        && is_used(connection, &given.key)?
    {
        return Ok(Err(Error::IdempotencyKeyUsed { key: given.key.to_string() }));
    }
    let mut standings = HashMap::with_capacity(commit.writes.len());
    for write in &commit.writes {
        let standing = standing(connection, write.id)?;
        if let Some(standing) = &standing
            && names.aggregate(write.aggregate_type) != Some(standing.aggregate_type)
            && !write.creates()
        {
            return Ok(Err(wrong_type(connection, names, write, standing)?));
        }
        if let Err(refusal) = check_precondition(write, standing.as_ref()) {
            return Ok(Err(refusal));
        }
        standings.insert(write.id, standing);
    }
    if let Some(condition) = find_broken(connection, names, &commit.conditions)? {
        return Ok(Err(condition.conflict()));
    }
    if let Err(refusal) = check_keys(connection, names, commit)? {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = check_unique(connection, names, &commit.unique)? {
        return Ok(Err(refusal));
    }
    Ok(Ok(standings))
}

fn wrong_type(
    connection: &Connection,
    names: &Names,
    write: &AggregateWrite,
    standing: &StoredAggregate,
) -> Result<Error, Problem> {
    let found = match names.aggregate_name(standing.aggregate_type) {
        Ok(found) => found,
        // Another process has added the type.
        Err(_) => Names::read(connection)?.aggregate_name(standing.aggregate_type)?,
    };
    Ok(Error::WrongAggregateType {
        id: write.id,
        expected: write.aggregate_type.to_owned(),
        found: found.as_ref().to_owned(),
    })
}

fn check_precondition(write: &AggregateWrite, standing: Option<&StoredAggregate>) -> Result<()> {
    let aggregate = || write.aggregate_type.to_owned();
    let conflict = |reason| Err(Error::Conflict { aggregate: aggregate(), id: write.id, reason });
    let standing = match (standing, &write.precondition) {
        (None, Precondition::New) => return Ok(()),
        (Some(_), Precondition::New) => return conflict(ConflictReason::Created),
        (None, _) => return Err(Error::UnknownId { aggregate: aggregate(), id: write.id }),
        (Some(standing), _) => standing,
    };
    let check_sequence = |expected: Sequence| {
        let actual = standing.sequence;
        if actual == expected {
            Ok(())
        } else {
            conflict(ConflictReason::Sequence { expected, actual })
        }
    };
    match &write.precondition {
        Precondition::New | Precondition::Exists => Ok(()),
        Precondition::At(sequence) => check_sequence(*sequence),
        Precondition::Unchanged { sequence, key } => {
            check_sequence(*sequence)?;
            if standing.key == *key { Ok(()) } else { conflict(ConflictReason::Key) }
        }
    }
}

/// Checks the natural keys that a commit sets. Its key changes take effect together, so that a key which one aggregate
/// gives up is free for another.
fn check_keys(
    connection: &Connection,
    names: &Names,
    commit: &Commit,
) -> Result<Result<()>, Problem> {
    let changed = || commit.writes.iter().filter(|write| write.key != KeyChange::Keep);
    let changing: HashSet<AggregateId> = changed().map(|write| write.id).collect();
    let mut claimed = HashSet::new();
    for write in changed() {
        let KeyChange::Set(key) = &write.key else { continue };
        let holder = match names.aggregate(write.aggregate_type) {
            Some(aggregate_type) => holder(connection, aggregate_type, key)?,
            None => None,
        };
        let is_taken = holder.is_some_and(|holder| !changing.contains(&holder));
        if is_taken || !claimed.insert((write.aggregate_type, key)) {
            let aggregate = write.aggregate_type.to_owned();
            return Ok(Err(Error::KeyTaken { aggregate, key: key.to_string() }));
        }
    }
    Ok(Ok(()))
}
