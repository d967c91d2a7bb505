//! Compares the store with the table.

use std::fmt;

use evercore::EventStore;
use sqlx::PgConnection;

use crate::domain::Account;
use crate::error::MoveError;
use crate::mover::read_progress;
use crate::old;

const PAGE: u32 = 1_000;

/// The counts of a check that has found no difference.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Checked {
    pub(crate) accounts: u64,
    pub(crate) events: u64,
}

/// An aggregate of the table, as far as its rows have been read.
struct Replay {
    id: String,
    sequence: i64,
    state: old::Account,
}

/// Verifies the store, counts its events, and compares each account with the replay of its rows by the old code. Run
/// this before the new service writes.
///
/// # Errors
/// The first difference.
pub(crate) async fn check(
    table: &mut PgConnection,
    store: &EventStore,
) -> Result<Checked, MoveError> {
    let report = store.verify().aggregates::<Account>().run().await?;
    if !report.is_clean() {
        return Err(MoveError::Inconsistent(report.to_string()));
    }
    let (stored, moved) = (report.verified().events, read_progress(store).await?.moved);
    if stored != moved {
        return Err(MoveError::Count { stored, moved });
    }

    let (mut checked, mut after, mut replay) = (Checked::default(), None, None::<Replay>);
    loop {
        let rows = old::read(table, after.as_ref(), PAGE).await?;
        for row in &rows {
            if let Some(ended) = replay.take_if(|replay| replay.id != row.place.id) {
                compare(store, ended, &mut checked).await?;
            }
            let replay = replay.get_or_insert_with(|| Replay {
                id: row.place.id.clone(),
                sequence: 0,
                state: old::Account::default(),
            });
            replay.sequence = row.place.sequence;
            replay.state.apply(row.event()?);
        }
        let Some(last) = rows.into_iter().next_back() else { break };
        after = Some(last.place);
    }
    if let Some(last) = replay {
        compare(store, last, &mut checked).await?;
    }
    Ok(checked)
}

async fn compare(
    store: &EventStore,
    Replay { id, sequence, state }: Replay,
    checked: &mut Checked,
) -> Result<(), MoveError> {
    let find = store.with_readonly_context(async |ctx| ctx.find_by_key::<Account>(&id).await);
    let found = find.await?;
    let new = found.as_ref().map(|account| (account.sequence().get(), account.state()));
    let is_same = new.is_some_and(|(found, new)| {
        found == sequence
            && (&new.owner, new.cents, new.is_closed)
                == (&state.owner, state.cents, state.is_closed)
    });
    if !is_same {
        let (old, new) = (format!("{:?}", (sequence, state)), format!("{new:?}"));
        return Err(MoveError::Differs { id, old, new });
    }
    checked.accounts += 1;
    checked.events += sequence.unsigned_abs();
    Ok(())
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accounts with {} events are the same in both", self.accounts, self.events)
    }
}
