//! The log lines of workers of queues, and of operators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use evercore::engine::{Commit, Forward, StorageEngine};
use evercore::task::{Claimed, Handlers, Task, TaskError};
use evercore::{Committed, EventStore, HandlerRetry, ManualClock, Result, task};
use evercore_memory::MemoryEngine;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use crate::ROOT;
use crate::lines::Lines;

#[task(queue = "mail", name = "send-mail")]
struct SendMail {
    to: String,
}

async fn store() -> Result<EventStore> {
    EventStore::builder().open(MemoryEngine::new()).await
}

async fn enqueue(store: &EventStore) -> Result<evercore::task::TaskId> {
    store.enqueue(SendMail { to: "ada@example.com".to_owned() }).await
}

/// Fails with an error that has a cause.
fn failing() -> Handlers {
    Handlers::new().on(async |_: Claimed<SendMail>| -> Result<(), TaskError> {
        let root = std::io::Error::other(ROOT);
        Err(evercore::Error::storage("send a mail", root).into())
    })
}

fn twice() -> HandlerRetry {
    HandlerRetry::default().attempts(2).base(Duration::ZERO).longest(Duration::ZERO)
}

#[tokio::test]
async fn a_task_that_fails_and_dies_is_logged_with_its_cause() -> Result<()> {
    let store = store().await?;
    let (lines, _guard) = Lines::watch();
    let id = enqueue(&store).await?.to_string();
    let worked = store.queue("mail").retry(twice()).run_due(failing()).await?;
    assert_eq!((worked.failed, worked.dead), (1, 1));
    let again = lines.one(Level::WARN, "a task has failed; it is given again");
    let dead = lines.one(Level::WARN, "a task has failed for good");
    for (line, attempt) in [(again, "attempt=1"), (dead, "attempt=2")] {
        for part in ["queue=mail", &*id, "task_type=send-mail", attempt, ROOT] {
            assert!(line.contains(part), "{part} is missing: {line}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_task_that_is_cancelled_while_it_is_done_is_logged() -> Result<()> {
    let store = store().await?;
    let (lines, _guard) = Lines::watch();
    let mail = SendMail { to: "ada@example.com".to_owned() };
    let id = store.enqueue(Task::new(mail).key("k")).await?.to_string();
    let cancelling = {
        let store = store.clone();
        Handlers::new().on(async move |_: Claimed<SendMail>| {
            store.with_context(async |ctx| ctx.cancel::<SendMail>("k")).await
        })
    };
    let worked = store.queue("mail").run_due(cancelling).await?;
    assert_eq!(worked.lost, 1);
    let lost = lines.one(Level::INFO, "the outcome of a task was refused");
    assert!(lost.contains("queue=mail") && lost.contains(&id), "{lost}");
    Ok(())
}

#[tokio::test]
async fn a_worker_that_ends_is_logged() -> Result<()> {
    let store = store().await?;
    let (lines, _guard) = Lines::watch();
    let stop = CancellationToken::new();
    stop.cancel();
    store.queue("mail").owner("w1").stop_on(stop).run(failing()).await?;
    let stopped = lines.one(Level::INFO, "a worker of a queue was stopped");
    assert!(stopped.contains("queue=mail") && stopped.contains("owner=w1"), "{stopped}");
    store.close().await?;
    store.queue("mail").run(failing()).await.expect_err("the store is closed");
    let ended = lines.one(Level::WARN, "a worker of a queue has ended");
    assert!(ended.contains("queue=mail") && ended.contains("closed"), "{ended}");
    Ok(())
}

#[tokio::test]
async fn what_an_operator_does_to_a_queue_is_logged() -> Result<()> {
    let store = store().await?;
    let (lines, _guard) = Lines::watch();
    let queues = store.queues();
    queues.pause("mail").await?;
    queues.pause("mail").await?;
    queues.resume("mail").await?;
    for what in ["a queue was paused", "a queue was resumed"] {
        let line = lines.one(Level::INFO, what);
        assert!(line.contains("queue=mail"), "{line}");
    }
    let id = enqueue(&store).await?;
    queues.retry("mail", id).await?;
    queues.discard("mail", id, "it was sent by hand").await?;
    for what in ["tasks were made due again", "tasks were discarded"] {
        let line = lines.one(Level::INFO, what);
        assert!(line.contains("queue=mail") && line.contains("tasks=1"), "{line}");
    }
    assert!(lines.one(Level::INFO, "tasks were discarded").contains("reason=it was sent by hand"));
    Ok(())
}

/// Answers commits that complete work late.
#[derive(Debug)]
struct Late(MemoryEngine);

#[async_trait]
impl Forward for Late {
    fn engine(&self) -> &dyn StorageEngine {
        &self.0
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let completes = !commit.completes.is_empty();
        let committed = self.0.commit(commit).await;
        if completes {
            sleep(Duration::from_millis(90)).await;
        }
        committed
    }
}

/// Leases are renewed after a third of their time, here between the commit and its answer. Time advances only when all
/// tasks wait.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_completed_while_leases_are_renewed_is_not_called_lost() -> Result<()> {
    let clock = Arc::new(ManualClock::new(evercore::chrono::DateTime::UNIX_EPOCH));
    let store = EventStore::builder().open(Late(MemoryEngine::with_clock(clock))).await?;
    let (lines, _guard) = Lines::watch();
    enqueue(&store).await?;
    let handlers = Handlers::new().on(async |_: Claimed<SendMail>| -> Result<(), TaskError> {
        sleep(Duration::from_millis(950)).await;
        Ok(())
    });
    let worker = store.queue("mail").lease(Duration::from_secs(3)).spawn(handlers)?;
    store.queues().wait_until_idle("mail").await?;
    worker.shutdown().await?;
    let lost = lines.all(Level::WARN, "was lost");
    assert!(lost.is_empty(), "{lost:?}");
    Ok(())
}
