//! The amounts that count towards the limits.

use evercore::engine::{LoadRequest, LoadTarget, Reader, StoredSnapshot};
use evercore::{
    Aggregate, AggregateId, Error, EventOptions, EventStore, Expected, Limits, Metadata,
    NaturalKey, Result, Stream, state_event,
};
use evercore_memory::MemoryEngine;
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Default, Serialize, Deserialize)]
#[aggregate(name = "page", snapshot_every = 1)]
struct Page {
    text: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    stamp: u32,
}

#[state_event(aggregate = Page, name = "stamped")]
struct Stamped {
    stamp: u32,
}

#[state_event(aggregate = Page, name = "written")]
#[derive(Clone)]
struct Written {
    text: String,
}

fn is_zero(stamp: &u32) -> bool {
    *stamp == 0
}

/// The number of bytes that JSON adds to a text, in the event as in the state: `{"text":""}`.
const FRAME_BYTES: usize = 11;

async fn store(engine: &MemoryEngine, limits: Limits) -> EventStore {
    EventStore::builder().limits(limits).open(engine.clone()).await.expect("memory opens")
}

/// Writes a page for each text, all in one context.
async fn write(
    store: &EventStore,
    texts: &[&str],
    options: &EventOptions,
) -> Result<Vec<AggregateId>> {
    store
        .with_context(async |ctx| {
            let mut ids = Vec::new();
            for &text in texts {
                let mut page = ctx.create::<Page>().await?;
                ctx.apply_with(&mut page, Written { text: text.to_owned() }, options.clone())?;
                ids.push(page.id());
            }
            Ok(ids)
        })
        .await
}

/// Returns the engine's snapshot of a page.
async fn snapshot(engine: &MemoryEngine, id: AggregateId) -> Option<StoredSnapshot> {
    let request = LoadRequest {
        aggregate_type: Page::NAME,
        target: LoadTarget::Id(id),
        snapshot: Page::SNAPSHOTS.map(|policy| policy.fingerprint()),
        up_to: None,
        limit: 10,
    };
    engine.load(request).await.expect("memory reads").expect("it was written").snapshot
}

#[tokio::test]
async fn metadata_and_references_count_towards_the_limit() {
    let engine = MemoryEngine::new();
    // `{"principal":"ada"}` is 19 bytes long.
    let said = "order-17".len() + "request-1".len() + "command-1".len() + 19;
    let event = FRAME_BYTES + "text".len() + said;
    let metadata = Metadata::new().correlation("request-1").causation("command-1").principal("ada");
    let options = EventOptions::new().reference("order-17").metadata(metadata);

    let fits = store(&engine, Limits::default().max_commit_bytes(2 * event)).await;
    write(&fits, &["text", "text"], &options).await.expect("two fit");

    let short = store(&engine, Limits::default().max_commit_bytes(2 * event - 1)).await;
    let refused = write(&short, &["text", "text"], &options).await;
    assert!(matches!(refused, Err(Error::CommitTooLarge { limit, .. }) if limit == 2 * event - 1));

    let drafts = ["text"; 2].map(|text| {
        evercore::EventDraft::<Page>::from(Written { text: text.to_owned() }).with(options.clone())
    });
    let stream = Stream::Key(NaturalKey::new("appended").expect("a key"));
    let refused = short.append(stream, Expected::Any, drafts).await;
    assert!(matches!(refused, Err(Error::CommitTooLarge { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_state_over_the_limit_is_left_without_a_snapshot() {
    let engine = MemoryEngine::new();
    let store = store(&engine, Limits::default().max_snapshot_bytes(20)).await;
    let (fits, too_long) = ("x".repeat(20 - FRAME_BYTES), "x".repeat(21 - FRAME_BYTES));
    let ids = write(&store, &[&fits, &too_long], &EventOptions::new()).await.expect("both land");
    let kept = snapshot(&engine, ids[0]).await.expect("it is at the limit");
    assert_eq!(kept.state.len(), 20);
    assert!(snapshot(&engine, ids[1]).await.is_none());

    let page = store.with_readonly_context(async |ctx| ctx.load::<Page>(ids[1]).await).await;
    assert_eq!(page.expect("it replays").state().text, too_long);
}

#[tokio::test]
async fn the_snapshots_of_a_commit_are_bounded_together() {
    let engine = MemoryEngine::new();
    let text = "x".repeat(100);
    let store = store(&engine, Limits::default().max_commit_bytes(2 * 100)).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.extend(write(&store, &[&text], &EventOptions::new()).await.expect("it lands"));
    }
    store
        .with_context(async |ctx| {
            for &id in &ids {
                let mut page = ctx.load::<Page>(id).await?;
                // The second snapshot replaces the first, so only one counts.
                ctx.apply(&mut page, Stamped { stamp: 1 })?;
                ctx.apply(&mut page, Stamped { stamp: 2 })?;
            }
            Ok::<_, Error>(())
        })
        .await
        .expect("it lands");
    let first = snapshot(&engine, ids[0]).await.expect("there is room for one");
    let second = snapshot(&engine, ids[1]).await.expect("it has the former one");
    assert_eq!((first.sequence.get(), second.sequence.get()), (3, 1));

    let page = store.with_readonly_context(async |ctx| ctx.load::<Page>(ids[1]).await).await;
    assert_eq!(page.expect("it replays").state().stamp, 2);
}
