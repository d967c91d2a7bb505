//! What a group is judged by, read where its transaction begins.

use std::collections::HashSet;
use std::sync::Arc;

use evercore::engine::{Commit, Committed, KeyChange};
use evercore::{AggregateId, Error, IdempotencyKey, NaturalKey, Position, Result, Sequence};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::{Row, SqliteConnection};

use super::judge::{Overlay, Standing};
use super::plan::hex;
use super::statements::{BEGIN, READ_STATE};
use super::task::{json, positions};
use crate::error::Problem;
use crate::page::checked;
use crate::types::{AggregateTypeId, Names, Types};

/// What a group is judged by.
pub(super) struct State {
    pub(super) names: Arc<Names>,
    /// The last position that is taken.
    pub(super) head: Position,
    pub(super) overlay: Overlay,
    /// Those of its commits that have an outcome already.
    known: Vec<KnownCommit>,
}

/// What the statement returns.
struct Columns {
    head: i64,
    aggregates: Vec<AggregateColumns>,
    holders: Vec<HolderColumns>,
    known: Vec<KnownCommit>,
    used: HashSet<IdempotencyKey>,
}

/// Columns of an aggregate, in the order of the statement's `json_array`.
#[derive(Deserialize)]
struct AggregateColumns {
    id: i64,
    aggregate_type_id: i64,
    natural_key: Option<String>,
    sequence: i64,
}

/// Columns of a key's holder, likewise.
#[derive(Deserialize)]
struct HolderColumns {
    aggregate_type_id: i64,
    natural_key: String,
    id: i64,
}

/// Columns of a commit, likewise.
#[derive(Deserialize)]
struct KnownCommit {
    id: String,
    outcome: i64,
    first_position: Option<i64>,
    last_position: Option<i64>,
}

impl State {
    /// Opens a transaction and reads the state in it.
    pub(super) async fn begin(
        connection: &mut SqliteConnection,
        types: &Types,
        names: Arc<Names>,
        commits: &[&Commit],
    ) -> Result<Self, Problem> {
        let columns = Columns::read(connection, BEGIN, &names, commits).await?;
        // Another process may have added types. This transaction has not.
        let names =
            if columns.are_known_to(&names) { names } else { types.refresh(connection).await? };
        Ok(columns.state(names)?)
    }

    /// Reads the state in a transaction that is open, with all names that it sees.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        names: Arc<Names>,
        commits: &[&Commit],
    ) -> Result<Self, Problem> {
        let columns = Columns::read(connection, READ_STATE, &names, commits).await?;
        Ok(columns.state(names)?)
    }

    /// The verdict on a commit that was sent before, or given up.
    pub(super) fn outcome_of(&self, commit: &Commit) -> Option<Result<Committed>> {
        if self.known.is_empty() {
            return None;
        }
        let id = hex(commit.id);
        let known = self.known.iter().find(|known| known.id == id)?;
        if known.outcome == 0 {
            return Some(Err(Error::given_up(commit.id)));
        }
        let positions = positions(known.first_position, known.last_position);
        Some(positions.map(|positions| Committed { id: commit.id, positions }))
    }
}

impl Columns {
    async fn read(
        connection: &mut SqliteConnection,
        sql: &'static str,
        names: &Names,
        commits: &[&Commit],
    ) -> Result<Self, Problem> {
        let sent: Vec<_> = commits.iter().map(|commit| hex(commit.id)).collect();
        let row = sqlx::query(sql)
            .bind(json(&ids(commits)))
            .bind(json(&claims(commits, names)))
            .bind(json(&sent))
            .bind(json(&idempotency_keys(commits)))
            .fetch_one(connection)
            .await?;
        Ok(Self {
            head: row.try_get(0)?,
            aggregates: list(row.try_get(1)?, "aggregates")?,
            holders: list(row.try_get(2)?, "aggregates")?,
            known: list(row.try_get(3)?, "commits")?,
            used: list::<String>(row.try_get(4)?, "commits")?
                .into_iter()
                .map(|key| checked(IdempotencyKey::new(key), "commits.idempotency_key"))
                .collect::<Result<_>>()?,
        })
    }

    fn are_known_to(&self, names: &Names) -> bool {
        self.aggregates.iter().all(|found| names.aggregate_name(found.aggregate_type()).is_ok())
    }

    fn state(self, names: Arc<Names>) -> Result<State> {
        let mut overlay = Overlay::default();
        overlay.enter_used(self.used);
        for found in self.aggregates {
            let (id, standing) = found.standing()?;
            overlay.enter(id, standing);
        }
        for found in self.holders {
            let (aggregate_type, key, id) = found.holder()?;
            overlay.enter_holder(aggregate_type, key, id);
        }
        let head = checked(Position::new(self.head), "events.position")?;
        Ok(State { names, head, overlay, known: self.known })
    }
}

impl AggregateColumns {
    const fn aggregate_type(&self) -> AggregateTypeId {
        AggregateTypeId::new(self.aggregate_type_id)
    }

    fn standing(self) -> Result<(AggregateId, Standing)> {
        let standing = Standing {
            aggregate_type: self.aggregate_type(),
            key: checked(self.natural_key.map(NaturalKey::new).transpose(), KEY)?,
            sequence: checked(Sequence::new(self.sequence), "events.sequence")?,
        };
        Ok((checked(AggregateId::new(self.id), ID)?, standing))
    }
}

impl HolderColumns {
    fn holder(self) -> Result<(AggregateTypeId, NaturalKey, AggregateId)> {
        let aggregate_type = AggregateTypeId::new(self.aggregate_type_id);
        let key = checked(NaturalKey::new(self.natural_key), KEY)?;
        Ok((aggregate_type, key, checked(AggregateId::new(self.id), ID)?))
    }
}

const ID: &str = "aggregates.id";
const KEY: &str = "aggregates.natural_key";

fn list<T: DeserializeOwned>(json: &str, table: &'static str) -> Result<Vec<T>> {
    serde_json::from_str(json).map_err(|error| Error::corrupt(table, error.to_string()))
}

/// The aggregates that the commits read or write, each once.
fn ids(commits: &[&Commit]) -> HashSet<i64> {
    commits.iter().flat_map(|commit| &commit.writes).map(|write| write.id.get()).collect()
}

/// The keys that the commits claim.
fn claims<'a>(commits: &[&'a Commit], names: &Names) -> HashSet<(i64, &'a str)> {
    let writes = commits.iter().flat_map(|commit| &commit.writes);
    let claims = writes.filter_map(|write| match &write.key {
        KeyChange::Set(key) => Some((names.aggregate(write.aggregate_type)?.get(), key.as_str())),
        KeyChange::Keep | KeyChange::Clear => None,
    });
    claims.collect()
}

/// The idempotency keys of the commits.
fn idempotency_keys<'a>(commits: &[&'a Commit]) -> Vec<&'a str> {
    let given = commits.iter().filter_map(|commit| commit.idempotency.as_ref());
    given.map(|given| given.key.as_str()).collect()
}
