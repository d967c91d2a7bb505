//! P15: a task exists if and only if its commit landed, is done by one worker at a time, together with what that worker
//! commits, is never dropped in silence, and never begins before its time.

use std::time::Duration;

use evercore::engine::{
    Capability, ClaimRequest, Completion, Controlled, FailedAttempt, Precondition, QueueControl,
    StoredPlace, StoredTask, StoredTasks, TaskClaim, TaskLease, TaskReturn, TaskStorage,
    TasksRequest, WhichTasks,
};
use evercore::task::{
    Claimed, Handlers, IfKeyExists, Priority, QueueName, Task, TaskError, TaskId, TaskInfo,
    TaskKey, TaskState,
};
use evercore::{
    Context, Error, EventStore, HandlerRetry, Limits, Metadata, Result, Sequence, with_metadata,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::assert::assert_error;
use crate::domain::counter::{self, Added, Counter};
use crate::domain::errands::{Add, Adder, Note, Notes, QUEUE, note, queue};
use crate::fixture::Fixture;
use crate::journal::until_true;
use crate::race::race_all;
use crate::raw;

/// A lease that no case outlives.
const LONG: Duration = Duration::from_secs(60);

/// A lease that a case waits for.
const SHORT: Duration = Duration::from_millis(60);

/// The time that is far away.
const LATER: Duration = Duration::from_secs(3_600);

fn tasks(fixture: &Fixture) -> Result<&dyn TaskStorage> {
    fixture.needs(Capability::Tasks)?;
    Ok(fixture.engine().tasks().expect("the engine has declared tasks"))
}

async fn claim_within(fixture: &Fixture, limit: u32, lease: Duration) -> Result<TaskClaim> {
    let request = ClaimRequest { queue: queue(), owner: "a case".to_owned(), lease, limit };
    tasks(fixture)?.claim(&request).await
}

async fn claim(fixture: &Fixture, limit: u32) -> Result<Vec<StoredTask>> {
    claim_within(fixture, limit, LONG).await.map(|claim| claim.tasks)
}

fn lease_of(task: &StoredTask) -> TaskLease {
    match &task.place {
        StoredPlace::Claimed { token, .. } => {
            TaskLease { queue: task.queue.clone(), id: task.id, token: *token }
        }
        place => panic!("a claimed task is {place:?}"),
    }
}

/// The queue to which tasks come back.
const RETURNED: &str = "returned";

fn returned() -> Result<TaskReturn> {
    let metadata = Metadata::new().correlation("c").causation("d").with("why", "it is dead");
    let metadata_column = metadata.to_column()?;
    let queue = QueueName::new(RETURNED)?;
    Ok(TaskReturn { id: TaskId::generate(), queue, metadata, metadata_column })
}

/// Returns the keys or the texts of notes, by which the cases tell them apart.
fn texts(tasks: &[StoredTask]) -> Vec<String> {
    let text = |task: &StoredTask| {
        let json = task.payload.to_json().expect("it can be read");
        json["text"].as_str().expect("it is a note").to_owned()
    };
    tasks.iter().map(text).collect()
}

/// A worker of notes that stops when it is dropped.
fn noting(notes: &Notes) -> Handlers {
    let notes = notes.clone();
    Handlers::new().on(async move |task: Claimed<Note>| -> Result<(), TaskError> {
        notes.add(&task.text);
        Ok(())
    })
}

fn fast() -> HandlerRetry {
    HandlerRetry::default().base(Duration::from_millis(2)).longest(Duration::from_millis(4))
}

pub(crate) async fn a_task_exists_if_and_only_if_its_commit_lands(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let id = counter::create(store, 1).await?;
    let refused: Result<()> = store
        .with_context(async |ctx| {
            ctx.enqueue(note("of a closure that fails"))?;
            Err(Error::Closed)
        })
        .await;
    assert_error!(refused, Error::Closed);
    let rival = fixture.rival();
    let conflict: Result<()> = store
        .with_context_once(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            ctx.enqueue(note("of a commit that is refused"))?;
            counter::add(&rival, id, 1).await
        })
        .await;
    assert_error!(conflict, Error::Conflict { .. });
    assert_eq!(store.queues().get(QUEUE).await?.due, 0);

    let both = store
        .with_context_committed(async |ctx| {
            let mut counter = ctx.load::<Counter>(id).await?;
            ctx.apply(&mut counter, Added { by: 1 })?;
            ctx.enqueue(note("with an event"))
        })
        .await?;
    assert!(both.1.is_some_and(|committed| committed.position().is_some()));
    let alone = store.with_context_committed(async |ctx| ctx.enqueue(note("alone"))).await?;
    assert!(alone.1.is_some(), "a context that only enqueues lands");
    assert_eq!(texts(&claim(fixture, 9).await?), ["with an event", "alone"]);
    Ok(())
}

pub(crate) async fn a_task_comes_back_as_it_was_enqueued(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let metadata = Metadata::new().correlation("c-1").causation("d-1").principal("ada");
    let body = note("é\u{0}漢字\n\"\\");
    let task =
        Task::new(body.clone()).key("a\nkey é").priority(Priority::Low).metadata(metadata.clone());
    let id = store.enqueue(task).await?;
    let next = fixture.successor().await?;
    let shown = next.store.queues().find(QUEUE, "a\nkey é").await?.expect("it is there");
    assert_eq!((shown.id, shown.attempts, shown.priority), (id, 0, Priority::Low));
    assert!(matches!(shown.state, TaskState::Waiting { due } if due >= shown.enqueued_at));
    let request =
        ClaimRequest { queue: queue(), owner: "a case".to_owned(), lease: LONG, limit: 1 };
    let storage = next.engine.tasks().expect("the engine has declared tasks");
    let mut claimed = storage.claim(&request).await?.tasks;
    let claimed = claimed.pop().expect("it is due");
    assert_eq!((claimed.id, claimed.attempts, claimed.version), (id, 1, 1));
    assert_eq!(claimed.metadata, metadata);
    assert_eq!(claimed.key.as_ref().map(TaskKey::as_str), Some("a\nkey é"));
    assert_eq!(texts(&[claimed]), [body.text]);
    Ok(())
}

pub(crate) async fn effects_and_completion_are_one_commit(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let id = counter::create(store, 0).await?;
    let task = store.enqueue(Add { counter: id, by: 5 }).await?;
    let worked = store.queue(QUEUE).run_due(Handlers::new().work::<Add>(Adder)).await?;
    assert_eq!((worked.done, worked.failed), (1, 0));
    assert_eq!(counter::value(store, id).await?, 5);
    let log = fixture.log().await?;
    let effect = log.last().expect("it was written");
    let cause = task.to_string();
    assert_eq!(effect.metadata().causation_id(), Some(&*cause));
    assert_eq!(effect.metadata().correlation_id(), Some(&*cause));
    let left = store.queues().get(QUEUE).await?;
    assert_eq!((left.due, left.scheduled, left.running, left.dead), (0, 0, 0, 0));
    Ok(())
}

/// Two workers have one task: the lease of the first has ended, and its commit is refused as a whole.
pub(crate) async fn the_commit_of_a_lost_lease_is_refused(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let id = counter::create(store, 0).await?;
    store.enqueue(Add { counter: id, by: 5 }).await?;
    let first = claim_within(fixture, 1, SHORT).await?.tasks;
    let second = until_claimed(fixture).await?;
    assert_eq!((first[0].id, second.attempts, second.is_abandoned), (second.id, 2, true));
    let engine = tasks(fixture)?;
    let (lost, held) = (lease_of(&first[0]), lease_of(&second));
    assert_eq!(engine.renew(&[lost.clone(), held.clone()], LONG).await?, [false, true]);
    let failed = FailedAttempt {
        lease: lost.clone(),
        failure: "late".into(),
        retry_after: None,
        returns: Some(returned()?),
    };
    assert_error!(engine.fail(&failed).await, Error::TaskLeaseLost { .. });
    assert_eq!(store.queues().get(RETURNED).await?.due, 0, "it is not dead");
    engine.release(std::slice::from_ref(&lost)).await?;

    let before = fixture.log().await?.len();
    let commit = async |lease: TaskLease, sequence: i64| {
        let precondition = Precondition::At(Sequence::new(sequence)?);
        let event = raw::new_event(id, sequence + 1, &Added { by: 5 });
        let mut commit = raw::commit(vec![raw::write::<Counter>(id, precondition)], vec![event]);
        commit.completes = vec![Completion::Task(lease)];
        fixture.engine().commit(commit).await
    };
    assert_error!(commit(lost, 1).await, Error::TaskLeaseLost { .. });
    assert_eq!(fixture.log().await?.len(), before, "nothing of it was stored");
    commit(held.clone(), 1).await?;
    assert_eq!(counter::value(store, id).await?, 5);
    assert_error!(commit(held, 2).await, Error::TaskLeaseLost { .. });
    assert_eq!(counter::value(store, id).await?, 5, "a task is completed once");
    Ok(())
}

async fn until_claimed(fixture: &Fixture) -> Result<StoredTask> {
    loop {
        if let Some(task) = claim(fixture, 1).await?.pop() {
            return Ok(task);
        }
        sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn a_task_does_not_begin_before_its_time(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let wait = Duration::from_millis(80);
    let began = std::time::Instant::now();
    store.enqueue(Task::new(note("soon")).after(wait)).await?;
    store.enqueue(Task::new(note("later")).after(LATER)).await?;
    let at = evercore::chrono::Utc::now() - evercore::chrono::TimeDelta::days(1);
    store.enqueue(Task::new(note("at a time that has passed")).at(at)).await?;
    let now = claim_within(fixture, 9, LONG).await?;
    assert_eq!(texts(&now.tasks), ["at a time that has passed"]);
    assert!(now.next_due.is_some_and(|next| next <= wait), "{:?}", now.next_due);
    let status = store.queues().get(QUEUE).await?;
    assert!(status.scheduled <= 2 && status.running == 1, "{status:?}");
    let soon = until_claimed(fixture).await?;
    assert!(began.elapsed() >= wait, "it was claimed after {:?}", began.elapsed());
    assert_eq!(texts(&[soon]), ["soon"]);
    Ok(())
}

pub(crate) async fn tasks_are_claimed_by_priority_and_then_by_time(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let all = [
        ("low 1", Priority::Low),
        ("normal 1", Priority::Normal),
        ("high 1", Priority::High),
        ("normal 2", Priority::Normal),
        ("high 2", Priority::High),
        ("low 2", Priority::Low),
    ];
    for (text, priority) in all {
        store.enqueue(Task::new(note(text)).priority(priority)).await?;
    }
    let mut claimed = Vec::new();
    for limit in [1, 2, 9] {
        claimed.extend(texts(&claim(fixture, limit).await?));
    }
    assert_eq!(claimed, ["high 1", "high 2", "normal 1", "normal 2", "low 1", "low 2"]);
    Ok(())
}

pub(crate) async fn a_key_belongs_to_one_task_of_a_queue(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let keyed = |text: &str| Task::new(note(text)).key("k");
    let first = store.enqueue(keyed("first")).await?;
    assert_error!(store.enqueue(keyed("second")).await, Error::TaskKeyTaken { .. });
    store.enqueue(keyed("elsewhere").to("another queue")).await?;
    store.enqueue(keyed("kept out").if_key_exists(IfKeyExists::Keep)).await?;
    let there = store.queues().find(QUEUE, "k").await?.map(|task| task.id);
    assert_eq!(there, Some(first));
    store.enqueue(keyed("third").replace()).await?;
    assert_eq!(texts(&claim(fixture, 9).await?), ["third"]);
    assert_error!(store.enqueue(keyed("fourth")).await, Error::TaskKeyTaken { .. });

    // A commit may free a key and take it again, but not take it twice.
    store
        .with_context(async |ctx| {
            ctx.cancel::<Note>("k")?;
            ctx.enqueue(keyed("fifth"))
        })
        .await?;
    let twice = store
        .with_context(async |ctx| {
            ctx.enqueue(Task::new(note("a")).key("twice"))?;
            ctx.enqueue(Task::new(note("b")).key("twice"))
        })
        .await;
    assert_error!(twice, Error::TaskKeyTaken { .. });
    assert_eq!(texts(&claim(fixture, 9).await?), ["fifth"]);
    Ok(())
}

pub(crate) async fn a_task_that_is_cancelled_or_replaced_cannot_be_completed(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let engine = tasks(fixture)?;
    let keyed = |text: &str| Task::new(note(text)).key(text.to_owned());
    for text in ["cancelled", "replaced"] {
        store.enqueue(keyed(text)).await?;
    }
    let leases: Vec<_> = claim(fixture, 9).await?.iter().map(lease_of).collect();
    store.with_context(async |ctx| ctx.cancel::<Note>("cancelled")).await?;
    store.enqueue(keyed("replaced").replace().after(LATER)).await?;
    assert_eq!(engine.renew(&leases, LONG).await?, [false, false]);
    for lease in leases {
        let completed = raw::complete(fixture.engine(), lease).await;
        assert_error!(completed, Error::TaskLeaseLost { .. });
    }
    // Cancelling a task that does not exist is nothing.
    store.with_context(async |ctx| ctx.cancel::<Note>("cancelled")).await?;
    store.with_context(async |ctx| ctx.cancel::<Note>("replaced")).await?;
    let left = store.queues().get(QUEUE).await?;
    assert_eq!((left.due, left.scheduled, left.running), (0, 0, 0));
    Ok(())
}

/// A poison task ends its worker: it is claimed alone the next time, so that it takes no other along.
pub(crate) async fn a_task_whose_lease_has_ended_is_claimed_alone(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    for text in ["a", "b"] {
        store.enqueue(note(text)).await?;
    }
    assert_eq!(claim_within(fixture, 9, SHORT).await?.tasks.len(), 2);
    sleep(SHORT * 2).await;
    store.enqueue(note("c")).await?;
    let mut claims = Vec::new();
    while claims.len() < 3 {
        let claimed = claim_within(fixture, 9, LONG).await?;
        let abandoned = claimed.tasks.iter().filter(|task| task.is_abandoned).count();
        assert!(abandoned == 0 || claimed.tasks.len() == 1, "{claimed:?}");
        claims.extend(texts(&claimed.tasks));
    }
    claims.sort();
    assert_eq!(claims, ["a", "b", "c"]);
    Ok(())
}

pub(crate) async fn a_task_that_was_given_back_has_lost_no_attempt(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    let engine = tasks(fixture)?;
    store.enqueue(note("a")).await?;
    let leases: Vec<_> = claim(fixture, 9).await?.iter().map(lease_of).collect();
    engine.release(&leases).await?;
    let again = claim(fixture, 9).await?;
    assert_eq!((again[0].attempts, again[0].is_abandoned), (1, false));
    Ok(())
}

pub(crate) async fn a_task_that_fails_is_given_again_and_dies(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let attempts = Notes::default();
    let handlers = {
        let attempts = attempts.clone();
        Handlers::new().on(async move |task: Claimed<Note>| -> Result<(), TaskError> {
            attempts.add(&format!("{} {}", task.text, task.attempt()));
            match &*task.text {
                "permanent" => Err(TaskError::permanent("it will never work")),
                "panic" => panic!("on purpose"),
                "twice" if task.attempt() > 1 => Ok(()),
                _ => Err(TaskError::new("it does not work")),
            }
        })
    };
    for text in ["never", "permanent", "panic", "twice"] {
        store.enqueue(Task::new(note(text)).key(text)).await?;
    }
    let worker = store.queue(QUEUE).retry(fast().attempts(3)).concurrency(2).spawn(handlers)?;
    let is_over = async || {
        let status = store.queues().get(QUEUE).await?;
        Ok(status.scheduled + status.due + status.running == 0)
    };
    until_true(is_over).await?;
    worker.shutdown().await?;
    let mut all = attempts.all();
    all.sort();
    let expected = [
        "never 1",
        "never 2",
        "never 3",
        "panic 1",
        "panic 2",
        "panic 3",
        "permanent 1",
        "twice 1",
        "twice 2",
    ];
    assert_eq!(all, expected);
    let dead = store.queues().dead(QUEUE, None, 9).await?;
    let failures: Vec<_> = dead.iter().filter_map(|task| task.failure.as_deref()).collect();
    assert_eq!(failures.len(), 3);
    assert!(failures.iter().any(|failure| failure.contains("on purpose")), "{failures:?}");
    let states_are_dead = dead.iter().all(|task| matches!(task.state, TaskState::Dead { .. }));
    assert!(states_are_dead, "{dead:?}");
    Ok(())
}

pub(crate) async fn dead_tasks_are_retried_and_discarded(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let engine = tasks(fixture)?;
    for text in ["a", "b", "c", "d"] {
        store.enqueue(Task::new(note(text)).key(text)).await?;
    }
    for task in claim(fixture, 9).await? {
        die(fixture, &task).await?;
    }
    let queues = store.queues();
    let dead = queues.dead(QUEUE, None, 2).await?;
    let rest = queues.dead(QUEUE, dead.last(), 9).await?;
    let ids: Vec<_> = dead.iter().chain(&rest).map(|task| task.id).collect();
    assert_eq!(ids.len(), 4);

    let named = TasksRequest {
        queue: queue(),
        which: StoredTasks::Dead,
        key: Some(TaskKey::new("c")?),
        after: None,
        limit: 9,
    };
    let named = engine.tasks(&named).await?;
    assert_eq!(named.iter().map(|task| task.id).collect::<Vec<_>>(), [ids[2]]);

    // The key of a dead task is free, and a retry needs it back.
    let new_a = store.enqueue(Task::new(note("new a")).key("a").after(LATER)).await?;
    assert_error!(queues.retry(QUEUE, ids[0]).await, Error::TaskKeyTaken { .. });
    queues.retry(QUEUE, ids[1]).await?;
    queues.discard(QUEUE, ids[2], "not wanted any more").await?;
    assert_error!(queues.discard(QUEUE, ids[2], "again").await, Error::UnknownTask { .. });
    assert_error!(queues.discard(QUEUE, ids[3], " ").await, Error::InvalidTask { .. });
    let retried = claim(fixture, 9).await?;
    assert_eq!((texts(&retried), retried[0].attempts), (vec!["b".to_owned()], 1));
    assert_error!(queues.retry(QUEUE, ids[1]).await, Error::UnknownTask { .. });
    let discarded = queues.discarded(QUEUE, None, 9).await?;
    assert_eq!(discarded.len(), 1);
    assert!(
        matches!(&discarded[0].state, TaskState::Discarded { reason, .. } if reason == "not wanted any more"),
        "{discarded:?}"
    );

    assert_eq!(queues.retry_all(QUEUE).await?, 1, "the key of the other one is taken");
    assert_eq!(texts(&claim(fixture, 9).await?), ["d"]);
    assert_eq!(queues.discard_all(QUEUE, "cleaning up").await?, 1);
    queues.discard(QUEUE, new_a, "one that waits").await?;
    let left = queues.get(QUEUE).await?;
    assert_eq!((left.dead, left.scheduled, left.running), (0, 0, 2));
    Ok(())
}

async fn die(fixture: &Fixture, task: &StoredTask) -> Result<()> {
    let failure = "it does not work".to_owned();
    let lease = lease_of(task);
    let failed = FailedAttempt { lease, failure, retry_after: None, returns: None };
    tasks(fixture)?.fail(&failed).await
}

/// The death of a task and its return to its sender are one transaction.
pub(crate) async fn a_task_that_dies_comes_back_once(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let engine = tasks(fixture)?;
    store.enqueue(Task::new(note("a")).key("k").priority(Priority::Low)).await?;
    let died = claim(fixture, 1).await?.remove(0);
    let (lease, back) = (lease_of(&died), returned()?);
    let (failure, returns) = ("it does not work".to_owned(), Some(back.clone()));
    let failed = FailedAttempt { lease, failure, retry_after: None, returns };
    engine.fail(&failed).await?;
    assert_error!(engine.fail(&failed).await, Error::TaskLeaseLost { .. });

    let found = engine.find_task(back.id).await?.expect("it has come back");
    assert_eq!((found.queue, found.metadata), (back.queue, back.metadata));
    assert_eq!((found.task_type, found.version), (died.task_type, died.version));
    assert_eq!(found.payload, died.payload);
    assert_eq!((found.key, found.priority), (None, Priority::Normal));
    assert_eq!((found.attempts, found.failure), (0, None));
    assert_eq!(found.place, StoredPlace::Waiting);
    assert_eq!(store.queues().get(RETURNED).await?.due, 1);
    assert_eq!(store.queues().get(QUEUE).await?.dead, 1);
    Ok(())
}

/// An operator's request for all dead tasks changes a bounded number of them at a time.
pub(crate) async fn dead_tasks_are_changed_page_by_page(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    let engine = tasks(fixture)?;
    // Two tasks that have the same key one after the other.
    for (text, key) in [("a", "k"), ("b", "k"), ("c", "c"), ("d", "d"), ("e", "e")] {
        store.enqueue(Task::new(note(text)).key(key)).await?;
        die(fixture, &claim(fixture, 1).await?[0]).await?;
    }
    let queues = store.queues();
    let ids: Vec<_> = queues.dead(QUEUE, None, 9).await?.iter().map(|task| task.id).collect();
    store.enqueue(Task::new(note("new d")).key("d").after(LATER)).await?;
    let (queue, mut after) = (queue(), None);
    for (changed, last) in [(1, Some(1)), (1, Some(3)), (1, None)] {
        let page = WhichTasks::Dead { after, limit: 2 };
        let done = engine.control(&queue, &QueueControl::Retry(page)).await?;
        assert_eq!(done, Controlled { changed, next: last.map(|last: usize| ids[last]) });
        after = done.next;
    }
    assert_eq!(texts(&claim(fixture, 9).await?), ["a", "c", "e"]);
    let left: Vec<_> = queues.dead(QUEUE, None, 9).await?.iter().map(|task| task.id).collect();
    assert_eq!(left, [ids[1], ids[3]], "their keys are taken");

    let mut after = None;
    for (changed, last) in [(1, Some(1)), (1, Some(3)), (0, None)] {
        let which = WhichTasks::Dead { after, limit: 1 };
        let discard = QueueControl::Discard {
            which,
            reason: "cleaning up".to_owned(),
            returns: Some(returned()?),
        };
        let done = engine.control(&queue, &discard).await?;
        assert_eq!(done, Controlled { changed, next: last.map(|last: usize| ids[last]) });
        after = done.next;
    }
    assert_eq!(queues.get(QUEUE).await?.dead, 0);
    assert_eq!(queues.get(RETURNED).await?.due, 0, "they came back when they died");
    Ok(())
}

pub(crate) async fn tasks_are_read_page_by_page(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    store.enqueue(note("elsewhere")).await?;
    let all = [
        ("low", Priority::Low, Duration::ZERO),
        ("late", Priority::Normal, LATER),
        ("normal 1", Priority::Normal, Duration::ZERO),
        ("normal 2", Priority::Normal, Duration::ZERO),
        ("high", Priority::High, LATER),
    ];
    for (text, priority, wait) in all {
        let task = Task::new(note(text)).priority(priority).after(wait).to("another queue");
        store.enqueue(task).await?;
    }
    let queues = store.queues();
    let mut read: Vec<TaskInfo> = Vec::new();
    loop {
        let page = queues.waiting("another queue", read.last(), 2).await?;
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2, "{page:?}");
        read.extend(page);
    }
    let text = |task: &TaskInfo| task.body.to_json().expect("it can be read")["text"].clone();
    let texts: Vec<_> = read.iter().map(text).collect();
    assert_eq!(texts, ["high", "normal 1", "normal 2", "late", "low"]);
    Ok(())
}

pub(crate) async fn a_paused_queue_gives_nothing_until_it_is_resumed(
    fixture: &Fixture,
) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    store.enqueue(note("a")).await?;
    store.queues().pause(QUEUE).await?;
    let claimed = claim_within(fixture, 9, LONG).await?;
    assert!(claimed.paused && claimed.tasks.is_empty(), "{claimed:?}");
    assert!(store.queues().get(QUEUE).await?.is_paused);
    let elsewhere = Task::new(note("elsewhere")).to("another queue");
    store.enqueue(elsewhere).await?;
    let notes = Notes::default();
    let worked = store.queue("another queue").run_due(noting(&notes)).await?;
    assert_eq!((worked.done, notes.all().len()), (1, 1));
    store.queues().resume(QUEUE).await?;
    assert_eq!(texts(&claim(fixture, 9).await?), ["a"]);
    Ok(())
}

/// The handler takes longer than the lease, which the worker renews.
pub(crate) async fn a_slow_task_is_done_once(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let notes = Notes::default();
    let handlers = {
        let notes = notes.clone();
        Handlers::new().on(async move |task: Claimed<Note>| -> Result<(), TaskError> {
            sleep(Duration::from_millis(500)).await;
            notes.add(&task.text);
            Ok(())
        })
    };
    store.enqueue(note("slow")).await?;
    let worker = || {
        let lease = Duration::from_millis(200);
        store.queue(QUEUE).lease(lease).poll_interval(Duration::from_millis(20))
    };
    let workers = [worker().spawn(handlers.clone())?, worker().spawn(handlers)?];
    until_idle(store).await?;
    for worker in workers {
        worker.shutdown().await?;
    }
    assert_eq!(notes.all(), ["slow"]);
    Ok(())
}

async fn until_idle(store: &EventStore) -> Result<()> {
    let queues = store.queues();
    let idle = queues.wait_until_idle(QUEUE);
    tokio::time::timeout(LONG, idle).await.expect("the queue is never idle")
}

pub(crate) async fn a_handler_that_takes_too_long_is_stopped(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let handlers = Handlers::new()
        .on(async |_: Claimed<Note>| -> Result<(), TaskError> { std::future::pending().await });
    store.enqueue(note("endless")).await?;
    let queue = store.queue(QUEUE).time_limit(Duration::from_millis(10)).retry(fast().attempts(1));
    assert_eq!(queue.run_due(handlers).await?.dead, 1);
    let dead = store.queues().dead(QUEUE, None, 9).await?;
    let failure = dead[0].failure.as_deref().unwrap_or_default();
    assert!(failure.contains("longer than 10ms"), "{failure}");
    Ok(())
}

pub(crate) async fn a_handler_whose_task_is_cancelled_is_stopped(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let began = CancellationToken::new();
    let handlers = {
        let began = began.clone();
        Handlers::new().on(async move |_: Claimed<Note>| -> Result<(), TaskError> {
            began.cancel();
            std::future::pending().await
        })
    };
    store.enqueue(Task::new(note("endless")).key("k")).await?;
    let worker = store.queue(QUEUE).lease(Duration::from_millis(60)).spawn(handlers)?;
    began.cancelled().await;
    store.with_context(async |ctx| ctx.cancel::<Note>("k")).await?;
    tokio::time::timeout(LONG, worker.shutdown()).await.expect("the handler was not stopped")
}

/// The worker has claimed tasks in advance, since others were done fast. It may be too slow for that at times.
pub(crate) async fn a_worker_that_stops_gives_back_what_it_has_not_begun(
    fixture: &Fixture,
) -> Result<()> {
    const ROUNDS: usize = 20;
    tasks(fixture)?;
    for _ in 0..ROUNDS {
        if stop_ahead(fixture).await? {
            return Ok(());
        }
    }
    panic!("in {ROUNDS} rounds, the worker has never claimed a task in advance");
}

/// Stops a worker that has begun as many tasks as it may. Returns whether it had claimed others.
async fn stop_ahead(fixture: &Fixture) -> Result<bool> {
    const AT_ONCE: u64 = 3;
    const SLOW: u64 = 20;
    let store = fixture.store();
    let (begun, go_on) = (Notes::default(), CancellationToken::new());
    let handlers = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        Handlers::new().on(async move |task: Claimed<Note>| -> Result<(), TaskError> {
            if &*task.text == "slow" {
                begun.add(&task.text);
                go_on.cancelled().await;
            }
            Ok(())
        })
    };
    store
        .with_context(async |ctx| {
            for _ in 0..SLOW {
                ctx.enqueue(note("fast"))?;
                ctx.enqueue(Task::new(note("slow")).priority(Priority::Low))?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    let queues = store.queues();
    let worker = store.queue(QUEUE).concurrency(3).spawn(handlers)?;
    until_true(async || Ok(begun.all().len() as u64 == AT_ONCE)).await?;
    let is_ahead = async || Ok(queues.get(QUEUE).await?.running > AT_ONCE);
    let is_ahead = tokio::time::timeout(LONG / 60, until_true(is_ahead)).await;
    let (stopped, ()) = tokio::join!(worker.shutdown(), async { go_on.cancel() });
    stopped?;
    let left = queues.get(QUEUE).await?;
    assert_eq!((left.running, left.due), (0, SLOW - AT_ONCE), "{left:?}");
    let given_back = queues.waiting(QUEUE, None, 99).await?;
    assert!(given_back.iter().all(|task| task.attempts == 0), "{given_back:?}");
    // The next round begins with an empty queue.
    store.queue(QUEUE).run_due(noting(&begun)).await?;
    is_ahead.map_or(Ok(false), |claimed| claimed.map(|()| true))
}

/// The worker finishes what it has begun before it begins such a task, and begins nothing beside it.
pub(crate) async fn a_task_whose_lease_has_ended_runs_alone(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    store.enqueue(note("poison")).await?;
    claim_within(fixture, 1, SHORT).await?;
    let (begun, go_on) = (Notes::default(), CancellationToken::new());
    let handlers = {
        let (begun, go_on) = (begun.clone(), go_on.clone());
        Handlers::new().on(async move |task: Claimed<Note>| -> Result<(), TaskError> {
            begun.add(&format!("{} begins", task.text));
            match &*task.text {
                "poison" => sleep(Duration::from_millis(20)).await,
                _ => go_on.cancelled().await,
            }
            begun.add(&format!("{} ends", task.text));
            Ok(())
        })
    };
    let queues = store.queues();
    store.enqueue(Task::new(note("innocent")).priority(Priority::High)).await?;
    let worker = store.queue(QUEUE).concurrency(3).spawn(handlers.clone())?;
    let is_claimed_again = async || {
        let waiting = queues.waiting(QUEUE, None, 9).await?;
        Ok(!begun.all().is_empty() && waiting.iter().any(|task| task.attempts == 2))
    };
    until_true(is_claimed_again).await?;
    store.enqueue(Task::new(note("late")).priority(Priority::Low)).await?;
    // Enough for a worker that waits for nothing.
    sleep(Duration::from_millis(20)).await;
    assert_eq!(begun.all(), ["innocent begins"]);

    // A worker that stops leaves it to others, which have it alone as well.
    let (stopped, ()) = tokio::join!(worker.shutdown(), async { go_on.cancel() });
    stopped?;
    let next = claim(fixture, 9).await?;
    assert_eq!((texts(&next), next[0].is_abandoned), (vec!["poison".to_owned()], true));
    let storage = tasks(fixture)?;
    storage.renew(&[lease_of(&next[0])], Duration::ZERO).await?;

    let worker = store.queue(QUEUE).concurrency(3).spawn(handlers)?;
    until_idle(store).await?;
    worker.shutdown().await?;
    let texts = ["innocent", "poison", "late"];
    let one_after_the_other = texts.map(|text| [format!("{text} begins"), format!("{text} ends")]);
    assert_eq!(begun.all(), one_after_the_other.as_flattened());
    Ok(())
}

pub(crate) async fn a_task_wakes_a_worker(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let notes = Notes::default();
    let worker = store.queue(QUEUE).poll_interval(LONG).spawn(noting(&notes))?;
    for round in 1..=20 {
        // Once while it sleeps, and once while it looks.
        sleep(Duration::from_millis(round % 3)).await;
        store.enqueue(note("wake up")).await?;
        let told = notes.clone();
        let is_done = async move || Ok(told.all().len() as u64 >= round);
        tokio::time::timeout(LONG / 2, until_true(is_done)).await.expect("it sleeps on")?;
    }
    worker.shutdown().await
}

pub(crate) async fn a_repeated_piece_of_work_is_completed_alone(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let id = counter::create(store, 0).await?;
    for _ in 0..2 {
        store.enqueue(Add { counter: id, by: 5 }).await?;
    }
    let worked = store.queue(QUEUE).run_due(Handlers::new().work::<Add>(Keyed)).await?;
    assert_eq!((worked.done, worked.failed, worked.dead), (2, 0, 0));
    assert_eq!(counter::value(store, id).await?, 5);
    Ok(())
}

/// Adds once, whatever the task.
struct Keyed;

impl evercore::task::Work<Add> for Keyed {
    async fn work(&self, ctx: &mut Context, task: &Claimed<Add>) -> Result<(), TaskError> {
        ctx.set_idempotency_key("only once")?;
        Adder.work(ctx, task).await
    }
}

pub(crate) async fn a_task_of_an_unknown_type_dies_with_a_reason(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    store.enqueue(note("of a newer program")).await?;
    store.enqueue(Task::new(note("without a handler")).to("another queue")).await?;
    let registry = evercore::Registry::builder().event::<Add>().event::<Added>().build()?;
    let older = fixture.store_with(fixture.builder().registry(registry)).await?;
    let handlers = Handlers::new().work::<Add>(Adder);
    let retry = fast().attempts(1);
    let worked = older.queue(QUEUE).retry(retry).run_due(handlers.clone()).await?;
    assert_eq!(worked.dead, 1);
    let worked = store.queue("another queue").retry(retry).run_due(handlers).await?;
    assert_eq!(worked.dead, 1);
    for (queue, why) in [(QUEUE, "link the crate"), ("another queue", "has no handler")] {
        let dead = store.queues().dead(queue, None, 9).await?;
        let failure = dead[0].failure.as_deref().unwrap_or_default();
        assert!(failure.contains(why), "{failure}");
    }
    Ok(())
}

pub(crate) async fn metadata_are_carried_on_by_tasks(fixture: &Fixture) -> Result<()> {
    let store = fixture.store();
    tasks(fixture)?;
    let id = counter::create(store, 0).await?;
    let request = Metadata::new().correlation("request-17").principal("ada");
    let task = with_metadata(request, store.enqueue(Add { counter: id, by: 1 })).await?;
    store.queue(QUEUE).run_due(Handlers::new().work::<Add>(Adder)).await?;
    let log = fixture.log().await?;
    let metadata = log.last().expect("it was written").metadata();
    assert_eq!(metadata.correlation_id(), Some("request-17"));
    assert_eq!(metadata.principal_id(), Some("ada"));
    assert_eq!(metadata.causation_id(), Some(&*task.to_string()));
    Ok(())
}

pub(crate) async fn tasks_count_for_the_limits_of_a_commit(fixture: &Fixture) -> Result<()> {
    tasks(fixture)?;
    let limits = Limits::default().max_commit_events(3);
    let store = fixture.store_with(fixture.builder().limits(limits)).await?;
    let enqueue = async |count: usize| {
        store
            .with_context(async |ctx| {
                for _ in 0..count {
                    ctx.enqueue(note("a"))?;
                }
                Ok::<_, Error>(())
            })
            .await
    };
    enqueue(3).await?;
    assert_error!(enqueue(4).await, Error::CommitTooLarge { .. });
    let small = Limits::default().max_payload_bytes(100);
    let store = fixture.store_with(fixture.builder().limits(small)).await?;
    let large = store.enqueue(note(&"x".repeat(101))).await;
    assert_error!(large, Error::PayloadTooLarge { .. });
    let endless = store.enqueue(Task::new(note("a")).after(Duration::MAX)).await;
    assert_error!(endless, Error::TimeOutOfRange { .. });
    let nameless = store.enqueue(Task::new(note("a")).to("")).await;
    assert_error!(nameless, Error::InvalidTask { .. });
    let keyless = store.enqueue(Task::new(note("a")).key("")).await;
    assert_error!(keyless, Error::InvalidTask { .. });
    assert_eq!(claim(fixture, 9).await?.len(), 3);
    Ok(())
}

/// Commits that enqueue the keys `a` and `b`, and others in the opposite order.
pub(crate) async fn racing_keys_in_opposite_orders_end(fixture: &Fixture) -> Result<()> {
    tasks(fixture)?;
    let neighbour = fixture.neighbour().await?;
    let stores = [fixture.store().clone(), neighbour];
    let landed = race_all(8, |index| {
        let store = stores[index % 2].clone();
        async move {
            let mut landed = 0;
            for round in 0..10 {
                let keys = if index % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
                let keys = keys.map(|key| format!("{key} {round}"));
                let enqueued = store
                    .with_context(async move |ctx| {
                        for key in keys {
                            ctx.enqueue(Task::new(note(&key)).key(key))?;
                        }
                        Ok::<_, Error>(())
                    })
                    .await;
                match enqueued {
                    Ok(()) => landed += 1,
                    Err(Error::TaskKeyTaken { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(landed)
        }
    })
    .await?;
    assert_eq!(landed.iter().sum::<u32>(), 10);
    assert_eq!(claim(fixture, 50).await?.len(), 20);
    Ok(())
}
