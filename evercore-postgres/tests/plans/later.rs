//! Runs everything that the engine can do with tasks, and with the outcomes of commands.

use std::time::Duration;

use chrono::Utc;
use evercore::command::{CommandId, CommandQuery};
use evercore::engine::{
    ClaimRequest, CommandLogStorage, CommandOutcome, Commit, Completion, FailedAttempt,
    QueueControl, StorageEngine as _, StoredPlace, StoredTask, StoredTasks, TaskLease, TaskPlace,
    TaskReturn, TaskStorage, TasksRequest, WhichTasks,
};
use evercore::task::{Claimed, Handlers, IfKeyExists, QueueName, Task, TaskError, TaskId, Work};
use evercore::{AggregateId, CommitId, Context, Error, EventStore, Metadata, Result, task};
use evercore_postgres::PostgresEngine;

use crate::work::{Account, Deposited};

/// A queue with as many tasks as the log has events.
const MANY: &str = "many";

/// A queue with few tasks.
const FEW: &str = "few";

#[task(queue = "few", name = "errand")]
struct Errand {
    number: u32,
}

/// Completes a task together with the event of one aggregate.
struct Depositor;

impl Work<Errand> for Depositor {
    async fn work(&self, ctx: &mut Context, task: &Claimed<Errand>) -> Result<(), TaskError> {
        let mut account = ctx.create::<Account>().await?;
        Ok(ctx.apply(&mut account, Deposited { amount: task.number.into() })?)
    }
}

fn errand() -> Task<Errand> {
    Task::new(Errand { number: 1 })
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name).expect("a name")
}

async fn claim(engine: &PostgresEngine, name: &str, limit: u32) -> Result<Vec<StoredTask>> {
    let owner = "the owner".to_owned();
    let lease = Duration::from_secs(600);
    Ok(engine.claim(&ClaimRequest { queue: queue(name), owner, lease, limit }).await?.tasks)
}

fn lease_of(task: &StoredTask) -> TaskLease {
    match task.place {
        StoredPlace::Claimed { token, .. } => {
            TaskLease { queue: task.queue.clone(), id: task.id, token }
        }
        _ => panic!("a claimed task has a token: {task:?}"),
    }
}

/// Runs every statement of tasks.
pub(crate) async fn all(store: &EventStore, engine: &PostgresEngine) -> Result<()> {
    change(store).await?;
    store.enqueue(errand().to("written")).await?;
    store.queue("written").run_due(Handlers::new().work::<Errand>(Depositor)).await?;
    for (name, limit) in [(MANY, 256), (MANY, 1), (FEW, 256)] {
        work(engine, name, limit).await?;
    }
    read_the_log(store, engine).await?;
    operate(store, engine).await
}

/// Enqueues and cancels, in the way that commits without keys take and in that of others.
async fn change(store: &EventStore) -> Result<()> {
    for _ in 0..12 {
        store.enqueue(errand()).await?;
    }
    for key in ["key 7", "key 60", "a new one"] {
        for reaction in [IfKeyExists::Keep, IfKeyExists::Replace] {
            store.enqueue(errand().to(MANY).key(key).if_key_exists(reaction)).await?;
        }
        store.enqueue(errand().to(MANY).key(key)).await.expect_err("the key is taken");
        store.with_context(async |ctx| ctx.cancel_in(MANY, key)).await?;
    }
    Ok(())
}

fn returned() -> TaskReturn {
    let (metadata, metadata_column) = (Metadata::new(), None);
    TaskReturn { id: TaskId::generate(), queue: queue("returned"), metadata, metadata_column }
}

async fn work(engine: &PostgresEngine, name: &str, limit: u32) -> Result<()> {
    let claimed = claim(engine, name, limit).await?;
    let leases: Vec<_> = claimed.iter().map(lease_of).collect();
    let held = engine.renew(&leases, Duration::from_secs(600)).await?;
    assert!(held.iter().all(|is_held| *is_held));
    let mut leases = leases.into_iter();
    for retry_after in [Some(Duration::ZERO), None] {
        let Some(lease) = leases.next() else { return Ok(()) };
        let returns = retry_after.is_none().then(returned);
        engine
            .fail(&FailedAttempt { lease, failure: "no".to_owned(), retry_after, returns })
            .await?;
    }
    let complete: Vec<_> = leases.by_ref().take(3).map(Completion::Task).collect();
    let outcomes = claimed.iter().skip(2).take(3).map(outcome).collect();
    engine.commit(Commit { outcomes, ..completing(complete.clone()) }).await?;
    engine.commit(completing(complete)).await.expect_err("they are done");
    engine.release(&leases.collect::<Vec<_>>()).await
}

fn completing(completes: Vec<Completion>) -> Commit {
    Commit { completes, ..Commit::new(Utc::now()) }
}

fn outcome(task: &StoredTask) -> CommandOutcome {
    CommandOutcome {
        id: CommandId::from_uuid(*task.id.as_uuid()),
        command: "often".into(),
        aggregate_type: "account".into(),
        aggregate_id: AggregateId::new(7).ok(),
        rejection: None,
        principal: None,
        correlation_id: Some("correlation 7".into()),
        causation_id: None,
        sent_at: task.enqueued_at,
        took: Duration::ZERO,
    }
}

/// Lists outcomes by each index, looks for some, and removes some.
async fn read_the_log(store: &EventStore, engine: &PostgresEngine) -> Result<()> {
    let all = CommandQuery::new;
    let log = store.command_log();
    for query in [
        all(),
        all().landed(),
        all().rejected(),
        all().command("often"),
        all().command("seldom"),
        all().aggregate(AggregateId::new(7)?),
        all().correlation("correlation 7"),
        all().since(Utc::now()),
        all().until(Utc::now() - Duration::from_secs(60)),
    ] {
        let page = log.list(&query, 100).await?;
        let Some(last) = page.last() else { continue };
        log.list(&query.after(last), 100).await?;
        store.outcome(last.id).await?.expect("it is in the log");
    }
    store.outcome(CommandId::from_uuid(*CommitId::generate().as_uuid())).await?;
    assert_eq!(engine.prune(Duration::from_secs(60), 100).await?, 100);
    Ok(())
}

async fn operate(store: &EventStore, engine: &PostgresEngine) -> Result<()> {
    let queues = store.queues();
    queues.pause(FEW).await?;
    queues.resume(FEW).await?;
    queues.list().await?;
    for name in [MANY, FEW] {
        queues.get(name).await?;
        for which in [StoredTasks::Live, StoredTasks::Dead, StoredTasks::Discarded] {
            let request =
                TasksRequest { queue: queue(name), which, key: None, after: None, limit: 100 };
            let first = TaskStorage::tasks(engine, &request).await?;
            let place = |task: &StoredTask| {
                let StoredTask { priority, due, id, .. } = *task;
                TaskPlace { priority, due, id }
            };
            let after = first.last().map(place);
            TaskStorage::tasks(engine, &TasksRequest { after, ..request }).await?;
        }
    }
    let mut after = None;
    for _ in 0..2 {
        let which = WhichTasks::Dead { after, limit: 100 };
        let retried = engine.control(&queue(MANY), &QueueControl::Retry(which.clone())).await?;
        assert_eq!(retried.changed, 100);
        let discard = QueueControl::Discard { which, reason: "no use".to_owned(), returns: None };
        after = engine.control(&queue(MANY), &discard).await?.next;
        assert!(after.is_some());
    }
    queues.find(MANY, "key 1777").await?.expect("it waits");
    queues.find(MANY, "no such key").await?;

    let keyed = store.enqueue(errand().key("taken")).await?;
    for task in claim(engine, FEW, 256).await? {
        let lease = lease_of(&task);
        let (failure, returns) = ("no".to_owned(), None);
        engine.fail(&FailedAttempt { lease, failure, retry_after: None, returns }).await?;
    }
    let rival = store.enqueue(errand().key("taken")).await?;
    let taken = queues.retry(FEW, keyed).await;
    assert!(matches!(taken, Err(Error::TaskKeyTaken { .. })), "{taken:?}");
    queues.retry(FEW, rival).await?;
    queues.discard(FEW, rival, "no use").await?;
    queues.discard(FEW, keyed, "no use").await?;
    queues.retry_all(FEW).await?;
    queues.discard_all(FEW, "no use").await.map(drop)
}
