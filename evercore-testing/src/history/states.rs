//! Compares states loaded from snapshots with full replays.

use evercore::{Aggregate, AggregateId, EventStore, Result, Sequence};

use super::violation::Violation;

/// Returns a violation for each aggregate whose loaded state differs from a full replay.
pub(super) async fn check<T: Aggregate + PartialEq>(
    store: &EventStore,
    aggregates: &[AggregateId],
) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for &aggregate in aggregates {
        let (at, state) = store
            .with_readonly_context(async |ctx| {
                let loaded = ctx.load::<T>(aggregate).await?;
                Ok::<_, evercore::Error>((loaded.sequence(), loaded.into_state()))
            })
            .await?;
        if replayed::<T>(store, aggregate, at).await? != state {
            found.push(Violation::State { aggregate });
        }
    }
    Ok(found)
}

async fn replayed<T: Aggregate>(
    store: &EventStore,
    aggregate: AggregateId,
    up_to: Sequence,
) -> Result<T> {
    let (mut state, mut at) = (T::default(), Sequence::ZERO);
    while at < up_to {
        let page = store.history(aggregate, at.next()..=up_to).await?;
        let Some(last) = page.events.last() else { break };
        let reached = last.sequence();
        state = store.registry().replay(state, at, &page.events)?;
        at = reached;
    }
    Ok(state)
}
