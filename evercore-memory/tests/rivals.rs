//! The outcome of a write when competing writers are faster.

use std::future::Future;

use evercore::error::ConflictReason;
use evercore::{
    Aggregate, AggregateId, Apply, Error, EventMeta, EventStore, Expected, NaturalKey, Result,
    RetryPolicy, Sequence, Stream, event,
};
use evercore_memory::{CommitFault, MemoryEngine};

#[derive(Aggregate, Default)]
#[aggregate(name = "gauge")]
struct Gauge {
    sum: i64,
}

#[event(aggregate = Gauge, name = "raised")]
struct Raised {
    by: i64,
}

impl Apply<Raised> for Gauge {
    fn apply(&mut self, event: &Raised, _: &EventMeta) {
        self.sum += event.by;
    }
}

/// Whether events are chained by hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Plain,
    Chained,
}

async fn open(engine: &MemoryEngine, chain: Chain, attempts: u32) -> Result<EventStore> {
    let builder = EventStore::builder().retry(RetryPolicy::default().attempts(attempts));
    let builder = if chain == Chain::Chained { builder.chain_events() } else { builder };
    builder.open(engine.clone()).await
}

fn key(text: &str) -> Stream {
    Stream::Key(NaturalKey::new(text).expect("short"))
}

async fn append(store: &EventStore, stream: Stream, expected: Expected) -> Result<AggregateId> {
    Ok(store.append::<Gauge, _>(stream, expected, [Raised { by: 1 }]).await?.id)
}

/// Returns an unconditional append by a competing writer.
fn rival(store: &EventStore, stream: Stream) -> impl Future<Output = ()> + Send + 'static {
    let store = store.clone();
    async move {
        append(&store, stream, Expected::Any).await.expect("nothing is in its way");
    }
}

#[tokio::test]
async fn an_append_in_any_state_is_chained_to_what_another_wrote_meanwhile() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = open(&engine, Chain::Chained, 2).await?;
    let id = append(&store, key("a"), Expected::Any).await?;
    engine.faults().before_next_commit(rival(&store, Stream::Id(id)));
    append(&store, Stream::Id(id), Expected::Any).await?;
    assert_eq!(store.history(id, ..).await?.events.len(), 3);
    let report = store.verify().run().await?;
    assert!(report.is_clean() && report.digest().is_some(), "{report}");
    Ok(())
}

#[tokio::test]
async fn an_append_that_expects_a_sequence_is_refused_by_the_first_conflict() -> Result<()> {
    for chain in [Chain::Plain, Chain::Chained] {
        let engine = MemoryEngine::new();
        let store = open(&engine, chain, 10).await?;
        let id = append(&store, key("a"), Expected::Any).await?;
        engine.faults().next_commits(2, CommitFault::Conflict);
        let refused = append(&store, Stream::Id(id), Expected::Exactly(Sequence::FIRST)).await;
        assert!(matches!(refused, Err(Error::Conflict { .. })), "{chain:?}: {refused:?}");
        assert_eq!(engine.faults().remaining(), 1, "{chain:?}");
    }
    Ok(())
}

/// Without a chain nothing in the append depends on the state, so a retry would not help.
#[tokio::test]
async fn a_conflict_of_an_append_that_expects_nothing_is_the_engines_own() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = open(&engine, Chain::Plain, 10).await?;
    let id = append(&store, key("a"), Expected::Any).await?;
    engine.faults().next_commits(2, CommitFault::Conflict);
    let refused = append(&store, Stream::Id(id), Expected::Any).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(engine.faults().remaining(), 1);
    Ok(())
}

#[tokio::test]
async fn an_append_is_tried_as_often_as_any_write() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = open(&engine, Chain::Chained, 3).await?;
    let id = append(&store, key("a"), Expected::Any).await?;
    engine.faults().next_commits(5, CommitFault::Conflict);
    let refused = append(&store, Stream::Id(id), Expected::Any).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
    assert_eq!(engine.faults().remaining(), 2, "three attempts");
    Ok(())
}

#[tokio::test]
async fn an_append_to_a_key_taken_meanwhile_continues_on_its_new_holder() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = open(&engine, Chain::Plain, 2).await?;
    engine.faults().before_next_commit(rival(&store, key("a")));
    let id = append(&store, key("a"), Expected::Any).await?;
    assert_eq!(store.history(id, ..).await?.events.len(), 2, "the rival's and its own");

    let impatient = open(&engine, Chain::Plain, 1).await?;
    engine.faults().before_next_commit(rival(&store, key("b")));
    let refused = append(&impatient, key("b"), Expected::Any).await;
    assert!(
        matches!(refused, Err(Error::Conflict { reason: ConflictReason::Created, .. })),
        "one attempt is one attempt: {refused:?}"
    );
    Ok(())
}

/// A rerun would load the aggregate that has taken one key, and find the other key still taken.
#[tokio::test]
async fn a_taken_key_is_an_error_even_if_a_rerun_would_load_another_aggregate() -> Result<()> {
    let engine = MemoryEngine::new();
    let store = open(&engine, Chain::Plain, 10).await?;
    append(&store, key("taken"), Expected::NoStream).await?;
    let refused = store
        .with_context(async |ctx| {
            ctx.load_or_create::<Gauge>("free").await?;
            ctx.create_with_key::<Gauge>("taken").await.map(drop)
        })
        .await;
    assert!(matches!(&refused, Err(Error::KeyTaken { key, .. }) if key == "taken"), "{refused:?}");
    Ok(())
}
