//! Checks that aggregates have claimed the unique values of their states.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::notes::Notes;
use super::{AggregateAt, Finding, Scope};
use crate::engine::{
    Capability, HistoryRequest, InspectedAggregate, Inspection, LoadRequest, LoadTarget,
};
use crate::registry::AggregateEntry;
use crate::shared::Shared;
use crate::{AggregateId, Result, Sequence, Tag};

/// Checks the aggregates of all types whose unique values are complete.
pub(super) async fn check_unique(
    store: &Shared,
    scope: Scope,
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    if !store.engine.capabilities().has(Capability::UniqueValues) {
        return Ok(());
    }
    let inspection = store.engine.inspection();
    let declared = store.reload_declared().await?;
    for aggregate in store.registry.aggregates().filter(|own| !own.unique().is_empty()) {
        let name = store.stored_name_of(aggregate).await?;
        let is_wanted = match scope {
            Scope::Whole => true,
            Scope::OfType(wanted) => wanted == name,
        };
        let mut names =
            declared.unique.stored().iter().filter(|stored| *stored.aggregate_type == *name);
        let Some(entry) = store.registry.aggregate_stored_as(aggregate.name()) else { continue };
        if is_wanted && names.all(|stored| stored.is_complete) {
            check_type(store, inspection, (name, entry), page_size, notes).await?;
        }
    }
    Ok(())
}

async fn check_type(
    store: &Shared,
    inspection: &dyn Inspection,
    (name, entry): (&'static str, &AggregateEntry),
    page_size: u32,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let mut after = None;
    loop {
        let page = inspection.aggregates(after, page_size).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for InspectedAggregate { id, aggregate, .. } in page {
            let found = aggregate.and_then(|columns| columns.aggregate_type);
            let is_own = found.is_some_and(|found| *found == *name);
            if let (true, Ok(id)) = (is_own, AggregateId::new(id)) {
                check_aggregate(store, (name, entry), id, notes).await?;
            }
        }
        notes.page_done().await;
    }
}

async fn check_aggregate(
    store: &Shared,
    (name, entry): (&'static str, &AggregateEntry),
    id: AggregateId,
    notes: &mut Notes<'_>,
) -> Result<()> {
    let Some((sequence, values)) = replay(store, entry, id).await? else { return Ok(()) };
    for value in values {
        let request = LoadRequest {
            aggregate_type: name,
            target: LoadTarget::Unique(value.clone()),
            snapshot: None,
            up_to: Some(Sequence::ZERO),
            limit: 1,
        };
        let holder = store.engine.load(request).await?.map(|loaded| loaded.id);
        if holder == Some(id) {
            continue;
        }
        // A commit stores its events together with its claims. Without a later event, the value is still one of the
        // state.
        let later = HistoryRequest { id, after: sequence, up_to: None, limit: 1 };
        if !store.engine.read_history(later).await?.is_empty() {
            return Ok(());
        }
        let aggregate = AggregateAt { aggregate_type: Some(name.to_owned()), id: id.get() };
        let (value, holder) = (value.to_string(), holder.map(AggregateId::get));
        notes.found(Finding::ValueUnclaimed { aggregate, value, holder });
    }
    Ok(())
}

/// Returns the values of an aggregate's state, and its last sequence; `None` if this program cannot read all its events,
/// which is reported elsewhere.
async fn replay(
    store: &Shared,
    entry: &AggregateEntry,
    id: AggregateId,
) -> Result<Option<(Sequence, Vec<Tag>)>> {
    let mut state = entry.begin_replay();
    let mut sequence = Sequence::ZERO;
    let limit = store.limits.page_events;
    loop {
        let request = HistoryRequest { id, after: sequence, up_to: None, limit };
        let events = match store.engine.read_history(request).await {
            Ok(events) => events,
            // A row is damaged.
            Err(crate::Error::Corrupt { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        if events.is_empty() {
            break;
        }
        for event in events {
            let known = entry.find(event.event_type(), event.version());
            let Some(known) = known.filter(|_| event.sequence() == sequence.next()) else {
                return Ok(None);
            };
            let apply = || {
                known.apply(state.state(), event.payload(), event.version(), event.meta()).is_ok()
            };
            if !catch_unwind(AssertUnwindSafe(apply)).unwrap_or(false) {
                return Ok(None);
            }
            sequence = event.sequence();
        }
    }
    if sequence == Sequence::ZERO {
        return Ok(None);
    }
    Ok(state.unique().map(|values| (sequence, Vec::from(values))))
}
