//! Judges commits and writes those that are to land.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use evercore::Result;
use evercore::engine::{Commit, Committed, TypeName};
use sqlx::SqliteConnection;

use super::outcome::Outcome;
use super::plan::Plan;
use super::state::State;
use super::statements::{REGISTER_TYPES, TAKE_IDS};
use super::task::json;
use crate::error::Problem;
use crate::types::{Names, Types};

/// Lands commits in a transaction of their own. Leaves it open unless they have landed.
pub(super) async fn land(
    connection: &mut SqliteConnection,
    types: &Types,
    names: Arc<Names>,
    commits: &[&Commit],
) -> Outcome {
    match State::begin(connection, types, names, commits).await {
        Ok(state) => write(connection, state, commits).await,
        Err(problem) => Outcome::undone(problem),
    }
}

/// Lands a commit in a transaction that user code has written in, and commits both. Leaves it open unless that has
/// landed.
pub(crate) async fn land_within(
    connection: &mut SqliteConnection,
    database: &str,
    types: &Types,
    commit: &Commit,
) -> Result<Committed> {
    let commits = [commit];
    let outcome = match prepare_within(connection, &commits).await {
        Ok(state) => {
            let names = Arc::clone(&state.names);
            let outcome = write(connection, state, &commits).await;
            if matches!(outcome, Outcome::Landed(_)) {
                types.keep(names);
            }
            outcome
        }
        Err(problem) => Outcome::undone(problem),
    };
    outcome.verdicts(database, &[commit.id]).pop().expect("BUG: one commit has one verdict")
}

/// The names that the commits use, each once.
pub(super) fn type_names(commits: &[&Commit]) -> Vec<TypeName> {
    let mut seen = HashSet::new();
    for commit in commits {
        let types: HashMap<_, _> =
            commit.writes.iter().map(|write| (write.id, write.aggregate_type)).collect();
        let aggregates = types.values().map(|&aggregate| TypeName { aggregate, event: None });
        let events = commit.events.iter().filter_map(|event| {
            let aggregate = *types.get(&event.meta.aggregate_id())?;
            Some(TypeName { aggregate, event: Some(event.event_type) })
        });
        seen.extend(aggregates.chain(events));
    }
    seen.into_iter().collect()
}

async fn write(
    connection: &mut SqliteConnection,
    mut state: State,
    commits: &[&Commit],
) -> Outcome {
    let mut plan = Plan::new(state.head);
    let mut verdicts = Vec::with_capacity(commits.len());
    for commit in commits {
        verdicts.push(match state.outcome_of(commit) {
            Some(outcome) => outcome,
            None => plan.add(commit, &mut state.overlay, &state.names),
        });
    }
    if plan.is_empty() {
        return Outcome::Idle(verdicts);
    }
    match plan.execute(connection, &state.overlay).await {
        Ok(()) => Outcome::Landed(verdicts),
        Err(failure) => Outcome::of_writes(failure),
    }
}

/// Stores what commits in transactions of their own find stored before: the names of types, and that ids are taken.
async fn prepare_within(
    connection: &mut SqliteConnection,
    commits: &[&Commit],
) -> Result<State, Problem> {
    let names = rows(&type_names(commits));
    sqlx::query(REGISTER_TYPES).bind(names).execute(&mut *connection).await?;
    let writes = commits.iter().flat_map(|commit| &commit.writes);
    let created = writes.filter(|write| write.creates()).map(|write| write.id.get());
    if let Some(last) = created.max() {
        sqlx::query(TAKE_IDS).bind(last).execute(&mut *connection).await?;
    }
    let names = Names::read(connection).await?;
    State::read(connection, Arc::new(names), commits).await
}

/// Names as `register_types.sql` takes them.
pub(super) fn rows(names: &[TypeName]) -> String {
    let rows: Vec<_> = names.iter().map(|name| (name.aggregate, name.event)).collect();
    json(&rows)
}
