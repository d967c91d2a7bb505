//! P15 for commands: a command is sent if and only if its commit lands, and its events, its outcome and the completion of
//! its task are one commit.

use std::time::Duration;

use evercore::chrono::{DateTime, Utc};
use evercore::command::{CommandId, CommandLog, CommandQuery, LoggedCommand, Outcome};
use evercore::engine::{
    Capability, ClaimRequest, CommandLogStorage, CommandOutcome, Completion, Precondition,
    StoredPlace, StoredTask, TaskLease,
};
use evercore::task::{Claimed, Handlers, QueueName, Task, TaskError, TaskId, TaskInfo};
use evercore::{
    AggregateId, CommandError, Error, EventStore, HandlerRetry, Metadata, NaturalKey, Result,
    Sequence, Target, with_metadata,
};
use tokio::time::sleep;

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::orders::{AGGREGATE, Change, Increment, QUEUE, change, handlers};
use crate::fixture::Fixture;
use crate::raw;

/// A lease that a case waits for.
const SHORT: Duration = Duration::from_millis(60);

/// The time within which everything happens.
const PATIENCE: Duration = Duration::from_secs(60);

fn log(fixture: &Fixture) -> Result<&dyn CommandLogStorage> {
    fixture.needs(Capability::Tasks)?;
    fixture.needs(Capability::CommandLog)?;
    Ok(fixture.engine().command_log().expect("the engine has declared a command log"))
}

async fn claim(fixture: &Fixture, lease: Duration) -> Result<Option<StoredTask>> {
    let queue = QueueName::new(QUEUE)?;
    let request = ClaimRequest { queue, owner: "a case".to_owned(), lease, limit: 1 };
    let storage = fixture.engine().tasks().expect("the engine has declared tasks");
    Ok(storage.claim(&request).await?.tasks.pop())
}

fn lease_of(task: &StoredTask) -> TaskLease {
    match &task.place {
        StoredPlace::Claimed { token, .. } => {
            TaskLease { queue: task.queue.clone(), id: task.id, token: *token }
        }
        place => panic!("a claimed task is {place:?}"),
    }
}

async fn run(store: &EventStore) -> Result<usize> {
    let worked = store.queue(QUEUE).run_due(handlers()).await?;
    assert_eq!((worked.failed, worked.dead, worked.lost), (0, 0, 0), "{worked:?}");
    Ok(worked.done)
}

async fn logged(store: &EventStore, id: CommandId) -> Result<LoggedCommand> {
    Ok(store.command_log().find(id).await?.expect("it has ended"))
}

async fn rejection(store: &EventStore, id: CommandId) -> Result<String> {
    match store.outcome(id).await? {
        Some(Outcome::Rejected { reason }) => Ok(reason),
        outcome => panic!("a command that is to be rejected is {outcome:?}"),
    }
}

pub(crate) async fn a_command_is_sent_if_and_only_if_its_commit_lands(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let id = counter::create(store, 1).await?;
    let refused: Result<()> = store
        .with_context(async |ctx| {
            ctx.send(change(id, 1))?;
            Err(Error::Closed)
        })
        .await;
    assert_error!(refused, Error::Closed);
    let sent = std::sync::Mutex::new(None);
    let rival = fixture.rival();
    let conflict: Result<()> = store
        .with_context_once(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            *sent.lock().expect("no panic") = Some(ctx.send(change(id, 1))?);
            counter::add(&rival, id, 1).await
        })
        .await;
    assert_error!(conflict, Error::Conflict { .. });
    let never_sent = sent.into_inner().expect("no panic").expect("the closure has run");
    assert_eq!(store.outcome(never_sent).await?, None);
    assert_eq!(run(store).await?, 0);

    let sent = store
        .with_context(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            ctx.send(change(id, 10))
        })
        .await?;
    assert!(matches!(store.outcome(sent).await?, Some(Outcome::Waiting { .. })));
    assert_eq!(run(store).await?, 1);
    assert_eq!(counter::value(store, id).await?, 13);
    Ok(())
}

pub(crate) async fn a_command_lands_with_its_events_and_its_outcome(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 1).await?;
    let metadata = Metadata::new().correlation("c-1").causation("d-1").principal("ada");
    let id = with_metadata(metadata, store.send(change(counter, 5))).await?;
    assert_eq!(run(store).await?, 1);
    assert_eq!(run(store).await?, 0, "it is done once");
    let log = fixture.log().await?;
    let event = log.last().expect("it was written");
    let next = fixture.successor().await?;
    assert_eq!(counter::value(&next.store, counter).await?, 6);
    let ended = logged(&next.store, id).await?;
    assert_eq!((ended.id, &*ended.command, &*ended.aggregate_type), (id, "change", AGGREGATE));
    assert_eq!((ended.aggregate_id, ended.rejection.as_deref()), (Some(counter), None));
    assert_eq!(ended.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(ended.causation_id.as_deref(), Some("d-1"));
    assert_eq!(ended.principal.as_deref(), Some("ada"));
    assert!(ended.ended_at >= ended.sent_at, "{ended:?}");
    assert!(ended.took < PATIENCE, "{ended:?}");
    assert_eq!(ended.positions.iter().collect::<Vec<_>>(), [event.position()]);
    assert_eq!(event.metadata().causation_id(), Some(&*id.to_string()));
    assert_eq!(event.metadata().correlation_id(), Some("c-1"));
    let landed = Outcome::Landed { aggregate: Some(counter), positions: ended.positions };
    assert_eq!(next.store.outcome(id).await?, Some(landed));
    assert!(next.store.queues().waiting(QUEUE, None, 9).await?.is_empty());
    Ok(())
}

pub(crate) async fn a_rejected_command_is_done_and_recorded(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 1).await?;
    let id = store.send(change(counter, -2)).await?;
    let on_a_new_one = store.send(change(Target::key_or_new("k")?, -1)).await?;
    let before = fixture.log().await?.len();
    assert_eq!(run(store).await?, 2);
    assert_eq!(rejection(store, id).await?, "the counter would become negative");
    let ended = logged(store, id).await?;
    assert_eq!((ended.aggregate_id, ended.positions.len()), (Some(counter), 0));
    // The correlation id of the events that it would have had.
    assert_eq!(ended.correlation_id.as_deref(), Some(&*id.to_string()));
    assert_eq!(logged(store, on_a_new_one).await?.aggregate_id, None);
    assert_eq!(counter::find_by_key(store, "k").await?, None);
    assert_eq!(fixture.log().await?.len(), before, "nothing was written");
    let queue = store.queues().get(QUEUE).await?;
    assert_eq!((queue.due, queue.scheduled, queue.running, queue.dead), (0, 0, 0, 0));
    Ok(())
}

pub(crate) async fn a_command_without_a_target_is_rejected(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    counter::create_with_key(store, "taken", 1).await?;
    let by_key = store.send(change(NaturalKey::new("nobody")?, 1)).await?;
    let by_id = store.send(change(AggregateId::new(i64::from(i32::MAX))?, 1)).await?;
    let taken = store.send(change(Target::new_with_key("taken")?, 1)).await?;
    assert_eq!(run(store).await?, 3);
    assert!(rejection(store, by_key).await?.contains("nobody"));
    assert!(rejection(store, by_id).await?.contains(&i32::MAX.to_string()));
    assert!(rejection(store, taken).await?.contains("taken"));
    Ok(())
}

pub(crate) async fn a_command_that_changes_nothing_lands(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 1).await?;
    let on_one = store.send(change(counter, 0)).await?;
    let on_none = store.send(change(Target::New, 0)).await?;
    let creating = store.send(change(Target::New, 7)).await?;
    assert_eq!(run(store).await?, 3);
    let landed = |outcome: Option<Outcome>| match outcome {
        Some(Outcome::Landed { aggregate, positions }) => (aggregate, positions.len()),
        outcome => panic!("a command that is to land is {outcome:?}"),
    };
    assert_eq!(landed(store.outcome(on_one).await?), (Some(counter), 0));
    assert_eq!(landed(store.outcome(on_none).await?), (None, 0));
    let (created, events) = landed(store.outcome(creating).await?);
    assert_eq!(events, 1);
    assert_eq!(counter::value(store, created.expect("it was created")).await?, 7);
    Ok(())
}

fn outcome_of(task: &StoredTask, counter: AggregateId) -> CommandOutcome {
    CommandOutcome {
        id: CommandId::from_uuid(*task.id.as_uuid()),
        command: task.task_type.clone(),
        aggregate_type: AGGREGATE.into(),
        aggregate_id: Some(counter),
        rejection: None,
        principal: None,
        correlation_id: None,
        causation_id: None,
        sent_at: task.enqueued_at,
        took: Duration::from_micros(17),
    }
}

/// Two workers have one command: the lease of the first has ended, and its commit is refused as a whole.
pub(crate) async fn a_worker_without_a_lease_lands_neither_events_nor_an_outcome(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let storage = log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let id = store.send(change(counter, 5)).await?;
    let first = claim(fixture, SHORT).await?.expect("it is due");
    let second = loop {
        match claim(fixture, PATIENCE).await? {
            Some(task) => break task,
            None => sleep(Duration::from_millis(5)).await,
        }
    };
    assert_eq!(store.outcome(id).await?, Some(Outcome::Running { by: "a case".to_owned() }));
    let before = fixture.log().await?.len();
    let commit = async |task: &StoredTask, with_events: bool| {
        let precondition = Precondition::At(Sequence::FIRST);
        let event = raw::new_event(counter, 2, &Added { by: 5 });
        let (writes, events) = match with_events {
            true => (vec![raw::write::<Counter>(counter, precondition)], vec![event]),
            false => (Vec::new(), Vec::new()),
        };
        let mut commit = raw::commit(writes, events);
        commit.completes = vec![Completion::Task(lease_of(task))];
        commit.outcomes = vec![outcome_of(task, counter)];
        fixture.engine().commit(commit).await
    };
    assert_error!(commit(&first, true).await, Error::TaskLeaseLost { .. });
    assert_error!(commit(&first, false).await, Error::TaskLeaseLost { .. });
    assert_eq!(fixture.log().await?.len(), before, "no event was stored");
    assert_eq!(storage.find(id).await?, None, "no outcome was stored");
    let landed = commit(&second, true).await?;
    let stored = storage.find(id).await?.expect("it has ended");
    assert_eq!((&stored.outcome, &stored.committed), (&outcome_of(&second, counter), &landed));
    assert_eq!(counter::value(store, counter).await?, 5);
    Ok(())
}

pub(crate) async fn a_command_waits_for_its_time(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let wait = Duration::from_millis(80);
    let began = std::time::Instant::now();
    let id = store.send(Task::new(change(counter, 1)).after(wait)).await?;
    assert_eq!(run(store).await?, 0);
    let Some(Outcome::Waiting { due }) = store.outcome(id).await? else {
        panic!("a scheduled command waits")
    };
    let worker = store.queue(QUEUE).spawn(handlers())?;
    let outcome = store.wait_for_outcome(id, PATIENCE).await?;
    assert!(matches!(outcome, Outcome::Landed { .. }), "{outcome:?}");
    assert!(began.elapsed() >= wait);
    assert!(logged(store, id).await?.ended_at >= due);
    worker.shutdown().await
}

pub(crate) async fn the_wait_for_an_outcome_ends_in_time(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let id = store.send(change(counter, 1)).await?;
    let waited = store.wait_for_outcome(id, SHORT).await;
    assert_error!(waited, Error::OutcomeTimedOut { id: of, limit: SHORT } if of == id);
    let unknown = CommandId::from_uuid(*evercore::CommitId::generate().as_uuid());
    let waited = store.wait_for_outcome(unknown, PATIENCE).await;
    assert_error!(waited, Error::UnknownCommand { id } if id == unknown);
    // A worker of another store does it.
    let neighbour = fixture.neighbour().await?;
    let worker = neighbour.queue(QUEUE).spawn(handlers())?;
    let outcome = store.wait_for_outcome(id, PATIENCE).await?;
    assert!(matches!(outcome, Outcome::Landed { .. }), "{outcome:?}");
    worker.shutdown().await
}

pub(crate) async fn the_outcome_of_a_command_that_is_not_done(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let cancelled = store.send(Task::new(change(counter, 1)).key("k")).await?;
    store.with_context(async |ctx| ctx.cancel_in(QUEUE, "k")).await?;
    assert_eq!(store.outcome(cancelled).await?, None);
    let waited = store.wait_for_outcome(cancelled, PATIENCE).await;
    assert_error!(waited, Error::UnknownCommand { id } if id == cancelled);

    let dead = store.send(change(counter, 2)).await?;
    // This worker has no handler for the command.
    let others = evercore::task::Handlers::new().command::<Increment>();
    let once = HandlerRetry::default().attempts(1);
    let worked = store.queue(QUEUE).retry(once).run_due(others).await?;
    assert_eq!((worked.done, worked.dead), (0, 1));
    match store.wait_for_outcome(dead, PATIENCE).await? {
        Outcome::Dead { failure, .. } => assert!(failure.contains("no handler"), "{failure}"),
        outcome => panic!("a command that has failed is {outcome:?}"),
    }
    store.queues().retry(QUEUE, TaskId::from(dead)).await?;
    assert!(matches!(store.outcome(dead).await?, Some(Outcome::Waiting { .. })));
    store.queues().discard(QUEUE, TaskId::from(dead), "no use").await?;
    match store.outcome(dead).await? {
        Some(Outcome::Discarded { reason, .. }) => assert_eq!(reason, "no use"),
        outcome => panic!("a command that was discarded is {outcome:?}"),
    }
    assert_eq!(counter::value(store, counter).await?, 0);
    Ok(())
}

pub(crate) async fn every_command_of_a_crowd_lands_once(fixture: &Fixture) -> Result<()> {
    const COMMANDS: i64 = 60;
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let mut sent = Vec::new();
    for _ in 0..COMMANDS {
        sent.push(store.send(Increment { counter: counter.into() }).await?);
    }
    let neighbour = fixture.neighbour().await?;
    let workers =
        [store, &neighbour].map(|store| store.queue(QUEUE).concurrency(4).spawn(handlers()));
    for id in sent {
        let outcome = store.wait_for_outcome(id, PATIENCE).await?;
        let Outcome::Landed { positions, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(positions.len(), 1);
    }
    for worker in workers {
        worker?.shutdown().await?;
    }
    assert_eq!(counter::value(store, counter).await?, COMMANDS);
    Ok(())
}

/// Has commands done, and returns their ids, the newest first.
async fn history(store: &EventStore, counters: [AggregateId; 2]) -> Result<Vec<CommandId>> {
    let mut ids = Vec::new();
    for (n, counter) in (0..8).zip(counters.into_iter().cycle()) {
        let correlation = Metadata::new().correlation(if n < 4 { "first" } else { "second" });
        let id = match n {
            2 | 3 => {
                with_metadata(correlation, store.send(Increment { counter: counter.into() }))
                    .await?
            }
            6 | 7 => with_metadata(correlation, store.send(change(counter, -9))).await?,
            _ => with_metadata(correlation, store.send(change(counter, 1))).await?,
        };
        run(store).await?;
        ids.push(id);
        // So that no two end at the same time.
        sleep(Duration::from_millis(2)).await;
    }
    ids.reverse();
    Ok(ids)
}

pub(crate) async fn the_command_log_is_listed_page_by_page(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let (a, b) = (counter::create(store, 0).await?, counter::create(store, 0).await?);
    let ids = history(store, [a, b]).await?;
    let listed = async |query: CommandQuery| {
        let mut found = Vec::new();
        let mut page = store.command_log().list(&query, 2).await?;
        while let Some(last) = page.last() {
            let rest = query.clone().after(last);
            assert!(page.len() <= 2, "{page:?}");
            found.extend(page.iter().map(|command| command.id));
            page = store.command_log().list(&rest, 2).await?;
        }
        Ok::<_, Error>(found)
    };
    let those = |places: &[usize]| places.iter().map(|place| ids[*place]).collect::<Vec<_>>();
    let all = CommandQuery::new;
    assert_eq!(listed(all()).await?, ids);
    assert_eq!(listed(all().correlation("first")).await?, ids[4..]);
    assert_eq!(listed(all().correlation("first").aggregate(a)).await?, those(&[5, 7]));
    assert_eq!(listed(all().aggregate(b)).await?, those(&[0, 2, 4, 6]));
    assert_eq!(listed(all().command("increment")).await?, those(&[4, 5]));
    assert_eq!(listed(all().command("change").landed()).await?, those(&[2, 3, 6, 7]));
    assert_eq!(listed(all().rejected()).await?, ids[..2]);
    assert_eq!(listed(all().rejected().aggregate(a)).await?, ids[1..2]);
    assert_eq!(listed(all().rejected().command("increment")).await?, []);
    let (second, last) = (logged(store, ids[6]).await?, logged(store, ids[0]).await?);
    assert_eq!(listed(all().until(last.ended_at).since(second.ended_at)).await?, ids[1..7]);
    assert_eq!(listed(all().correlation("nobody")).await?, []);
    assert_eq!(listed(all().since(DateTime::<Utc>::MAX_UTC)).await?, []);
    Ok(())
}

pub(crate) async fn old_outcomes_are_removed(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let storage = log(fixture)?;
    let (a, b) = (counter::create(store, 0).await?, counter::create(store, 0).await?);
    let ids = history(store, [a, b]).await?;
    let left =
        async || Ok::<_, Error>(store.command_log().list(&CommandQuery::new(), 9).await?.len());
    assert_eq!(store.command_log().prune(PATIENCE * 60).await?, 0);
    assert_eq!(store.command_log().prune(Duration::MAX).await?, 0);
    assert_eq!(left().await?, 8);
    sleep(Duration::from_millis(2)).await;
    assert_eq!(storage.prune(Duration::ZERO, 3).await?, 3, "the oldest ones");
    assert_eq!(left().await?, 5);
    assert_eq!(store.outcome(ids[7]).await?, None);
    assert!(store.outcome(ids[4]).await?.is_some());

    // A worker of a store that keeps outcomes for a short time only.
    let builder = fixture.builder().command_log(CommandLog::keep(Duration::from_millis(1)));
    let forgetful = fixture.store_with(builder).await?;
    assert_eq!(run(&forgetful).await?, 0);
    assert_eq!(left().await?, 0);
    assert_eq!(counter::value(store, a).await?, 3, "the events stay");
    Ok(())
}

/// The queue to which commands come back.
const FAILED: &str = "failed";

/// Returns handlers that fail for good.
fn broken() -> Handlers {
    Handlers::new().on(async |_: Claimed<Change>| -> Result<(), TaskError> {
        Err(TaskError::permanent("it is broken"))
    })
}

async fn die(store: &EventStore) -> Result<()> {
    assert_eq!(store.queue(QUEUE).run_due(broken()).await?.dead, 1);
    Ok(())
}

async fn returned(store: &EventStore) -> Result<Vec<TaskInfo>> {
    store.queues().waiting(FAILED, None, 9).await
}

fn reason(task: &TaskInfo) -> &str {
    task.metadata.get("evercore.failure").and_then(|why| why.as_str()).unwrap_or_default()
}

fn task_of(command: CommandId) -> TaskId {
    TaskId::from_uuid(*command.as_uuid())
}

pub(crate) async fn a_command_that_dies_comes_back_to_its_sender(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let request = Metadata::new().correlation("request-17").principal("ada");
    let command = Task::new(change(counter, 1)).return_failed_to(FAILED);
    let id = with_metadata(request, store.send(command)).await?;
    die(store).await?;
    let back = returned(store).await?.remove(0);
    assert_eq!(reason(&back), "it is broken");
    assert_eq!(back.metadata.get("evercore.failed_to"), None);
    assert_eq!(back.metadata.correlation_id(), Some("request-17"));
    assert_eq!(back.metadata.causation_id(), Some(&*id.to_string()));
    assert_eq!(back.metadata.principal_id(), Some("ada"));
    let sender = Handlers::new().on(async move |back: Claimed<Change>| -> Result<(), TaskError> {
        assert_eq!(*back, change(counter, 1));
        assert_eq!((back.failure(), back.rejection()), (Some("it is broken"), None));
        Ok(())
    });
    assert_eq!(store.queue(FAILED).run_due(sender.clone()).await?.done, 1);

    let queues = store.queues();
    queues.retry(QUEUE, task_of(id)).await?;
    die(store).await?;
    assert_eq!(store.queue(FAILED).run_due(sender).await?.done, 1, "it has died again");
    queues.discard(QUEUE, task_of(id), "no use").await?;
    assert_eq!(queues.get(FAILED).await?.due, 0, "its sender knows");
    Ok(())
}

pub(crate) async fn a_command_that_comes_back_may_be_done_later(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let id = store.send(Task::new(change(counter, 1)).return_failed_to(FAILED)).await?;
    die(store).await?;
    store.queues().retry(QUEUE, task_of(id)).await?;
    assert_eq!(run(store).await?, 1);
    assert_eq!(counter::value(store, counter).await?, 1);
    assert_eq!(returned(store).await?.len(), 1);
    Ok(())
}

pub(crate) async fn a_command_that_is_discarded_comes_back_to_its_sender(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    let command =
        |key: &str| Task::new(change(counter, 1)).after(PATIENCE).key(key).return_failed_to(FAILED);
    let id = store.send(command("a")).await?;
    store.send(command("b")).await?;
    store.queues().discard(QUEUE, task_of(id), "not wanted").await?;
    store.with_context(async |ctx| ctx.cancel::<Change>("b")).await?;
    let back = returned(store).await?;
    assert_eq!(back.len(), 1, "one that is cancelled does not come back: {back:?}");
    assert_eq!(reason(&back[0]), "it was discarded: not wanted");
    assert_eq!(back[0].metadata.causation_id(), Some(&*id.to_string()));
    Ok(())
}

pub(crate) async fn a_command_that_no_worker_can_read_comes_back(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    log(fixture)?;
    let counter = counter::create(store, 0).await?;
    store.send(Task::new(change(counter, 1)).return_failed_to(FAILED)).await?;
    let registry = evercore::Registry::builder().event::<Increment>().event::<Added>().build()?;
    let older = fixture.store_with(fixture.builder().registry(registry)).await?;
    let retry = HandlerRetry::default().attempts(1);
    let handlers = Handlers::new().command::<Increment>();
    assert_eq!(older.queue(QUEUE).retry(retry).run_due(handlers).await?.dead, 1);
    let back = returned(store).await?;
    assert!(reason(&back[0]).contains("link the crate"), "{back:?}");
    assert_eq!(&*back[0].task_type, "change");
    Ok(())
}

pub(crate) async fn a_command_is_dispatched_to_the_aggregate_that_it_names(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let created = store.dispatch(change(Target::key_or_new("k")?, 5)).await;
    let created = created.expect("it is not rejected");
    let again = store.dispatch(change(NaturalKey::new("k")?, 2)).await.expect("nor is this");
    assert_eq!((again.id(), again.state().value), (created.id(), 7));
    let rejected = store.dispatch(change(created.id(), -8)).await;
    assert!(matches!(rejected, Err(CommandError::Rejected(_))), "{rejected:?}");
    Ok(())
}
