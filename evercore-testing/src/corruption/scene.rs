//! A store to be spoilt.

use std::sync::Arc;

use evercore::engine::StorageEngine;
use evercore::{
    Aggregate, AggregateAt, AggregateId, BoxError, CommitId, Error, EventAt, EventStore,
    FailurePolicy, Finding, LogDigest, RecordedEvent, Result, Verify, each,
};

use super::{Dialect, SpoiltDatabase};
use crate::domain::counter::{Added, Counter};
use crate::domain::registry;
use crate::domain::tally::{self, Tally};
use crate::journal::idle;

/// How many events are read at a time: one, a few, all.
const PAGE_SIZES: [u32; 3] = [1, 4, 1_000];

/// A tally of twelve events, at positions 1 to 12, with a snapshot of the first ten; then two counters of one event each,
/// with the keys `one` and `two`. The subscription `watch` has two partitions, and has parked the event of the first
/// counter.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) tally: AggregateId,
    pub(super) counters: [AggregateId; 2],
    /// The commits of the counters.
    pub(super) commits: [CommitId; 2],
    engine: Arc<dyn StorageEngine>,
    store: EventStore,
    database: &'a dyn SpoiltDatabase,
}

impl<'a> Scene<'a> {
    pub(super) async fn new(database: &'a dyn SpoiltDatabase) -> Result<Self> {
        let engine = database.open().await?;
        let store =
            EventStore::builder().registry(registry()).open_shared(Arc::clone(&engine)).await?;
        let numbers: Vec<u64> = (1..=12).collect();
        let tally = tally::create(&store, &numbers).await?;
        let (one, first) = create(&store, "one").await?;
        let (two, second) = create(&store, "two").await?;
        let fussy = each(
            async move |event: RecordedEvent| {
                if event.aggregate_id() == one { Err("not to my taste") } else { Ok(()) }
            },
        );
        let watch = store.subscription("watch").partitions(2).on_failure(FailurePolicy::park());
        let worker = watch.spawn(fussy)?;
        idle(&store, "watch", &worker).await?;
        worker.shutdown().await?;
        let (counters, commits) = ([one, two], [first, second]);
        let scene = Self { tally, counters, commits, engine, store, database };
        scene.assert_found(&[]).await?;
        Ok(scene)
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// Changes something behind the store's back.
    pub(super) async fn spoil(&self, sql: &str) -> Result<(), BoxError> {
        self.database.execute(sql).await
    }

    /// Asserts that exactly this is found, in pages of any size.
    pub(super) async fn assert_found(&self, expected: &[Finding]) -> Result<()> {
        for page_size in PAGE_SIZES {
            let report = self.store.verify().page_size(page_size).run().await?;
            assert_eq!(report.findings(), expected, "in pages of {page_size}: {report}");
        }
        Ok(())
    }

    /// All that is found.
    pub(super) async fn findings(&self) -> Result<Vec<Finding>> {
        Ok(self.store.verify().run().await?.findings().to_vec())
    }

    /// The only thing that is found.
    pub(super) async fn finding(&self) -> Result<Finding> {
        let findings = self.findings().await?;
        let [finding] = &*findings else { panic!("one finding, not {findings:?}") };
        Ok(finding.clone())
    }

    /// Asserts that an event of the tally is damaged, and nothing else is.
    pub(super) async fn assert_event_damaged(&self, sequence: i64) -> Result<(), BoxError> {
        match self.finding().await? {
            Finding::EventDamaged { event, .. } if event == self.counted_at(sequence) => Ok(()),
            other => {
                panic!("the event {sequence} of the tally is damaged, and this was found: {other}")
            }
        }
    }

    /// Another tally, chained, of six events in as many commits, at positions 15 to 20. It has a snapshot of five.
    pub(super) async fn chain(&self) -> Result<AggregateAt> {
        let builder = EventStore::builder().registry(registry()).chain_events();
        let store = builder.open_shared(Arc::clone(&self.engine)).await?;
        let id = tally::create(&store, &[1]).await?;
        for number in 2..=6 {
            tally::count(&store, id, &[number]).await?;
        }
        self.assert_found(&[]).await?;
        Ok(AggregateAt { aggregate_type: Some(Tally::NAME.to_owned()), id: id.get() })
    }

    pub(super) fn verify(&self) -> Verify<'static> {
        self.store.verify()
    }

    /// The digest of what is chained.
    pub(super) async fn digest(&self) -> Result<LogDigest> {
        Ok(self.verify().run().await?.digest().expect("something is chained"))
    }

    pub(super) fn tally_at(&self) -> AggregateAt {
        AggregateAt { aggregate_type: Some(Tally::NAME.to_owned()), id: self.tally.get() }
    }

    /// An event of the tally: its sequences are its positions.
    pub(super) fn counted_at(&self, sequence: i64) -> EventAt {
        EventAt { aggregate: self.tally_at(), sequence, position: sequence }
    }

    pub(super) fn counter_at(&self, index: usize) -> AggregateAt {
        let id = self.counters[index].get();
        AggregateAt { aggregate_type: Some(Counter::NAME.to_owned()), id }
    }

    /// The event of a counter.
    pub(super) fn added_at(&self, index: usize) -> EventAt {
        let position = if index == 0 { 13 } else { 14 };
        EventAt { aggregate: self.counter_at(index), sequence: 1, position }
    }

    /// The partition of `watch` that an aggregate belongs to.
    pub(super) fn partition_of(&self, id: AggregateId) -> i64 {
        id.get() % 2
    }
}

async fn create(store: &EventStore, key: &str) -> Result<(AggregateId, CommitId)> {
    let created = store.with_context_committed(async |ctx| {
        let mut counter = ctx.create_with_key::<Counter>(key).await?;
        ctx.apply(&mut counter, Added { by: 1 })?;
        Ok::<_, Error>(counter.id())
    });
    let (id, landed) = created.await?;
    Ok((id, landed.commit().expect("it has written")))
}
