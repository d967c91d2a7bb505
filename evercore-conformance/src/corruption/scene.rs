//! A small store to be corrupted.

use std::sync::Arc;

use evercore::boundary::{Tag, Tags};
use evercore::engine::{Capability, Precondition, StorageEngine};
use evercore::verify::{AggregateAt, EventAt, Finding, LogDigest, Verify};
use evercore::{
    Aggregate, AggregateId, BoxError, CommitId, Error, EventStore, FailurePolicy, RecordedEvent,
    Result, each,
};

use super::{Dialect, SpoiltDatabase};
use crate::domain::counter::{Added, Counter};
use crate::domain::registry;
use crate::domain::tally::{self, Tally};
use crate::journal::idle;
use crate::raw;

/// The page sizes of the verification: one event, a few, all.
const PAGE_SIZES: [u32; 3] = [1, 4, 1_000];

/// A store with a tally of twelve events at positions 1 to 12 and a snapshot of the first ten, followed by two counters
/// of one event each with the keys `one` and `two`. The subscription `watch` has two partitions and has parked the
/// event of the first counter.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) tally: AggregateId,
    pub(super) counters: [AggregateId; 2],
    /// The commits that created the counters.
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

    /// Changes the database behind the store's back.
    pub(super) async fn spoil(&self, sql: &str) -> Result<(), BoxError> {
        self.database.execute(sql).await
    }

    /// Asserts that the findings are exactly these, with each page size.
    pub(super) async fn assert_found(&self, expected: &[Finding]) -> Result<()> {
        for page_size in PAGE_SIZES {
            let report = self.store.verify().page_size(page_size).run().await?;
            assert_eq!(report.findings(), expected, "in pages of {page_size}: {report}");
        }
        Ok(())
    }

    /// Returns all findings.
    pub(super) async fn findings(&self) -> Result<Vec<Finding>> {
        Ok(self.store.verify().run().await?.findings().to_vec())
    }

    /// Returns the only finding.
    pub(super) async fn finding(&self) -> Result<Finding> {
        let findings = self.findings().await?;
        let [finding] = &*findings else { panic!("one finding, not {findings:?}") };
        Ok(finding.clone())
    }

    /// Asserts that one event of the tally is damaged and that nothing else is found.
    pub(super) async fn assert_event_damaged(&self, sequence: i64) -> Result<(), BoxError> {
        match self.finding().await? {
            Finding::EventDamaged { event, .. } if event == self.counted_at(sequence) => Ok(()),
            other => {
                panic!("the event {sequence} of the tally is damaged, and this was found: {other}")
            }
        }
    }

    /// Adds a tally of six chained events in six commits, at positions 15 to 20, and a snapshot of the first five.
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

    /// Adds an event to the second counter, at position 15, with two tags. Returns the event and the numbers of its tags;
    /// `None` if the engine has no tags, or an index that is not made of rows.
    pub(super) async fn tag(&self) -> Result<Option<(EventAt, [i64; 2])>> {
        if !self.engine.capabilities().has(Capability::Tags) {
            return Ok(None);
        }
        let id = self.counters[1];
        let tags = [Tag::new("course", 42)?, Tag::new("student", 7)?];
        let numbers = [tags[0].index(), tags[1].index()];
        let mut event = raw::new_event(id, 2, &Added { by: 1 });
        event.tags = Tags::new(tags)?;
        let write = raw::write::<Counter>(id, Precondition::Exists);
        self.engine.commit(raw::commit(vec![write], vec![event])).await?;
        self.assert_found(&[]).await?;
        if self.engine.inspection().tag_index(None, 1).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some((EventAt { aggregate: self.counter_at(1), sequence: 2, position: 15 }, numbers)))
    }

    pub(super) fn verify(&self) -> Verify<'static> {
        self.store.verify()
    }

    /// Returns the digest of the chained events.
    pub(super) async fn digest(&self) -> Result<LogDigest> {
        Ok(self.verify().run().await?.digest().expect("something is chained"))
    }

    pub(super) fn tally_at(&self) -> AggregateAt {
        AggregateAt { aggregate_type: Some(Tally::NAME.to_owned()), id: self.tally.get() }
    }

    /// Returns the place of an event of the tally, whose sequences equal its positions.
    pub(super) fn counted_at(&self, sequence: i64) -> EventAt {
        EventAt { aggregate: self.tally_at(), sequence, position: sequence }
    }

    pub(super) fn counter_at(&self, index: usize) -> AggregateAt {
        let id = self.counters[index].get();
        AggregateAt { aggregate_type: Some(Counter::NAME.to_owned()), id }
    }

    /// Returns the place of a counter's event.
    pub(super) fn added_at(&self, index: usize) -> EventAt {
        let position = if index == 0 { 13 } else { 14 };
        EventAt { aggregate: self.counter_at(index), sequence: 1, position }
    }

    /// Returns the partition of `watch` that an aggregate belongs to.
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
    Ok((id, landed.expect("it has written").id))
}
