//! Keeps the outcomes of commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use evercore::Committed;
use evercore::command::CommandId;
use evercore::engine::{CommandOutcome, CommandsRequest, StoredCommand};

/// The command log.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    by_id: BTreeMap<CommandId, StoredCommand>,
    /// The oldest first.
    order: BTreeSet<(DateTime<Utc>, CommandId)>,
}

impl Commands {
    pub(crate) fn add(
        &mut self,
        outcomes: Vec<CommandOutcome>,
        committed: &Committed,
        now: DateTime<Utc>,
    ) {
        for outcome in outcomes {
            self.order.insert((now, outcome.id));
            let stored = StoredCommand::new(outcome, now, committed.clone());
            self.by_id.insert(stored.outcome.id, stored);
        }
    }

    pub(crate) fn find(&self, id: CommandId) -> Option<StoredCommand> {
        self.by_id.get(&id).cloned()
    }

    pub(crate) fn list(&self, request: &CommandsRequest) -> Vec<StoredCommand> {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let newest_first = self.order.iter().rev().map(|(_, id)| &self.by_id[id]);
        newest_first.filter(|stored| is_wanted(stored, request)).take(limit).cloned().collect()
    }

    pub(crate) fn prune(&mut self, older_than: Duration, limit: u32, now: DateTime<Utc>) -> u64 {
        let older_than = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let before = now.checked_sub_signed(older_than).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut removed = 0;
        while removed < u64::from(limit)
            && let Some(&(ended_at, id)) = self.order.first()
            && ended_at < before
        {
            self.order.pop_first();
            self.by_id.remove(&id);
            removed += 1;
        }
        removed
    }
}

fn is_wanted(stored: &StoredCommand, request: &CommandsRequest) -> bool {
    let CommandsRequest {
        correlation_id,
        command,
        aggregate_id,
        is_rejected,
        from,
        until,
        after,
        limit: _,
    } = request;
    let StoredCommand { outcome, ended_at, .. } = stored;
    (correlation_id.is_none() || outcome.correlation_id == *correlation_id)
        && command.as_ref().is_none_or(|command| outcome.command == *command)
        && (aggregate_id.is_none() || outcome.aggregate_id == *aggregate_id)
        && is_rejected.is_none_or(|is_rejected| outcome.rejection.is_some() == is_rejected)
        && from.is_none_or(|from| *ended_at >= from)
        && until.is_none_or(|until| *ended_at < until)
        && after.is_none_or(|after| (*ended_at, outcome.id) < after)
}
