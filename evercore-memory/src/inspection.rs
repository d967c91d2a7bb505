//! Shows the stored data as they are, for verification. In memory, they are never damaged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use async_trait::async_trait;
use evercore::engine::{
    EventKey, InspectEvents, InspectedAggregate, InspectedColumns, InspectedCommit, InspectedEvent,
    InspectedKey, InspectedParked, InspectedPosition, InspectedSnapshot, InspectedSubscription,
    Inspection, LastGiven, Positions,
};
use evercore::{AggregateId, CommitId, CommitOutcome, NaturalKey, Position, RecordedEvent, Result};

use crate::MemoryEngine;
use crate::log::{Log, StoredAggregate, index};

#[async_trait]
impl Inspection for MemoryEngine {
    async fn aggregates(&self, after: Option<i64>, limit: u32) -> Result<Vec<InspectedAggregate>> {
        let log = self.read()?;
        let aggregates = log.aggregates.range(after_id(after));
        Ok(aggregates.take(most(limit)).map(aggregate).collect())
    }

    async fn events(&self, request: &InspectEvents) -> Result<Vec<InspectedEvent>> {
        let log = self.read()?;
        let InspectEvents { after, up_to, limit } = *request;
        // Includes the aggregate of `after` itself, for its later events.
        let aggregates = log.aggregates.range(after_id(after.aggregate_id.checked_sub(1)));
        let wanted = aggregates.take_while(|(id, _)| id.get() <= up_to);
        let events = wanted.flat_map(|(_, stored)| &stored.events).map(|&at| log.event(at));
        let events = events.skip_while(|event| placed(event) <= after);
        Ok(events.take(most(limit)).map(inspected).collect())
    }

    async fn positions(&self, after: Option<EventKey>, limit: u32) -> Result<Vec<EventKey>> {
        let log = self.read()?;
        let after = after.map_or(0, |after| after.position);
        let rest = usize::try_from(after).ok().and_then(|after| log.events.get(after..));
        Ok(rest.unwrap_or_default().iter().take(most(limit)).map(placed).collect())
    }

    async fn keys(
        &self,
        aggregate_type: &str,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Vec<InspectedKey>> {
        let log = self.read()?;
        let mut keys: BTreeMap<&NaturalKey, InspectedKey> = BTreeMap::new();
        for (id, stored) in &log.aggregates {
            let Some(key) = stored.current_key() else { continue };
            let bytes = key.as_str().as_bytes();
            if *stored.aggregate_type != *aggregate_type
                || after.is_some_and(|after| bytes <= after)
            {
                continue;
            }
            match keys.entry(key) {
                Entry::Vacant(vacant) => {
                    let (key, id) = (bytes.to_vec(), id.get());
                    vacant.insert(InspectedKey::new(key, 1, id, id));
                }
                Entry::Occupied(mut occupied) => {
                    occupied.get_mut().holders += 1;
                    occupied.get_mut().last = id.get();
                }
            }
        }
        Ok(keys.into_values().take(most(limit)).collect())
    }

    async fn commits(&self, after: Option<CommitId>, limit: u32) -> Result<Vec<InspectedCommit>> {
        let log = self.read()?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let outcomes = log.outcomes.range((after, Bound::Unbounded)).take(most(limit));
        let mut commits: Vec<_> =
            outcomes.map(|(id, outcome)| commit(&log, *id, outcome)).collect();
        for (key, first) in &log.firsts {
            let place = commits.binary_search_by_key(&first.committed.id, |commit| commit.id);
            if let Ok(place) = place {
                commits[place].idempotency_key = Some(key.to_string());
            }
        }
        Ok(commits)
    }

    async fn durable_subscriptions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        self.with_subscriptions(|subscriptions, log| {
            subscriptions.inspect(log, after).take(most(limit)).collect()
        })
    }

    async fn parked(&self, after: Option<(&str, i64)>, limit: u32) -> Result<Vec<InspectedParked>> {
        self.with_subscriptions(|subscriptions, log| {
            subscriptions.inspect_parked(log, after).take(most(limit)).collect()
        })
    }

    async fn last_given(&self) -> Result<LastGiven> {
        self.with_subscriptions(|subscriptions, log| {
            LastGiven::new(log.head().get(), log.last_id, subscriptions.last_token())
        })
    }
}

fn after_id(after: Option<i64>) -> (Bound<AggregateId>, Bound<AggregateId>) {
    let after = after.and_then(|after| AggregateId::new(after).ok());
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}

fn most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn placed(event: &RecordedEvent) -> EventKey {
    EventKey {
        aggregate_id: event.aggregate_id().get(),
        sequence: event.sequence().get(),
        position: event.position().get(),
    }
}

fn inspected(event: &RecordedEvent) -> InspectedEvent {
    InspectedEvent::new(placed(event), true, Ok(event.clone()))
}

fn aggregate((id, stored): (&AggregateId, &StoredAggregate)) -> InspectedAggregate {
    let columns = InspectedColumns::new(
        Some(stored.aggregate_type.clone()),
        stored.current_key().cloned().map(Ok),
    );
    let snapshot = stored.snapshot.as_ref().map(|snapshot| {
        InspectedSnapshot::new(
            snapshot.sequence.get(),
            snapshot.fingerprint,
            snapshot.state.clone(),
        )
    });
    InspectedAggregate::new(id.get(), Some(columns), snapshot)
}

fn commit(log: &Log, id: CommitId, outcome: &CommitOutcome) -> InspectedCommit {
    let (landed, positions) = match outcome {
        CommitOutcome::Landed(committed) => (true, &committed.positions),
        CommitOutcome::NeverLands => (false, &Positions::NONE),
    };
    let refer =
        |to: Position| InspectedPosition::new(to.get(), log.events.get(index(to)).is_some());
    let mut shown = InspectedCommit::new(id, landed);
    shown.first = positions.first().map(refer);
    shown.last = positions.last().map(refer);
    shown
}
