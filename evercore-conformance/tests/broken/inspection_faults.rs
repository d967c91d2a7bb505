//! Faults in the inspection of a store and in the storage of hashes.

use async_trait::async_trait;
use evercore::engine::{
    Commit, EventKey, InspectEvents, InspectedAggregate, InspectedEvent, InspectedSubscription,
    Inspection, LastGiven, StorageEngine,
};
use evercore::format::Payload;
use evercore::{Committed, Result};
use evercore_memory::MemoryEngine;

use crate::engine::Fault;

/// Leaves out the last row of a full page, as if the next page began with it.
#[derive(Debug)]
pub(crate) struct SkipsBetweenPages;

#[async_trait]
impl Fault for SkipsBetweenPages {
    async fn inspect_positions(
        &self,
        engine: &MemoryEngine,
        after: Option<EventKey>,
        limit: u32,
    ) -> Result<Vec<EventKey>> {
        let after = after.map(|after| EventKey { position: after.position + 1, ..after });
        Inspection::positions(engine, after, limit).await
    }

    async fn inspect_events(
        &self,
        engine: &MemoryEngine,
        request: &InspectEvents,
    ) -> Result<Vec<InspectedEvent>> {
        let mut after = request.after;
        // Only in the middle of an aggregate, not at the beginning of a range.
        if after.sequence < i64::MAX && after.sequence > 0 {
            (after.sequence, after.position) = (after.sequence + 1, i64::MAX);
        }
        Inspection::events(engine, &InspectEvents { after, ..*request }).await
    }
}

/// Returns events beyond the requested aggregates.
#[derive(Debug)]
pub(crate) struct ReadsTooFar;

#[async_trait]
impl Fault for ReadsTooFar {
    async fn inspect_events(
        &self,
        engine: &MemoryEngine,
        request: &InspectEvents,
    ) -> Result<Vec<InspectedEvent>> {
        Inspection::events(engine, &InspectEvents { up_to: i64::MAX, ..*request }).await
    }
}

/// Returns aggregates without their snapshots.
#[derive(Debug)]
pub(crate) struct HidesSnapshots;

#[async_trait]
impl Fault for HidesSnapshots {
    async fn inspect_aggregates(
        &self,
        engine: &MemoryEngine,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<InspectedAggregate>> {
        let mut page = Inspection::aggregates(engine, after, limit).await?;
        page.iter_mut().for_each(|aggregate| aggregate.snapshot = None);
        Ok(page)
    }
}

/// Returns the end of the log as it was before the cursors were read.
#[derive(Debug)]
pub(crate) struct ShowsAnOldHead;

#[async_trait]
impl Fault for ShowsAnOldHead {
    async fn inspect_subscriptions(
        &self,
        engine: &MemoryEngine,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<InspectedSubscription>> {
        let mut page = Inspection::durable_subscriptions(engine, after, limit).await?;
        page.iter_mut().for_each(|subscription| subscription.head -= 1);
        Ok(page)
    }
}

/// Reports a last assigned id that omits ids which were reserved but are not in use.
#[derive(Debug)]
pub(crate) struct ForgetsWhatWasGiven;

#[async_trait]
impl Fault for ForgetsWhatWasGiven {
    async fn last_given(&self, engine: &MemoryEngine) -> Result<LastGiven> {
        let mut given = engine.last_given().await?;
        given.aggregate_id -= 1_000;
        Ok(given)
    }
}

/// Stores payloads without the hash that follows them.
#[derive(Debug)]
pub(crate) struct ForgetsHashes;

#[async_trait]
impl Fault for ForgetsHashes {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        for event in &mut commit.events {
            let (codec, bytes) = (event.payload.codec(), event.payload.bytes().to_vec());
            event.payload = Payload::from_encoded(codec, bytes);
        }
        engine.commit(commit).await
    }
}

/// Stores one event in the middle of an aggregate without its hash.
#[derive(Debug)]
pub(crate) struct ForgetsOneEventsHash;

#[async_trait]
impl Fault for ForgetsOneEventsHash {
    async fn commit(&self, engine: &MemoryEngine, mut commit: Commit) -> Result<Committed> {
        if let Some(event) =
            commit.events.last_mut().filter(|event| event.meta.sequence().get() == 4)
        {
            let (codec, bytes) = (event.payload.codec(), event.payload.bytes().to_vec());
            event.payload = Payload::from_encoded(codec, bytes);
        }
        engine.commit(commit).await
    }
}
