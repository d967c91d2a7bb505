//! Tasks, beyond what the conformance suite requires of engines.

use async_trait::async_trait;
use evercore::engine::{Forward, StorageEngine};
use evercore::task::{Claimed, Handlers, TaskError};
use evercore::{EventStore, Registry, Result, task};
use evercore_memory::MemoryEngine;
use tokio_util::sync::CancellationToken;

#[task(queue = "errands", name = "run-errand")]
struct Errand {}

/// Passes all calls on.
#[derive(Debug)]
struct Wrapper(MemoryEngine);

#[async_trait]
impl Forward for Wrapper {
    fn engine(&self) -> &dyn StorageEngine {
        &self.0
    }
}

fn doing(stop: CancellationToken) -> Handlers {
    Handlers::new().on(async move |_: Claimed<Errand>| -> Result<(), TaskError> {
        stop.cancel();
        Ok(())
    })
}

#[tokio::test]
async fn a_wrapper_has_the_tasks_of_its_engine() -> Result<()> {
    let store = EventStore::builder().open(Wrapper(MemoryEngine::new())).await?;
    store.enqueue(Errand {}).await?;
    let handlers = doing(CancellationToken::new());
    assert_eq!(store.queue("errands").run_due(handlers).await?.done, 1);
    Ok(())
}

#[tokio::test]
async fn a_worker_that_does_what_is_due_can_be_stopped() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    for _ in 0..3 {
        store.enqueue(Errand {}).await?;
    }
    let stop = CancellationToken::new();
    let queue = store.queue("errands").stop_on(stop.clone());
    assert_eq!(queue.run_due(doing(stop)).await?.done, 1);
    assert_eq!(store.queues().get("errands").await?.due, 2);
    Ok(())
}

#[tokio::test]
async fn a_type_of_tasks_is_registered_and_not_stored_as_one_of_events() -> Result<()> {
    let registry = Registry::linked()?;
    assert!(registry.events().any(|event| event.name() == "run-errand"));
    let engine = MemoryEngine::new();
    let store = EventStore::builder().open(engine.clone()).await?;
    store.warmup().await?;
    store.enqueue(Errand {}).await?;
    let stored = engine.aggregate_types().await?;
    assert!(!stored.iter().any(|name| name.starts_with("evercore")), "{stored:?}");
    assert!(store.verify().run().await?.is_clean());
    Ok(())
}
