//! Checks and changes the unique values of aggregates.

use std::collections::HashMap;

use evercore::boundary::Tag;
use evercore::engine::UniqueChange;
use evercore::{AggregateId, Error, Result};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Problem, because};
use crate::row::checked;
use crate::types::{AggregateTypeId, Names};

const FIND_VALUE: &str = include_str!("find_value.sql");
const CLAIM_VALUE: &str = include_str!("claim_value.sql");
const RELEASE_VALUE: &str = include_str!("release_value.sql");
const LEFT_OUT: &str = "a trigger of this database dropped some of the rows";

/// Checks the values that a commit claims: each is free, or its holder releases it in the same commit.
pub(super) fn check_unique(
    connection: &Connection,
    names: &Names,
    changes: &[UniqueChange],
) -> Result<Result<()>, Problem> {
    let is_released = |claim: &UniqueChange, holder: AggregateId| {
        changes.iter().any(|other| {
            !other.claims()
                && other.aggregate_id == holder
                && other.aggregate_type == claim.aggregate_type
                && other.value == claim.value
        })
    };
    let mut claimed: HashMap<(&str, &Tag), AggregateId> = HashMap::new();
    for claim in changes.iter().filter(|change| change.claims()) {
        let UniqueChange { aggregate_id, aggregate_type, value, .. } = claim;
        let stored = match names.aggregate(aggregate_type) {
            Some(aggregate_type) => holder(connection, aggregate_type, value)?,
            None => None,
        };
        let stored = stored.filter(|holder| !is_released(claim, *holder));
        let holder = stored.or_else(|| claimed.get(&(*aggregate_type, value)).copied());
        if let Some(holder) = holder.filter(|holder| holder != aggregate_id) {
            return Ok(Err(claim.taken(holder)));
        }
        claimed.insert((aggregate_type, value), *aggregate_id);
    }
    Ok(Ok(()))
}

/// Writes changes that have passed the check: first all releases, so that values can be swapped.
pub(super) fn change_unique(
    connection: &Connection,
    names: &Names,
    changes: &[UniqueChange],
) -> Result<(), Problem> {
    for change in changes.iter().filter(|change| !change.claims()) {
        let (row, _) = row(names, change)?;
        connection.prepare_cached(RELEASE_VALUE)?.execute(row)?;
    }
    for change in changes.iter().filter(|change| change.claims()) {
        let (row, aggregate_type) = row(names, change)?;
        let is_new = holder(connection, aggregate_type, &change.value)?.is_none();
        if is_new && connection.prepare_cached(CLAIM_VALUE)?.execute(row)? != 1 {
            return Err(Error::storage("claim a unique value", because(LEFT_OUT)).into());
        }
    }
    Ok(())
}

type Columns<'a> = (i64, &'a str, &'a str, i64);

fn row<'a>(
    names: &Names,
    change: &'a UniqueChange,
) -> Result<(Columns<'a>, AggregateTypeId), Problem> {
    let UniqueChange { aggregate_id, aggregate_type, value, .. } = change;
    let aggregate_type = names.aggregate(aggregate_type).ok_or_else(|| {
        Error::corrupt("aggregate_types", format!("the row of `{aggregate_type}` is missing"))
    })?;
    let row = (aggregate_type.get(), value.name(), value.value(), aggregate_id.get());
    Ok((row, aggregate_type))
}

fn holder(
    connection: &Connection,
    aggregate_type: AggregateTypeId,
    value: &Tag,
) -> Result<Option<AggregateId>, Problem> {
    let mut statement = connection.prepare_cached(FIND_VALUE)?;
    let wanted = params![aggregate_type.get(), value.name(), value.value()];
    let found = statement.query_row(wanted, |row| row.get(0)).optional()?;
    Ok(found.map(|id| checked(AggregateId::new(id), "unique_values.aggregate_id")).transpose()?)
}
