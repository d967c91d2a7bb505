//! Appends the events of the table to the store, batch by batch.
//!
//! A batch and the place that it reaches are one commit, so a move that is killed continues with the first event that
//! the store does not have. Two moves at once conflict, and one of them continues from the place of the other.

use evercore::{Aggregate, Apply, Context, EventMeta, EventStore, StateAggregate, event};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::domain::{Account, AccountClosed, AccountOpened, MoneyDeposited, MoneyWithdrawn};
use crate::error::{MoveError, Place};
use crate::old::{self, AccountEvent, Row};

/// The progress of the move, an aggregate like any other. Its key is the old aggregate type.
#[derive(Aggregate, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[aggregate(name = "cqrs-es-move", snapshot_every = 100)]
pub(crate) struct Progress {
    /// The number of times that the table was read to its end.
    pub(crate) passes: u64,
    /// The last event that this pass has read.
    pub(crate) after: Option<Place>,
    /// The number of events that were appended, in all passes.
    pub(crate) moved: u64,
}

#[event(aggregate = Progress, name = "batch-moved")]
struct BatchMoved {
    through: Place,
    appended: u64,
}

#[event(aggregate = Progress, name = "pass-ended")]
struct PassEnded;

impl Apply<BatchMoved> for Progress {
    fn apply(&mut self, event: &BatchMoved, _meta: &EventMeta) {
        self.after = Some(event.through.clone());
        self.moved += event.appended;
    }
}

impl Apply<PassEnded> for Progress {
    fn apply(&mut self, _event: &PassEnded, _meta: &EventMeta) {
        self.passes += 1;
        self.after = None;
    }
}

/// Reads the whole table, and appends each event that the store does not have. If the last pass was stopped, that one is
/// ended first: it lacks what the old service has appended since, before the place where it was stopped. Calls `report`
/// after each batch. Returns the number of events that were appended meanwhile.
pub(crate) async fn move_events(
    table: &mut PgConnection,
    store: &EventStore,
    batch: u32,
    mut report: impl FnMut(&Progress),
) -> Result<u64, MoveError> {
    let first = read_progress(store).await?;
    let mut progress = first.clone();
    let passes = if first.after.is_some() { 2 } else { 1 };
    while progress.passes < first.passes + passes {
        let rows = old::read(table, progress.after.as_ref(), batch).await?;
        let next = store.with_context(async |ctx| append(ctx, &progress, &rows).await).await?;
        progress = next;
        report(&progress);
    }
    Ok(progress.moved - first.moved)
}

pub(crate) async fn read_progress(store: &EventStore) -> Result<Progress, MoveError> {
    let find =
        store.with_readonly_context(async |ctx| ctx.find_by_key::<Progress>(old::TYPE).await);
    Ok(find.await?.map(StateAggregate::into_state).unwrap_or_default())
}

/// Appends the rows that follow on `seen`, unless another move was faster. Returns the progress after that.
async fn append(ctx: &mut Context, seen: &Progress, rows: &[Row]) -> Result<Progress, MoveError> {
    let mut progress = ctx.load_or_create::<Progress>(old::TYPE).await?;
    if progress.state() != seen {
        return Ok(progress.into_state());
    }
    let Some(last) = rows.last() else {
        ctx.apply(&mut progress, PassEnded)?;
        return Ok(progress.into_state());
    };
    let mut appended = 0;
    for rows in rows.chunk_by(|one, next| one.place.id == next.place.id) {
        let mut account = ctx.load_or_create::<Account>(&rows[0].place.id).await?;
        for row in rows {
            let last = account.sequence().get();
            if row.place.sequence > last + 1 {
                return Err(MoveError::Gap { found: row.place.clone(), last });
            }
            if row.place.sequence == last + 1 {
                apply(ctx, &mut account, row)?;
                appended += 1;
            }
        }
    }
    ctx.apply(&mut progress, BatchMoved { through: last.place.clone(), appended })?;
    Ok(progress.into_state())
}

/// Applies an old event as the new event that it becomes.
fn apply(
    ctx: &mut Context,
    account: &mut StateAggregate<Account>,
    row: &Row,
) -> Result<(), MoveError> {
    let options = row.options()?;
    let applied = match row.event()? {
        AccountEvent::AccountOpened { owner } => {
            ctx.apply_with(account, AccountOpened { owner }, options)
        }
        AccountEvent::MoneyDeposited { cents } => {
            ctx.apply_with(account, MoneyDeposited { cents }, options)
        }
        AccountEvent::MoneyWithdrawn { cents } => {
            ctx.apply_with(account, MoneyWithdrawn { cents }, options)
        }
        AccountEvent::AccountClosed => ctx.apply_with(account, AccountClosed, options),
    };
    applied.map_err(|error| MoveError::Refused(row.place.clone(), Box::new(error)))
}
