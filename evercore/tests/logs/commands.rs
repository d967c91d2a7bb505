//! The log lines of commands that were sent.

use std::time::Duration;

use async_trait::async_trait;
use evercore::command::CommandId;
use evercore::engine::{CommandLogStorage, CommandsRequest, Forward, StorageEngine, StoredCommand};
use evercore::task::{Claimed, Handlers, Task, TaskError, TaskId};
use evercore::{Decide, Decision, Error, EventStore, Result, command};
use evercore_memory::MemoryEngine;
use tracing::Level;

use crate::lines::Lines;
use crate::{Mile, ROOT, Walked};

#[command(aggregate = Mile, target = new(), name = "walk")]
struct Walk {
    is_allowed: bool,
}

impl Decide<Walk> for Mile {
    type Error = &'static str;

    fn decide(mile: &mut Decision<'_, Self>, command: &Walk) -> Result<(), &'static str> {
        if !command.is_allowed {
            return Err("it rains");
        }
        mile.emit(Walked {});
        Ok(())
    }
}

/// Fails to remove outcomes.
#[derive(Debug)]
struct Keeping(MemoryEngine);

#[async_trait]
impl Forward for Keeping {
    fn engine(&self) -> &dyn StorageEngine {
        &self.0
    }

    fn command_log(&self) -> Option<&dyn CommandLogStorage> {
        Some(self)
    }
}

#[async_trait]
impl CommandLogStorage for Keeping {
    async fn find(&self, id: CommandId) -> Result<Option<StoredCommand>> {
        CommandLogStorage::find(&self.0, id).await
    }

    async fn list(&self, request: &CommandsRequest) -> Result<Vec<StoredCommand>> {
        CommandLogStorage::list(&self.0, request).await
    }

    async fn prune(&self, _: Duration, _: u32) -> Result<u64> {
        Err(Error::storage("remove outcomes", std::io::Error::other(ROOT)))
    }
}

#[tokio::test]
async fn a_rejection_is_no_warning() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let (lines, _guard) = Lines::watch();
    let id = store.send(Walk { is_allowed: false }).await?.to_string();
    store.send(Walk { is_allowed: true }).await?;
    store.queue("commands").run_due(Handlers::new().command::<Walk>()).await?;
    let line = lines.one(Level::INFO, "a command was rejected");
    for part in ["queue=commands", &*id, "command=walk", "it rains"] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    assert!(lines.all(Level::WARN, "").is_empty(), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_command_that_comes_back_is_logged() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let (lines, _guard) = Lines::watch();
    let walk = Task::new(Walk { is_allowed: true }).return_failed_to("not walked");
    let id = store.send(walk).await?.to_string();
    let broken = Handlers::new()
        .on(async |_: Claimed<Walk>| -> Result<(), TaskError> { Err(TaskError::permanent(ROOT)) });
    store.queue("commands").run_due(broken).await?;
    let line = lines.one(Level::INFO, "comes back to its sender");
    for part in ["queue=commands", &*id, "to=not walked"] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    assert!(lines.one(Level::WARN, "has failed for good").contains(ROOT), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_command_that_comes_back_as_it_is_discarded_is_logged() -> Result<()> {
    let store = EventStore::builder().open(MemoryEngine::new()).await?;
    let walk = || Task::new(Walk { is_allowed: true }).return_failed_to("not walked");
    let broken = Handlers::new()
        .on(async |_: Claimed<Walk>| -> Result<(), TaskError> { Err(TaskError::permanent(ROOT)) });
    let dead = store.send(walk()).await?;
    store.queue("commands").run_due(broken).await?;
    let waiting = store.send(walk().after(Duration::from_secs(3_600))).await?;
    let (lines, _guard) = Lines::watch();
    for id in [dead, waiting] {
        store.queues().discard("commands", TaskId::from_uuid(*id.as_uuid()), "no use").await?;
    }
    let line = lines.one(Level::INFO, "comes back to its sender");
    for part in ["queue=commands", &*waiting.to_string(), "to=not walked"] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    Ok(())
}

#[tokio::test]
async fn outcomes_that_cannot_be_removed_are_logged_with_the_cause() -> Result<()> {
    let store = EventStore::builder().open(Keeping(MemoryEngine::new())).await?;
    let (lines, _guard) = Lines::watch();
    let worked = store.queue("commands").run_due(Handlers::new().command::<Walk>()).await?;
    assert_eq!(worked.failed, 0);
    let line = lines.one(Level::WARN, "cannot remove old outcomes");
    assert!(line.contains(ROOT), "{line}");
    Ok(())
}
